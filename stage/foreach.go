package stage

import "context"

// ForEach runs the stream and calls fn for each item, in stream order and one at
// a time. The first error in stream order ends the run: an item that failed
// upstream, or here, with an error or a panic, is an *ItemError. ForEach panics
// if fn is nil.
func (s Stream[T]) ForEach(ctx context.Context, fn func(context.Context, T) error) error {
	notNil(fn == nil, "stage.ForEach: fn")
	return s.each(ctx, "ForEach", fn)
}

// Reduce runs the stream and folds its items, in stream order: fn makes each
// accumulator of the one before, init at first, and the next item. The first
// error in stream order ends the run and comes with the zero Acc: an item that
// failed upstream, or here, with an error or a panic, is an *ItemError. For a
// fold in many workers see package pool. Reduce panics if fn is nil.
func Reduce[A, Acc any](ctx context.Context, in Stream[A], init Acc, fn func(context.Context, Acc, A) (Acc, error)) (Acc, error) {
	notNil(fn == nil, "stage.Reduce: fn")
	acc := init
	err := in.each(ctx, "Reduce", func(ctx context.Context, v A) (err error) {
		acc, err = fn(ctx, acc, v)
		return err
	})
	if err != nil {
		var none Acc
		return none, err
	}
	return acc, nil
}

// each calls fn for each item, in the name of a terminal.
func (s Stream[T]) each(ctx context.Context, terminal string, fn func(context.Context, T) error) error {
	var (
		base int64
		i    int
	)
	call := func(items []T) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = panicked(v)
			}
		}()
		for k := range items {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			i = k
			if err := fn(ctx, items[k]); err != nil {
				return err
			}
		}
		return nil
	}
	return drain(ctx, s, func(_ Puller[T], c *Chunk[T], n int) error {
		err := call(c.Items[:n])
		switch {
		case err == nil:
			base += int64(n)
			return nil
		case err == errFound || gaveUp(ctx, err):
			return err
		default:
			return failure(terminal, c, i, 0, base, err)
		}
	})
}
