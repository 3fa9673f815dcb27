package main

import (
	"context"
	"iter"
)

// job is what an implementation is asked to do: apply fn to the items 0 to n-1
// with so many workers, hand the results to a consumer and return the consumer's
// tally.
type job struct {
	n        int
	fn       fn
	workers  int
	ordered  bool  // results in the order of the items
	seq      bool  // the items come from an iter.Seq
	slice    []int // the items, for implementations that recommend a slice
	window   int   // peers: room in channels, or items on their way where that can be said
	chunk    int   // ours: items a chunk, 0 for automatic
	inFlight int   // ours: the in-flight budget in items, 0 for the default
}

// items is the input as an iterator.
func (j job) items() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range j.n {
			if !yield(i) {
				return
			}
		}
	}
}

// impl is one way to do a job.
type impl struct {
	name  string
	kind  kind
	slice bool // it is given the items as a slice
	run   func(ctx context.Context, j job) (tally, error)
}

// kind says what the figures of an implementation are for.
type kind int

const (
	peer      kind = iota // ours is compared with the fastest of these
	ours                  // penstock
	plainLoop             // the sequential loop: what parallel speed is compared with
	ideal                 // what the machine can do at best: printed, nobody's competitor
)

// tally is what a consumer makes of the results. Both sums are cheap, and the
// second changes when two results change places.
type tally struct {
	sum   int
	order int
}

// add takes one result. It is small enough to be inlined into every consumer.
func (t *tally) add(v int) {
	t.sum += v
	t.order = t.order*3 + v
}

// want is the tally of a job whose function returns its argument.
func want(n int) tally {
	var t tally
	for i := range n {
		t.add(i)
	}
	return t
}

// accepts reports whether got is the tally that the job should have, the order
// included if it asks for one.
func (j job) accepts(got, want tally) bool {
	return got.sum == want.sum && (!j.ordered || got.order == want.order)
}
