package sink

import (
	"bytes"
	"errors"

	"github.com/penstock-go/penstock/stage"
)

// Lines writes each item and a newline to the file at path, as [LinesEncoder]
// formats them; see the package's documentation for what path may be, and
// [FileOption] for the options. Of a stream without items it makes an empty file.
// Lines panics if path is empty or an option does not fit.
func Lines(path string, opts ...FileOption) stage.Sink[string] {
	return encoded("Lines", path, LinesEncoder[string](), opts)
}

// LinesEncoder formats each item as a line: its bytes and a newline. An item that
// holds a newline would become two lines: it is an error, [ErrNewline].
func LinesEncoder[T ~string | ~[]byte]() stage.Encoder[T] { return linesEncoder[T]{} }

// ErrNewline says that an item of a [Lines] sink holds a newline.
var ErrNewline = errors.New("the item holds a newline")

type linesEncoder[T ~string | ~[]byte] struct{ lineFormat }

// Encode implements stage.Encoder.
func (linesEncoder[T]) Encode(dst []byte, c *stage.Chunk[T]) ([]byte, error) {
	out := dst
	for _, item := range c.Items {
		from := len(out)
		out = append(out, item...)
		if bytes.IndexByte(out[from:], '\n') >= 0 {
			return dst, ErrNewline
		}
		out = append(out, '\n')
	}
	return out, nil
}

// lineFormat is the format of files whose records are lines.
type lineFormat struct{}

// Header implements stage.Format.
func (lineFormat) Header() []byte { return nil }

// Cut implements stage.Format.
func (lineFormat) Cut(b []byte, n int) int {
	if i := bytes.IndexByte(b[n-1:], '\n'); i >= 0 {
		return n + i
	}
	return len(b)
}
