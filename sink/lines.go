package sink

import (
	"bytes"
	"errors"
	"strings"

	"github.com/penstock-go/penstock/stage"
)

// Lines writes each item and a newline to the file at path, as a whole or not at
// all; see the package's documentation. An item that holds a newline would become
// two lines: it is an error, [ErrNewline]. Of a stream without items it makes an
// empty file. It buffers 64 KiB.
func Lines(path string) stage.Sink[string] {
	return newFile("Lines", path, func() format[string] { return linesFormat{} })
}

// ErrNewline says that an item of a [Lines] sink holds a newline.
var ErrNewline = errors.New("the item holds a newline")

type linesFormat struct{}

func (linesFormat) begin(*bytes.Buffer) error { return nil }

func (linesFormat) add(b *bytes.Buffer, item *string) error {
	if strings.IndexByte(*item, '\n') >= 0 {
		return ErrNewline
	}
	b.WriteString(*item)
	b.WriteByte('\n')
	return nil
}
