package source

import (
	"context"
	"io"

	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// Chan makes a stream of what ch delivers, in that order, until ch is closed. A
// pull waits for the first item and then takes what is there without waiting, so
// a slow sender never delays what it has sent. It never fails.
//
// The stream takes from ch only what it is asked for. Runs of the stream take
// from the same channel: a second run goes on where the first stopped. A run
// that ends early leaves the rest in the channel, and senders blocked; give them
// the run's context. A run with a checkpoint refuses it ([ErrNoResume]). Chan panics if ch is nil.
func Chan[T any](ch <-chan T) stage.Stream[T] {
	notNil(ch == nil, "Chan: ch")
	return stage.New("Chan", func(context.Context) (stage.Puller[T], error) {
		return &chanPuller[T]{ch: ch, oneWay: oneWay{"what was taken from a channel is gone"}}, nil
	})
}

type chanPuller[T any] struct {
	oneWay
	ch    <-chan T
	first int64
}

func (p *chanPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := p.take(into, max.Room())
	if len(into.Items) == 0 && err == nil {
		if err = p.wait(ctx, into); err == nil {
			err = p.take(into, max.Room())
		}
	}
	number(into, p.first)
	p.first += int64(len(into.Items))
	return err
}

// take takes what is there.
func (p *chanPuller[T]) take(into *stage.Chunk[T], room int) error {
	for len(into.Items) < room {
		select {
		case v, ok := <-p.ch:
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
func (p *chanPuller[T]) wait(ctx context.Context, into *stage.Chunk[T]) error {
	defer plan.Lend(ctx)()
	select {
	case v, ok := <-p.ch:
		if !ok {
			return io.EOF
		}
		into.Items = append(into.Items, v)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *chanPuller[T]) Close() error { return nil }
