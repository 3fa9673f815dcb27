package source

import (
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// Of makes a stream of the given items, in that order. They are copied at the
// call. It never fails, and its length is known.
func Of[T any](items ...T) stage.Stream[T] { return ofSlice("Of", slices.Clone(items)) }
