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
// The stream takes a block of whole lines at a time; see [BlockSize]. Behind a
// pool, finding and counting the lines runs in the workers. The strings of a block
// share its memory, which stays as long as one of them is kept: strings.Clone the
// few that you keep. [LineBytes] makes views of memory that can be used again.
//
// A line longer than [MaxRecord] is an item error with cause [ErrTooLong]. A
// missing file or a pattern without a match is an [Error] when the stream is
// opened; a file that cannot be read to its end, or compressed data that ends too
// early, is one after all whole lines before it. The rest of the line that was
// cut off is not delivered.
//
// The options are [Paths], [MaxRecord] and [BlockSize].
func Lines(path string, opts ...Option) stage.Stream[string] {
	return lines("Lines", path, opts, false, func(line []byte) string { return unsafe.String(unsafe.SliceData(line), len(line)) })
}

// LineBytes is [Lines] without making strings: each item is a view of the block
// that it was read into, with no capacity beyond its end. The block travels with
// the chunk. Where it is recycled (pool.Reduce, sinks of bytes; they say so), a
// line is valid only while the function that was given it runs: clone what is
// kept. Everywhere else the garbage collector owns it.
//
// The options are those of Lines.
func LineBytes(path string, opts ...Option) stage.Stream[[]byte] {
	return lines("LineBytes", path, opts, true, func(line []byte) []byte { return line })
}

// lines makes the stream of a verb whose records are lines. views says that an
// item is valid only as long as its block.
func lines[T any](verb, path string, opts []Option, views bool, item func(line []byte) T) stage.Stream[T] {
	o := settings(verb, path, opts)
	s := stage.New(verb, func(context.Context) (stage.Puller[T], error) {
		f, err := openFiles(o, &blocks.Lines{})
		if err != nil {
			return nil, err
		}
		return &filesPuller[T]{files: f, views: views, fill: func(c *stage.Chunk[T]) error {
			fillLines(c, o.maxRecord, item)
			return nil
		}}, nil
	})
	s.Plan().Detail = o.detail()
	return s
}

// fillLines makes items of the block's lines.
func fillLines[T any](c *stage.Chunk[T], maxRecord int, item func(line []byte) T) {
	t, block := c.Tokens[0], c.Block
	n := int(t.N)
	items, offsets := slices.Grow(c.Items[:0], n)[:n], slices.Grow(c.Offsets[:0], n)[:n]
	k := 0
	for pos := 0; pos < len(block); {
		end, next := len(block), len(block)
		if i := bytes.IndexByte(block[pos:], '\n'); i >= 0 {
			end, next = pos+i, pos+i+1
		}
		if end-pos > maxRecord {
			c.Items = items[:k]
			c.Fail(itemError(t, int64(k+len(c.Errors)), int64(pos), nil, tooLong(int64(end-pos), maxRecord, false)))
		} else {
			if end > pos && block[end-1] == '\r' {
				end--
			}
			items[k] = item(block[pos:end:end])
			offsets[k] = int32(pos)
			k++
		}
		pos = next
	}
	c.Items, c.Offsets = items[:k], offsets[:k]
}
