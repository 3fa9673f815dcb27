package source

import (
	"bytes"
	"context"
	"slices"
	"unsafe"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/stage"
)

// Lines makes a stream of the lines of a file, of all files that a pattern
// matches, or of standard input ("-"); see the package's documentation for what
// a path may be. Lines come in file order, without the newline or carriage return
// and newline that ends them. Empty lines are items; a last line without a
// newline is one too. A byte order mark at the beginning of a file is dropped;
// all other bytes, NUL and invalid UTF-8 included, are kept as they are.
//
// The stream takes a block of whole lines at a time: as many bytes as it is
// asked for, else as many lines, else [BlockSize]. Behind a pool, finding the
// lines runs in the workers. The strings are views of their block, which stays in
// memory as long as one of them is kept: strings.Clone the few that you keep.
//
// A line longer than [MaxRecord] is an item error with cause [ErrTooLong]. A
// missing file or a pattern without a match is an [Error] when the stream is
// opened; a file that cannot be read to its end, or compressed data that ends too
// early, is one after all whole lines before it. The rest of the line that was
// cut off is not delivered.
//
// The options are [Paths], [MaxRecord] and [BlockSize].
func Lines(path string, opts ...Option) stage.Stream[string] {
	o := settings("Lines", path, opts)
	s := stage.New("Lines", func(context.Context) (stage.Puller[string], error) {
		f, err := openFiles(o, &blocks.Lines{})
		if err != nil {
			return nil, err
		}
		return &filesPuller[string]{files: f, fill: func(c *stage.Chunk[string]) error {
			fillLines(c, o.maxRecord)
			return nil
		}}, nil
	})
	s.Plan().Detail = o.detail()
	return s
}

// fillLines makes strings of the block's lines.
func fillLines(c *stage.Chunk[string], maxRecord int) {
	t := c.Tokens[0]
	c.Items = slices.Grow(c.Items, int(t.N))
	c.Offsets = slices.Grow(c.Offsets, int(t.N))
	for pos := 0; pos < len(c.Block); {
		line, next := c.Block[pos:], len(c.Block)
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, next = line[:i], pos+i+1
		}
		if len(line) > maxRecord {
			i := int64(len(c.Items) + len(c.Errors))
			c.Fail(itemError(t, i, int64(pos), nil, tooLong(int64(len(line)), maxRecord, false)))
		} else {
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
			c.Items = append(c.Items, unsafe.String(unsafe.SliceData(line), len(line)))
			c.Offsets = append(c.Offsets, int32(pos))
		}
		pos = next
	}
}
