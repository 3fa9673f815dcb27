package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/stage"
)

// JSON makes a stream of the elements of a JSON array that is a file, of such
// arrays in all files that a pattern matches, or of one on standard input ("-");
// see the package's documentation for what a path may be. Elements come in file
// order. However long the array is, no more than a block of it is in memory. A
// file that is empty or only white space has no elements. A byte order mark at
// the beginning of a file is dropped. For values one a line see [NDJSON].
//
// Elements are decoded as with NDJSON. Behind a pool, decoding runs in the
// workers; where elements end is found where the stream is pulled. Blocks are
// taken as with [Lines].
//
// An element that does not decode, or is longer than [MaxRecord], is an item
// error that names file, record and byte; its input is the element's text. The
// stream goes on with the next element; text up to the next comma outside
// brackets and strings counts as one. A file that is no array, that ends before
// its array does, or that goes on behind it, is an [Error] after all elements
// before it; more of that than MaxRecord is an item error. Files that cannot be
// read are errors as with Lines.
//
// The options are [Paths], [MaxRecord], [BlockSize] and [Decoder].
func JSON[T any](path string, opts ...Option) stage.Stream[T] {
	o := settings("JSON", path, opts)
	decode := o.decode
	if decode == nil {
		decode = func(text []byte, into any) error { return json.Unmarshal(text, into) }
	}
	s := stage.New("JSON", func(context.Context) (stage.Puller[T], error) {
		split := new(blocks.JSON)
		f, err := openFiles(o, split)
		if err != nil {
			return nil, err
		}
		p := &jsonPuller[T]{split: split, filesPuller: filesPuller[T]{files: f, lead: 1}}
		p.fill = func(c *stage.Chunk[T]) error {
			work := filling[T]{format: &jsonFormat[T]{unmarshal: decode, first: c.Tokens[0].At.Record == 0}, maxRecord: o.maxRecord}
			work.fill(c)
			c.Block = nil // what was decoded may refer to it
			return nil
		}
		return p, nil
	})
	s.Plan().Detail = o.detail()
	return s
}

// jsonPuller makes a Filler of files that are arrays.
type jsonPuller[T any] struct {
	filesPuller[T]
	split *blocks.JSON
}

// Pull implements stage.Puller. A block that is no record has an offset of -1.
func (p *jsonPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	err := p.filesPuller.Pull(ctx, into, max)
	if err == nil && into.Block != nil && p.split.Torn() {
		into.Offsets = append(into.Offsets[:0], -1)
	}
	return err
}

// Fill implements stage.Filler.
func (p *jsonPuller[T]) Fill(ctx context.Context, c *stage.Chunk[T]) error {
	if !slices.Equal(c.Offsets, []int32{-1}) {
		return p.filesPuller.Fill(ctx, c)
	}
	c.Offsets = c.Offsets[:0]
	t := &c.Tokens[0]
	p.settle(t, c.Block)
	e := &Error{File: t.At.Key, Record: t.At.Record + 1, Byte: t.At.Offset + int64(len(c.Block)), Err: torn(c.Block, t.At.Record == 0)}
	c.Tokens, c.Block = c.Tokens[:0], nil
	return e
}

// torn is what is wrong with the rest of a file.
func torn(rest []byte, first bool) error {
	i := slices.IndexFunc(rest, func(c byte) bool { return c != ' ' && c != '\t' && c != '\r' && c != '\n' })
	switch {
	case first && rest[i] != '[':
		return errNoArray()
	case !first && rest[i] == ']':
		return errBehind()
	}
	if n, from, to := blocks.Element(rest); first && from < to && rest[from] == ']' && n == len(rest) {
		return errBehind()
	}
	return fmt.Errorf("the array does not end: %w", io.ErrUnexpectedEOF)
}

func errNoArray() error { return errors.New("not a JSON array") }

func errBehind() error { return errors.New("there is something behind the array") }

// jsonFormat decodes elements of an array.
type jsonFormat[T any] struct {
	unmarshal func(text []byte, into any) error
	first     bool // the array begins with the next element
	headless  bool // it should have, and did not
}

func (f *jsonFormat[T]) next(text string) (n int, blank bool) {
	n, _, _ = blocks.Element(bytesOf(text))
	return n, false
}

// inner finds the element in its record.
func (f *jsonFormat[T]) inner(record string) (from, to int) {
	_, from, to = blocks.Element(bytesOf(record))
	f.headless = f.first && strings.TrimLeft(record, " \t\r\n")[0] == ','
	f.first = false
	return from, to
}

func (f *jsonFormat[T]) decode(element string, into *T) error {
	if f.headless {
		return errNoArray()
	}
	if element == "" {
		return errors.New("an element is missing")
	}
	return f.unmarshal(bytesOf(element), into)
}
