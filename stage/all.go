package stage

import (
	"context"
	"io"
	"iter"
)

// All runs the stream and ranges over its items in stream order:
//
//	for v, err := range s.All(ctx) {
//		if err != nil {
//			...
//		}
//		...
//	}
//
// A failed item is yielded as the zero value with its *ItemError, at its place;
// who goes on ranging gets the rest. The stream's own failure is yielded once,
// last, and so is an error of closing it. When ctx ends, its cause is yielded
// once and the range ends; if it had ended before, nothing is opened. Breaking
// off, or panicking, closes the stream and waits for all of its goroutines before
// control returns; an error of closing is dropped then.
//
// Items are pulled ahead in chunks of one item at first, and of twice as many
// while they come within 200 microseconds, up to 1024: whoever breaks off has
// pulled at most 1023 items too many, about as many as the range has seen if
// that is less, and none from a source that takes longer than that for each. The sequence may be ranged over again; each
// range is a run of its own.
func (s Stream[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		p, err := s.Open(ctx)
		if err != nil {
			yield(zero, causeOf(ctx, err))
			return
		}
		defer p.Close() //nolint:errcheck // the range was broken off: there is nobody left to tell
		done, err := yieldAll(ctx, p, yield)
		if done {
			return
		}
		if err = withClose(causeOf(ctx, err), p.Close()); err != nil {
			yield(zero, err)
		}
	}
}

// yieldAll yields until the stream ends, which err says why unless all is well,
// or the range is done.
func yieldAll[T any](ctx context.Context, p Puller[T], yield func(T, error) bool) (done bool, err error) {
	var (
		zero T
		c    Chunk[T]
		pc   pace
		ends = ctx.Done() != nil
	)
	for {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		end := p.Pull(ctx, &c, pc.ask())
		pc.got(len(c.Items))
		next := 0
		for i := 0; i <= len(c.Errors); i++ {
			stop := len(c.Items)
			if i < len(c.Errors) {
				stop = min(stop, c.Errors[i].Before)
			}
			for _, v := range c.Items[next:stop] {
				if ends && ctx.Err() != nil {
					return false, context.Cause(ctx)
				}
				if !yield(v, nil) {
					return true, nil
				}
			}
			next = stop
			if i < len(c.Errors) && !yield(zero, c.Errors[i]) {
				return true, nil
			}
		}
		switch end {
		case nil:
		case io.EOF:
			return false, nil
		default:
			return false, end
		}
	}
}
