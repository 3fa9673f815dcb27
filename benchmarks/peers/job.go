package main

import (
	"context"
	"iter"
	"time"
)

// job is what an implementation is asked to do: apply fn to n integers with so
// many workers, hand the results to a consumer and return the consumer's tally.
type job struct {
	first    int // the items are first to first+n-1
	n        int
	fn       fn
	value    func(item int) int // what the result of an item is; nil: the item
	workers  int
	ordered  bool          // results in the order of the items
	seq      bool          // the items come from an iter.Seq
	pace     time.Duration // an item comes this long after the one before it
	slice    []int         // the items, for implementations that recommend a slice
	window   int           // peers: room in channels, or items on their way where that can be said
	buffer   int           // go-streams: room in the channels before and after it
	chunk    int           // ours and Python: items a chunk, 0 for automatic
	verb     string        // Python: the method of its Pool
	inFlight int           // ours: the in-flight budget in items, 0 for the default

	taken     func(item int)   // called as an item is taken from the source
	delivered func(result int) // called by the consumer with each result, to watch it or to be slow
	sample    *sample          // where a run writes what it measured itself
}

// items is the input as an iterator.
func (j job) items() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := j.first; i < j.first+j.n; i++ {
			if j.pace > 0 {
				time.Sleep(j.pace)
			}
			if j.taken != nil {
				j.taken(i)
			}
			if !yield(i) {
				return
			}
		}
	}
}

// part is the job for a part of the items.
func (j job) part(i, parts int) job {
	from, to := j.n*i/parts, j.n*(i+1)/parts
	j.first, j.n = j.first+from, to-from
	return j
}

// impl is one way to do a job.
type impl struct {
	name   string
	kind   kind
	note   string     // where it differs from ours in what it promises
	slice  bool       // it is given the items as a slice
	chunks bool       // it works in chunks, of the size that the job says
	set    func(*job) // how this variant changes the job; nil: not at all
	absent bool       // it is not here: its row is only the note
	run    runner
}

// runner does a job.
type runner = func(ctx context.Context, j job) (tally, error)

// kind says what the figures of an implementation are for.
type kind int

const (
	peer      kind = iota // ours is compared with the fastest of these
	ours                  // penstock: its row has the bounds
	variant               // penstock in another setting
	plainLoop             // the sequential loop: what parallel speed is compared with
	ideal                 // what the machine can do at best: printed, nobody's competitor
)

// tally is what a consumer makes of the results. Both sums are cheap, and the
// second changes when two results change places.
type tally struct {
	sum   int
	order int
	each  func(result int) // called with each result
}

// tally is where the consumer of the job begins.
func (j job) tally() tally { return tally{each: j.delivered} }

// add takes one result. It is small enough to be inlined into every consumer.
func (t *tally) add(v int) {
	t.count(v)
	if t.each != nil {
		t.each(v)
	}
}

// count is add where nothing is to be done with each result.
func (t *tally) count(v int) {
	t.sum += v
	t.order = t.order*3 + v
}

// want is the tally that the job should have.
func (j job) want() tally {
	var t tally
	for i := j.first; i < j.first+j.n; i++ {
		if j.value != nil {
			t.add(j.value(i))
		} else {
			t.add(i)
		}
	}
	return t
}

// accepts reports whether got is the tally that the job should have, the order
// included if it asks for one.
func (j job) accepts(got, want tally) bool {
	return got.sum == want.sum && (!j.ordered || got.order == want.order)
}
