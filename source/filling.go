package source

import (
	"runtime/debug"
	"slices"
	"strings"
	"unsafe"

	"github.com/penstock-go/penstock/stage"
)

// format turns the records of a block into items. It is used by one goroutine
// at a time.
type format[T any] interface {
	// next finds the record at the start of text: its length with its newline, and
	// whether it is blank and so no record.
	next(text string) (n int, blank bool)
	// decode makes an item of the record that next found last.
	decode(record string, into *T) error
}

// enclosed is a format whose records have something around them.
type enclosed interface {
	// inner is where in the record that next found last the item's text is.
	inner(record string) (from, to int)
}

// filling is the work of turning one block into items. It can be taken up again
// after a panic.
type filling[T any] struct {
	format    format[T]
	maxRecord int

	text   string
	pos    int   // where the next record begins
	record int64 // records before it in the block

	// The record that is being decoded.
	raw string
	at  int
}

// fill makes items of the chunk's block. A record that fails is an item error,
// also when decoding it panics.
func (f *filling[T]) fill(c *stage.Chunk[T]) {
	n := int(c.Tokens[0].N)
	c.Items = slices.Grow(c.Items, n)
	c.Offsets = slices.Grow(c.Offsets, n)
	f.text = unsafe.String(unsafe.SliceData(c.Block), len(c.Block))
	for f.pos < len(f.text) {
		f.some(c)
	}
}

// some makes items until the block ends or decoding panics.
func (f *filling[T]) some(c *stage.Chunk[T]) {
	defer func() {
		if v := recover(); v != nil {
			f.failed(c, &stage.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	var zero T
	enclosed, _ := f.format.(enclosed)
	for f.pos < len(f.text) {
		n, blank := f.format.next(f.text[f.pos:])
		f.at = f.pos
		f.pos += n
		if blank {
			continue
		}
		f.raw = strings.TrimSuffix(f.text[f.at:f.pos], "\n")
		if enclosed != nil {
			from, to := enclosed.inner(f.raw)
			f.raw = f.raw[from:to]
			f.at += from
		}
		if len(f.raw) > f.maxRecord {
			f.fail(c, nil, tooLong(int64(len(f.raw)), f.maxRecord, false))
			continue
		}
		c.Items = append(c.Items, zero)
		if err := f.format.decode(f.raw, &c.Items[len(c.Items)-1]); err != nil {
			f.failed(c, err)
			continue
		}
		c.Offsets = append(c.Offsets, int32(f.at))
		f.record++
	}
}

// failed takes back the item that was being decoded, and fails the record.
func (f *filling[T]) failed(c *stage.Chunk[T], err error) {
	last := len(c.Items) - 1
	clear(c.Items[last:])
	c.Items = c.Items[:last]
	f.fail(c, strings.Clone(strings.TrimSuffix(f.raw, "\r")), err)
}

func (f *filling[T]) fail(c *stage.Chunk[T], input any, err error) {
	e := itemError(c.Tokens[0], f.record, int64(f.at), input, err)
	if p, ok := err.(*stage.PanicError); ok { //nolint:errorlint // only the one that failed made
		e.Stack = p.Stack
	}
	c.Fail(e)
	f.record++
}
