package sink

import (
	"context"
	"math"

	"github.com/penstock-go/penstock/internal/grow"
	"github.com/penstock-go/penstock/stage"
)

// Collect appends the items to *into, in the stream's order, as they come: after
// a run that failed it holds what was written before. It holds all items in
// memory. A run makes a nil slice an empty one. Collect panics if into is nil.
func Collect[T any](into *[]T) stage.Sink[T] {
	notNil(into == nil, "Collect: into")
	return always("Collect", func() writer[T] {
		if *into == nil {
			*into = []T{}
		}
		return func(_ context.Context, c *stage.Chunk[T]) error {
			*into = append(grow.By(*into, len(c.Items), math.MaxInt), c.Items...)
			return nil
		}
	})
}
