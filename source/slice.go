package source

import (
	"context"
	"io"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// Slice makes a stream of the slice's items, in order. The slice is not copied
// at the call but chunk by chunk as it is pulled, so it must not be changed
// while a run of the stream reads it; what the stream does to its items never
// changes the slice. It never fails, and its length is known.
//
// A run with a checkpoint goes on at the item at which the one before left off. It
// is refused if the slice has another length now or, where T is a number, a bool or
// a string, if any item has changed; items of other types must be the same, which
// is not checked.
func Slice[T any](items []T) stage.Stream[T] { return ofSlice("Slice", items) }

func ofSlice[T any](verb string, items []T) stage.Stream[T] {
	return stage.New(verb, func(context.Context) (stage.Puller[T], error) {
		return &slicePuller[T]{items: items}, nil
	})
}

type slicePuller[T any] struct {
	items []T
	next  int
}

func (p *slicePuller[T]) Pull(_ context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	n := min(max.Room(), len(p.items)-p.next)
	into.Items = append(into.Items, p.items[p.next:p.next+n]...)
	number(into, int64(p.next))
	p.next += n
	if p.next == len(p.items) {
		return io.EOF
	}
	return nil
}

func (p *slicePuller[T]) Close() error { return nil }

// Remaining implements stage.Sized.
func (p *slicePuller[T]) Remaining() (int64, bool) { return int64(len(p.items) - p.next), true }

// number gives the chunk its token: what it holds are the source's items from
// first on.
func number[T any](c *stage.Chunk[T], first int64) {
	n := int64(len(c.Items) + len(c.Errors))
	if n == 0 {
		return
	}
	if len(c.Tokens) == cap(c.Tokens) {
		c.Tokens = slices.Grow(c.Tokens, 1)
	}
	// Field by field: a whole Token is built on the stack first and then copied in
	// other portions than it was written, which stalls the processor for longer
	// than all the rest of a pull of one item takes.
	c.Tokens = c.Tokens[:len(c.Tokens)+1]
	t := &c.Tokens[len(c.Tokens)-1]
	t.At.Part, t.At.Offset, t.At.Record, t.At.Key = 0, 0, first, ""
	t.First, t.N = first, n
}
