package stage

import (
	"context"
	"errors"
)

// Any runs the stream until fn says true of an item, in stream order, and reports
// whether there was one. The first error before it ends the run: an item that failed
// upstream, or here, with an error or a panic, is an *ItemError. What came in one
// chunk with that item is read and dropped. For a search in many workers put the
// predicate into pool.FilterMap and ask for its First. Any panics if fn is nil.
func (s Stream[T]) Any(ctx context.Context, fn func(context.Context, T) (bool, error)) (bool, error) {
	notNil(fn == nil, "stage.Any: fn")
	return s.search(ctx, "Any", fn, true)
}

// Every runs the stream until fn says false of an item, in stream order, and reports
// whether there was none. Of no items it is true. Errors are as with Any. Every
// panics if fn is nil.
func (s Stream[T]) Every(ctx context.Context, fn func(context.Context, T) (bool, error)) (bool, error) {
	notNil(fn == nil, "stage.Every: fn")
	found, err := s.search(ctx, "Every", fn, false)
	return !found && err == nil, err
}

// errFound ends a search.
var errFound = errors.New("found")

// search looks for an item of which fn says what.
func (s Stream[T]) search(
	ctx context.Context, terminal string, fn func(context.Context, T) (bool, error), what bool,
) (found bool, err error) {
	err = s.each(ctx, terminal, func(ctx context.Context, v T) error {
		is, err := fn(ctx, v)
		if err == nil && is == what {
			found = true
			err = errFound
		}
		return err
	})
	if !found {
		return false, err
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return false, errors.Join(all.Unwrap()[1:]...)
	}
	return true, nil
}
