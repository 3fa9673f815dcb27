package source

import (
	"context"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/stage"
)

// NDJSON makes a stream of the JSON values, one a line, of a file, of all files
// that a pattern matches, or of standard input ("-"); see the package's
// documentation for what a path may be. Values come in file order. Blank lines
// are passed over. A byte order mark at the beginning of a file is dropped.
//
// Lines are decoded as encoding/json/v2 does: names are matched exactly, unknown
// names are ignored, a name that comes twice and invalid UTF-8 are errors; see
// [Decoder] for another way. Behind a pool, decoding runs in the workers. Blocks
// are taken as with [Lines].
//
// A line that does not decode, or is longer than [MaxRecord], is an item error
// that names file, record (blank lines not counted) and byte; its input is the
// line. The stream goes on with the next line. Files that cannot be read are
// errors as with [Lines].
//
// The options are [Paths], [MaxRecord], [BlockSize] and [Decoder].
func NDJSON[T any](path string, opts ...Option) stage.Stream[T] {
	o := settings("NDJSON", path, opts)
	decode := o.decode
	if decode == nil {
		decode = func(line []byte, into any) error { return json.Unmarshal(line, into) }
	}
	s := stage.New("NDJSON", func(context.Context) (stage.Puller[T], error) {
		f, err := openFiles(o, &blocks.Lines{Blank: blocks.BlankJSON})
		if err != nil {
			return nil, err
		}
		return &filesPuller[T]{files: f, fill: func(c *stage.Chunk[T]) error {
			work := filling[T]{format: ndjsonFormat[T]{decode}, maxRecord: o.maxRecord}
			work.fill(c)
			c.Block = nil // what was decoded may refer to it
			return nil
		}}, nil
	})
	s.Plan().Detail = o.detail()
	return s
}

type ndjsonFormat[T any] struct {
	unmarshal func(line []byte, into any) error
}

func (f ndjsonFormat[T]) next(text string) (n int, blank bool) {
	line, n := text, len(text)
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		line, n = text[:i], i+1
	}
	return n, blocks.BlankJSON(bytesOf(line))
}

func (f ndjsonFormat[T]) decode(record string, into *T) error {
	return f.unmarshal(bytesOf(record), into)
}

// bytesOf is a view of s, which is itself a view of a block.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
