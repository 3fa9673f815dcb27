package stage

import (
	"fmt"
)

// Partition returns n streams that have in's items between them: each item is in the
// one whose number, from 0, by returns, in order. They are branches of one run, with
// what Tee says of that, of memory and of waiting.
//
// by is called once for each item, one call at a time. An item for which it panics,
// or returns a number that no branch has, is a failed item. Failed items, in's as
// well, go to the first branch that is not closed. Items of a closed branch are
// dropped.
//
// Partition keeps no state; a run with a checkpoint refuses it by name. Partition
// panics if n is less than 1, or by or an option is nil.
func Partition[T any](in Stream[T], n int, by func(T) int, opts ...SplitOption) []Stream[T] {
	notBelow(1, n, "stage.Partition: n")
	notNil(by == nil, "stage.Partition: by")
	return splitInto("Partition", in, n, opts, func(label string) dealer[T] { return partitioning[T]{by: by, label: label} })
}

type partitioning[T any] struct {
	by    func(T) int
	label string
}

// deal implements dealer.
func (p partitioning[T]) deal(c *Chunk[T], out []*dealt[T], base int64) {
	var first *dealt[T]
	for _, d := range out {
		if d == nil {
			continue
		}
		if first == nil {
			first = d
		}
		d.Tokens = append(d.Tokens, c.Tokens...)
		d.Partial = c.Partial
	}
	if first == nil {
		return
	}
	at, errs := 0, 0
	for {
		stop := len(c.Items)
		for ; errs < len(c.Errors); errs++ {
			if e := c.Errors[errs]; e.Before > at && at < len(c.Items) {
				stop = min(stop, e.Before)
				break
			}
			first.Fail(c.Errors[errs])
		}
		if at == len(c.Items) {
			return
		}
		next, err := p.run(c, out, at, stop)
		if at = next; err != nil {
			e := &ItemError{Stage: p.label, Index: base + int64(at), Input: c.Items[at], At: c.locate(at, errs), Err: err}
			if panicked, ok := err.(*PanicError); ok { //nolint:errorlint // it is run's own
				e.Stack = panicked.Stack
			}
			first.Fail(e)
			first.own++
			at++
		}
	}
}

// run deals c's items from at to stop, up to one that fails, and returns which.
func (p partitioning[T]) run(c *Chunk[T], out []*dealt[T], at, stop int) (next int, err error) {
	defer func() {
		if v := recover(); v != nil {
			next, err = at, panicked(v)
		}
	}()
	offsets := len(c.Offsets) == len(c.Items)
	for ; at < stop; at++ {
		i := p.by(c.Items[at])
		if uint(i) >= uint(len(out)) {
			return at, fmt.Errorf("branch %d, want 0 to %d", i, len(out)-1)
		}
		d := out[i]
		if d == nil {
			continue
		}
		d.Items = append(d.Items, c.Items[at])
		if offsets {
			d.Offsets = append(d.Offsets, c.Offsets[at])
		}
	}
	return at, nil
}
