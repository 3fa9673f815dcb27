package stage

import (
	"context"

	"github.com/penstock-go/penstock/internal/plan"
)

// FlatMap is the stream of all that fn emits for each item, in the order of the
// calls to emit. fn runs in whoever pulls, one item at a time, with the context
// of the pull. The outputs of one item are held until fn returns: its fan-out is
// the bound of the memory they take. An item whose fn fails or panics becomes an
// *ItemError and what it had emitted is dropped. emit must not be called by
// another goroutine; it panics when it is called after fn has returned. FlatMap
// asks its input for as many items as seem enough, one at first. It panics if fn
// is nil.
func FlatMap[A, B any](in Stream[A], fn func(ctx context.Context, a A, emit func(B)) error) Stream[B] {
	notNil(fn == nil, "stage.FlatMap: fn")
	return serial("FlatMap", "", in, func(_ context.Context, up upstream[A]) (Puller[B], error) {
		k := &flatMapping[A, B]{fn: fn, m: up.m}
		k.emit = k.take
		return newLoop(up, k, expands), nil
	})
}

type flatMapping[A, B any] struct {
	fn   func(context.Context, A, func(B)) error
	emit func(B)
	m    *plan.Meter
	buf  []B  // what the item at hand made
	sent int  // how much of it was handed on
	made bool // fn has returned for the item at hand
	open bool // fn is running
}

func (k *flatMapping[A, B]) run(ctx context.Context, items []A, out []B, c *cursor) error {
	for c.in < len(items) && c.out < len(out) {
		if !k.made {
			k.clear() // also after a panic
			k.open = true
			err := k.fn(ctx, items[c.in], k.emit)
			k.open = false
			if err != nil {
				return err
			}
			k.made = true
			counted(k.m, len(k.buf))
		}
		n := copy(out[c.out:], k.buf[k.sent:])
		c.out += n
		k.sent += n
		if k.sent < len(k.buf) {
			return nil
		}
		k.clear()
		c.in++
	}
	return nil
}

func (k *flatMapping[A, B]) take(b B) {
	if !k.open {
		panic("penstock: stage.FlatMap: emit was called after the function had returned")
	}
	k.buf = append(k.buf, b)
}

func (k *flatMapping[A, B]) clear() {
	clear(k.buf)
	k.buf, k.sent, k.made = k.buf[:0], 0, false
}

// Unbatch is the stream of the items of in's slices, one by one. The items are
// copied out; the slices stay as they are. Unbatch asks its input for as many
// slices as seem enough, one at first, and holds at most those. For sequences there
// is Flatten.
func Unbatch[T any](in Stream[[]T]) Stream[T] {
	return serial("Unbatch", "", in, func(_ context.Context, up upstream[[]T]) (Puller[T], error) {
		return newLoop(up, &unbatching[T]{m: up.m}, expands), nil
	})
}

type unbatching[T any] struct {
	m    *plan.Meter
	sent int // how much of the slice at hand was handed on
}

func (k *unbatching[T]) run(_ context.Context, items [][]T, out []T, c *cursor) error {
	for c.in < len(items) && c.out < len(out) {
		batch := items[c.in]
		if k.sent == 0 {
			counted(k.m, len(batch))
		}
		n := copy(out[c.out:], batch[k.sent:])
		c.out += n
		k.sent += n
		if k.sent < len(batch) {
			return nil
		}
		k.sent = 0
		c.in++
	}
	return nil
}

// counted books the outputs of one item.
func counted(m *plan.Meter, outputs int) {
	if outputs == 0 {
		m.Filtered++
	} else {
		m.Expanded += int64(outputs) - 1
	}
}
