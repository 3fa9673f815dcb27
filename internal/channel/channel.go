// Package channel moves items between streams and the channels of Go, typed ones
// and those of go-streams, which carry any value: what sources, sinks and pool
// stages at such channels share.
package channel

import (
	"context"
	"errors"
	"io"

	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// Take replaces what is in into with what ch delivers, of no more than room items:
// what is there, or the next item, however long that takes. It returns io.EOF when
// ch is closed. It lends the slot of the task that ctx belongs to while it waits,
// and loses nothing when ctx ends.
func Take[T any](ctx context.Context, ch <-chan T, into *stage.Chunk[T], room int) error {
	into.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := take(ch, into, room)
	if len(into.Items) == 0 && err == nil {
		if err = wait(ctx, ch, into); err == nil {
			err = take(ch, into, room)
		}
	}
	return err
}

// take takes what is there.
func take[T any](ch <-chan T, into *stage.Chunk[T], room int) error {
	for len(into.Items) < room {
		select {
		case v, ok := <-ch:
			if !ok {
				return io.EOF
			}
			into.Items = append(into.Items, v)
		default:
			return nil
		}
	}
	return nil
}

// wait takes one item, however long that takes.
func wait[T any](ctx context.Context, ch <-chan T, into *stage.Chunk[T]) error {
	defer plan.Lend(ctx)()
	select {
	case v, ok := <-ch:
		if !ok {
			return io.EOF
		}
		into.Items = append(into.Items, v)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ErrGone is what Send returns when the receiver has gone.
var ErrGone = errors.New("the receiver has gone")

// Send sends one item, however long that takes, unless ctx ends, whose cause it
// returns, or gone is closed, which may be nil. It sends nothing when one of both
// was so before. It lends the slot of the task that ctx belongs to while it waits.
func Send[T any](ctx context.Context, ch chan<- T, item T, gone <-chan struct{}) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-gone:
		return ErrGone
	default:
	}
	select {
	case ch <- item:
		return nil
	default:
	}
	defer plan.Lend(ctx)()
	select {
	case ch <- item:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-gone:
		return ErrGone
	}
}
