package sink

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/stage"
)

// Func calls fn with each item, in the stream's order, one call at a time. The
// first error ends the run; it names the item, counted from 0, and wraps what fn
// returned. A panic of fn is such an error too. fn is not called after the
// context has ended. Func panics if fn is nil.
func Func[T any](fn func(context.Context, T) error) stage.Sink[T] {
	notNil(fn == nil, "Func: fn")
	return always("Func", func() writer[T] {
		var done int64
		return func(ctx context.Context, c *stage.Chunk[T]) (err error) {
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("sink: item %d: %w", done, panicked(v))
				}
			}()
			for _, item := range c.Items {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := fn(ctx, item); err != nil {
					return fmt.Errorf("sink: item %d: %w", done, err)
				}
				done++
			}
			return nil
		}
	})
}
