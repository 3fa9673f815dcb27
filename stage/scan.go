package stage

import "context"

// Scan is the stream of a fold's intermediate results: fn makes each of the one
// before, init at first, and the next item. An item whose fn fails or panics
// becomes an *ItemError and leaves the accumulator as it was, provided fn does
// not change in place what an accumulator points to; such an accumulator would
// be the same for all results anyway. Each run starts with init. Else as Map.
// Scan panics if fn is nil.
func Scan[A, Acc any](in Stream[A], init Acc, fn func(context.Context, Acc, A) (Acc, error)) Stream[Acc] {
	notNil(fn == nil, "stage.Scan: fn")
	return keeping("Scan", "", in, func(_ context.Context, up upstream[A]) (Puller[Acc], error) {
		return newLoop(up, &scanning[A, Acc]{acc: init, fn: fn}, exact|retains), nil
	})
}

type scanning[A, Acc any] struct {
	acc Acc
	fn  func(context.Context, Acc, A) (Acc, error)
}

func (k *scanning[A, Acc]) run(ctx context.Context, items []A, out []Acc, c *cursor) error {
	i, n := c.in, c.out
	for i < len(items) && n < len(out) {
		c.in, c.out = i, n
		acc, err := k.fn(ctx, k.acc, items[i])
		if err != nil {
			return err
		}
		k.acc, out[n] = acc, acc
		i++
		n++
	}
	c.in, c.out = i, n
	return nil
}
