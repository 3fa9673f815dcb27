package main

import (
	"context"

	"github.com/destel/rill"
)

// rillMap uses OrderedMap or Map over FromSlice, which buffers 512 items, or
// over FromSeq, which does not, and ranges over ToSeq2. A panic of the function
// ends the process; a consumer that stops early leaves the rest to be drained in
// the background.
func rillMap(ctx context.Context, j job) (tally, error) {
	in := rillSource(j)
	f := func(x int) (int, error) { return j.fn(ctx, x) }
	var out <-chan rill.Try[int]
	if j.ordered {
		out = rill.OrderedMap(in, j.workers, f)
	} else {
		out = rill.Map(in, j.workers, f)
	}
	return rillConsume(j, out)
}

// rillChain is the chain with one goroutine a stage, rill's way to run a
// function sequentially.
func rillChain(ctx context.Context, j job) (tally, error) {
	f := func(x int) (int, error) { return j.fn(ctx, x) }
	s := rill.Map(rillSource(j), 1, f)
	s = rill.Map(s, 1, f)
	s = rill.Filter(s, 1, func(x int) (bool, error) { return keep(x), nil })
	return rillConsume(j, rill.Map(s, 1, f))
}

func rillSource(j job) <-chan rill.Try[int] {
	if j.seq {
		return rill.FromSeq(j.items(), nil)
	}
	return rill.FromSlice(j.slice, nil)
}

func rillConsume(j job, out <-chan rill.Try[int]) (tally, error) {
	t := j.tally()
	for v, err := range rill.ToSeq2(out) {
		if err != nil {
			return t, err
		}
		t.add(v)
	}
	return t, nil
}
