package source

import (
	"context"

	"github.com/penstock-go/penstock/internal/channel"
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
	err := channel.Take(ctx, p.ch, into, max.Room())
	number(into, p.first)
	p.first += int64(len(into.Items))
	return err
}

func (p *chanPuller[T]) Close() error { return nil }
