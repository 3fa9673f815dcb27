package sink

import (
	"context"

	"github.com/penstock-go/penstock/internal/channel"
	"github.com/penstock-go/penstock/stage"
)

// Chan sends the items to ch, in the stream's order. It holds no more than the chunk
// that it was given; what ch holds is bounded by its buffer. It waits for the receiver,
// until the context ends; its error then is the context's cause. It does not
// close ch: several runs may send to it, and who receives learns the end from
// whoever runs them. Chan panics if ch is nil.
func Chan[T any](ch chan<- T) stage.Sink[T] {
	notNil(ch == nil, "Chan: ch")
	return always("Chan", func() writer[T] {
		return func(ctx context.Context, c *stage.Chunk[T]) error {
			for _, item := range c.Items {
				if err := channel.Send(ctx, ch, item, nil); err != nil {
					return err
				}
			}
			return nil
		}
	})
}
