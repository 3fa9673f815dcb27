package sink

import (
	"context"

	"github.com/penstock-go/penstock/stage"
)

// Discard drops the items. It never fails.
func Discard[T any]() stage.Sink[T] {
	return always("Discard", func() writer[T] {
		return func(context.Context, *stage.Chunk[T]) error { return nil }
	})
}
