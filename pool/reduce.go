package pool

import (
	"context"
	"runtime/debug"
	"sync"

	"github.com/penstock-go/penstock/stage"
)

// Reduce folds the items of in, in the workers of p: each worker folds what it
// pulls into an accumulator of its own with step, so that items never leave the
// worker, and at the end merge joins the accumulators. Which worker gets which
// item is left to chance: merge must be associative and commutative.
//
// newAcc is called once per worker that meets an item, and once for an empty
// stream; step and merge may change and return their first argument. Items are
// let go as they are folded, and the block that they are views of
// (source.LineBytes) is used again: step must copy what it keeps of such an item.
// Reduce fails fast with the error of lowest index,
// as Map does. It panics if a function is nil or an option does not fit.
func Reduce[A, Acc any](ctx context.Context, p *Pool, in stage.Stream[A], newAcc func() Acc, step func(context.Context, Acc, A) (Acc, error), merge func(Acc, Acc) (Acc, error), opts ...Option) (Acc, error) {
	mustFunc(newAcc == nil, "Reduce", "newAcc")
	mustFunc(step == nil, "Reduce", "step")
	mustFunc(merge == nil, "Reduce", "merge")
	p = p.or()
	return reduce(ctx, p, in, "Reduce", p.eager(opts, "Reduce"), folding(newAcc, step), newAcc, merge)
}

// reduce is Reduce, and what else folds in the workers.
func reduce[A, Acc any](
	ctx context.Context, p *Pool, in stage.Stream[A], verb string, cfg config,
	fold func(keep func(Acc)) func() kernel[A, struct{}], newAcc func() Acc, merge func(Acc, Acc) (Acc, error),
) (Acc, error) {
	newSizing[A, struct{}](&cfg, verb)
	var mu sync.Mutex
	var accs []Acc
	keep := func(acc Acc) {
		mu.Lock()
		defer mu.Unlock()
		accs = append(accs, acc)
	}
	sp := spec[A, struct{}]{verb: verb, kernel: fold(keep)}
	var zero Acc
	if err := collect(ctx, p, in, cfg, sp, func(*call[A, struct{}]) {}, func(*job[A, struct{}]) {}); err != nil {
		return zero, err
	}
	if len(accs) == 1 {
		return accs[0], nil
	}
	total, err := join(newAcc, merge, accs)
	if err != nil {
		return zero, err
	}
	return total, nil
}

// join merges the workers' accumulators, in a goroutine that the functions may
// end.
func join[Acc any](newAcc func() Acc, merge func(Acc, Acc) (Acc, error), accs []Acc) (total Acc, err error) {
	joined := make(chan struct{})
	err = stage.ErrGoexit
	go func() {
		defer close(joined)
		defer func() {
			if v := recover(); v != nil {
				err = &stage.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		if len(accs) == 0 {
			total, err = newAcc(), nil
			return
		}
		acc := accs[0]
		for _, next := range accs[1:] {
			merged, failed := merge(acc, next)
			if failed != nil {
				err = failed
				return
			}
			acc = merged
		}
		total, err = acc, nil
	}()
	<-joined
	return total, err
}
