package stage

import (
	"context"
)

// Catch is the stream without the failed items that fn lets go: it is called for
// each *ItemError of the stages before, in stream order and one at a time. With nil
// the item is dropped, and counted as caught; with another error that becomes the
// cause (Unwrap leads to it, and Index, Input and place stay); with the one that it
// was given, or its cause, nothing changes. The stream's own failure does not come
// by here. Where fn panics the panic becomes the cause.
//
// It holds nothing and keeps no state. The idea is that of rill's Catch. Catch panics
// if fn is nil.
func (s Stream[T]) Catch(fn func(context.Context, *ItemError) error) Stream[T] {
	notNil(fn == nil, "stage.Catch: fn")
	return serial("Catch", "", s, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		return &catching[T]{upstream: up, fn: fn}, nil
	})
}

type catching[T any] struct {
	upstream[T]
	fn func(context.Context, *ItemError) error
}

// Pull implements Puller.
func (c *catching[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	for {
		err := c.upstream.Pull(ctx, into, max)
		if len(into.Errors) > 0 {
			c.look(ctx, into)
		}
		sent(c.m, into)
		if err != nil || !into.Empty() {
			return err
		}
	}
}

// look lets fn see the chunk's errors.
func (c *catching[T]) look(ctx context.Context, into *Chunk[T]) {
	kept := into.Errors[:0]
	for _, e := range into.Errors {
		err := c.call(ctx, e)
		if err == nil {
			c.m.Caught++
			continue
		}
		if same, ok := err.(*ItemError); !ok || same != e { //nolint:errorlint // the very same
			changed := *e
			changed.Err = err
			if p, ok := err.(*PanicError); ok { //nolint:errorlint // only the panic of this very call
				changed.Stack = p.Stack
			}
			e = &changed
		}
		kept = append(kept, e)
	}
	if len(kept) < len(into.Errors) {
		clear(into.Errors[len(kept):])
		into.Errors = kept
	}
}

func (c *catching[T]) call(ctx context.Context, e *ItemError) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return c.fn(ctx, e)
}

// Close implements Puller. It is idempotent.
func (c *catching[T]) Close() error {
	if !c.closed {
		c.m.Settle()
	}
	return c.upstream.Close()
}
