// Package backpressure holds the in-flight budget of a pipeline: a [Gate] that
// admits work while there is room and makes the rest wait in line.
//
// It knows nothing of streams or pools. A pool stage uses it to bound what it
// has pulled and its consumer has not let go; it serves alone wherever work has
// a size:
//
//	g := backpressure.New(backpressure.Cost{Items: 64, Bytes: 32 << 20})
//	if err := g.Acquire(ctx, backpressure.Cost{Items: 1, Bytes: int64(len(b))}); err != nil {
//		return err
//	}
//	defer g.Release(backpressure.Cost{Items: 1, Bytes: int64(len(b))})
package backpressure
