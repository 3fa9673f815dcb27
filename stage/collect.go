package stage

import (
	"context"
	"io"
	"math"
	"slices"

	"github.com/penstock-go/penstock/internal/grow"
)

// Collect runs the stream and returns its items in stream order: an empty slice
// if there are none, nil with an error. The first error in stream order ends the
// run, be it an *ItemError, the stream's own failure, that of closing it, or the
// cause of ctx. The slice is the bound of the memory it takes.
func (s Stream[T]) Collect(ctx context.Context) ([]T, error) {
	items := []T{}
	err := drain(ctx, s, func(p Puller[T], c *Chunk[T], n int) error {
		if sized, ok := p.(Sized); ok && len(items) == 0 {
			if left, known := sized.Remaining(); known {
				items = slices.Grow(items, n+int(min(left, maxPresize)))
			}
		}
		items = append(grow.By(items, n, math.MaxInt), c.Items[:n]...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// Count runs the stream and returns how many items it has. The first error in
// stream order ends the run and comes with the number of items before it.
func (s Stream[T]) Count(ctx context.Context) (int64, error) {
	var count int64
	err := drain(ctx, s, func(_ Puller[T], _ *Chunk[T], n int) error {
		count += int64(n)
		return nil
	})
	return count, err
}

// First runs the stream until it has its first item, and returns that. It pulls
// one item and no more. A failed item before it is the error; a stream without
// items gives ErrEmpty.
func (s Stream[T]) First(ctx context.Context) (first T, err error) {
	var none T
	p, err := s.Open(ctx)
	if err != nil {
		return none, causeOf(ctx, err)
	}
	defer func() {
		if err = withClose(causeOf(ctx, err), p.Close()); err != nil {
			first = none
		}
	}()
	var c Chunk[T]
	for {
		if ctx.Err() != nil {
			return none, context.Cause(ctx)
		}
		end := p.Pull(ctx, &c, Limit{Items: 1})
		switch {
		case len(c.Errors) > 0 && c.Errors[0].Before == 0:
			return none, c.Errors[0]
		case len(c.Items) > 0:
			return c.Items[0], nil
		case end == io.EOF:
			return none, ErrEmpty
		case end != nil:
			return none, end
		}
	}
}

// drain runs the stream to its end or its first error. each is to take the first
// n items of each chunk, those before that error.
func drain[T any](ctx context.Context, s Stream[T], each func(p Puller[T], c *Chunk[T], n int) error) (err error) {
	p, err := s.Open(ctx)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer func() { err = withClose(causeOf(ctx, err), p.Close()) }()
	var (
		c  Chunk[T]
		pc pace
	)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		end := p.Pull(ctx, &c, pc.ask())
		pc.got(len(c.Items))
		n := len(c.Items)
		if len(c.Errors) > 0 {
			end = c.Errors[0]
			n = min(n, c.Errors[0].Before)
		}
		if err := each(p, &c, n); err != nil {
			return err
		}
		if end == io.EOF {
			return nil
		}
		if end != nil {
			return end
		}
	}
}
