package main

import (
	"context"
	"sync"
	"sync/atomic"
)

// sequential is the plain loop.
func sequential(ctx context.Context, j job) (tally, error) {
	t := j.tally()
	if j.seq {
		for x := range j.items() {
			v, err := j.fn(ctx, x)
			if err != nil {
				return t, err
			}
			t.add(v)
		}
		return t, nil
	}
	for x := j.first; x < j.first+j.n; x++ {
		v, err := j.fn(ctx, x)
		if err != nil {
			return t, err
		}
		t.add(v)
	}
	return t, nil
}

// sequentialChain is the plain loop around the functions of the chain.
func sequentialChain(ctx context.Context, j job) (tally, error) {
	t := j.tally()
	for x := j.first; x < j.first+j.n; x++ {
		v, err := j.fn(ctx, x)
		if err != nil {
			return t, err
		}
		if v, err = j.fn(ctx, v); err != nil {
			return t, err
		}
		if !keep(v) {
			continue
		}
		if v, err = j.fn(ctx, v); err != nil {
			return t, err
		}
		t.add(v)
	}
	return t, nil
}

// keep is keepAll behind a variable, so that nobody has it inlined.
var keep = keepAll

// atomicIndex is the ideal for work that takes long: every worker takes the next
// item by adding to a counter and nobody waits for anybody. The results are
// taken when all is done.
func atomicIndex(ctx context.Context, j job) (tally, error) {
	out := make([]int, j.n)
	var (
		next    atomic.Int64
		workers sync.WaitGroup
		failed  = make([]error, j.workers)
	)
	for w := range j.workers {
		workers.Go(func() {
			for {
				x := int(next.Add(1)) - 1
				if x >= j.n {
					return
				}
				v, err := j.fn(ctx, j.first+x)
				if err != nil {
					failed[w] = err
					return
				}
				out[x] = v
			}
		})
	}
	workers.Wait()
	for _, err := range failed {
		if err != nil {
			return tally{}, err
		}
	}
	t := j.tally()
	for _, v := range out {
		t.add(v)
	}
	return t, nil
}
