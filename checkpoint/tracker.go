package checkpoint

import (
	"fmt"
	"slices"
)

// Tracker knows which records of one source are done. Records have ordinals,
// from 0 in the source's order; P is the type of the source's positions.
//
// Ranges that are acknowledged in order cost a comparison and no memory. Ranges
// in any other order stand above the watermark, sorted and merged, until the
// gap below them closes: as many as are in flight, since nothing else can be
// acknowledged ahead of a gap.
//
// A Tracker is not safe for concurrent use. The zero value is a tracker of a
// source of which nothing is done; its start has the zero position.
type Tracker[P any] struct {
	mark  int64 // all below are acknowledged, in this run or before the position it began at
	first int64 // the ordinal at position at, which is not above mark
	at    P

	above []span[P] // sorted, apart, above mark; above[:head] are used up
	head  int
	items int64 // the sum of above's

	restored []Range // what an earlier run had done from first on; empty once mark has passed it
}

// span is a range of acknowledged ordinals, and where the last range that was
// merged into it begins.
type span[P any] struct {
	Range
	last int64
	at   P
}

// NewTracker goes on from a snapshot: the source is reopened at from.At, whose
// record has the ordinal from.First. From there on ranges are acknowledged whole,
// as the source gives them: what the earlier run had done of them is no overlap.
//
// A snapshot that cannot be one, such as a Progress filled in by hand with
// overlapping ranges, is an error.
func NewTracker[P any](from Progress[P]) (*Tracker[P], error) {
	if err := from.check(); err != nil {
		return nil, fmt.Errorf("checkpoint: progress: %w", err)
	}
	t := &Tracker[P]{mark: from.First, first: from.First, at: from.At}
	if from.Watermark > from.First {
		t.restored = append(t.restored, Range{from.First, from.Watermark - from.First})
	}
	t.restored = append(t.restored, from.Done...)
	return t, nil
}

// OverlapError says that ordinals were acknowledged twice. It is a bug of a
// source or a stage, and is never passed over: a record that is done twice hides
// one that is not done.
type OverlapError struct {
	Range Range // what was to be acknowledged
	Done  Range // what is done already and overlaps it
}

// Error implements error.
func (e *OverlapError) Error() string {
	return fmt.Sprintf("checkpoint: records %v are acknowledged again: %v are done already", e.Range, e.Done)
}

// Done acknowledges the n records from ordinal first on; at is the position at
// which the source can be reopened to read record first next. An empty range
// acknowledges nothing; at the watermark it still moves the position.
//
// A range that overlaps another of this run is an *OverlapError, one that is
// negative or ends beyond an int64 an error too; the tracker is then as before.
func (t *Tracker[P]) Done(first, n int64, at P) error {
	if first != t.mark || n < 0 || first+n < first {
		return t.outOfOrder(Range{first, n}, at)
	}
	if t.head < len(t.above) && first+n > t.above[t.head].First {
		return &OverlapError{Range{first, n}, t.above[t.head].Range}
	}
	t.mark, t.first, t.at = first+n, first, at
	if t.head < len(t.above) && t.above[t.head].First == t.mark {
		t.join()
	}
	if t.restored != nil {
		t.forget()
	}
	return nil
}

// join moves the watermark over the lowest range above it.
func (t *Tracker[P]) join() {
	s := &t.above[t.head]
	t.mark, t.first, t.at = s.End(), s.last, s.at
	t.items -= s.N
	*s = span[P]{} // let go of what the position points to
	t.head++
	if t.head == len(t.above) {
		t.above, t.head = t.above[:0], 0
	}
}

// forget drops what an earlier run had done below the watermark.
func (t *Tracker[P]) forget() {
	i := 0
	for i < len(t.restored) && t.restored[i].End() <= t.mark {
		i++
	}
	if t.restored = t.restored[i:]; len(t.restored) == 0 {
		t.restored = nil
	}
}

// outOfOrder acknowledges a range that does not begin at the watermark.
func (t *Tracker[P]) outOfOrder(r Range, at P) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if r.N == 0 {
		return nil
	}
	if r.First < t.mark {
		return &OverlapError{r, Range{0, t.mark}}
	}
	live := t.above[t.head:]
	i, _ := slices.BinarySearchFunc(live, r.First, func(s span[P], first int64) int {
		if s.End() <= first {
			return -1
		}
		return 1
	})
	// i is the first range that ends behind r.First.
	if i < len(live) && live[i].First < r.End() {
		return &OverlapError{r, live[i].Range}
	}
	t.items += r.N
	below, behind := i > 0 && live[i-1].End() == r.First, i < len(live) && live[i].First == r.End()
	switch {
	case below && behind:
		live[i-1].N += r.N + live[i].N
		live[i-1].last, live[i-1].at = live[i].last, live[i].at
		t.above = slices.Delete(t.above, t.head+i, t.head+i+1)
	case below:
		live[i-1].N += r.N
		live[i-1].last, live[i-1].at = r.First, at
	case behind:
		live[i].First, live[i].N = r.First, live[i].N+r.N
	default:
		t.insert(i, span[P]{r, r.First, at})
	}
	return nil
}

// insert puts a range at place i above the watermark. Used-up places at the front
// are used again before the memory grows.
func (t *Tracker[P]) insert(i int, s span[P]) {
	if t.head > 0 && (i == 0 || len(t.above) == cap(t.above)) {
		if i == 0 {
			t.head--
			t.above[t.head] = s
			return
		}
		n := copy(t.above, t.above[t.head:])
		clear(t.above[n:])
		t.above, t.head = t.above[:n], 0
	}
	t.above = slices.Insert(t.above, t.head+i, s)
}

// Watermark is the ordinal below which this run has acknowledged everything. Just
// after NewTracker it is the ordinal at which the source is reopened.
func (t *Tracker[P]) Watermark() int64 { return t.mark }

// Above is how many ranges, and records in them, this run has acknowledged above
// the watermark. Both are 0 while ranges come in order.
func (t *Tracker[P]) Above() (ranges int, records int64) {
	return len(t.above) - t.head, t.items
}

// Progress is a snapshot of what is done, by this run and those before it. It
// shares no memory with the tracker. It costs time and memory in proportion to
// the ranges above the watermark.
func (t *Tracker[P]) Progress() Progress[P] {
	p := Progress[P]{Watermark: t.mark, First: t.first, At: t.at}
	own, old := t.above[t.head:], t.restored
	if n := len(own) + len(old); n > 0 {
		p.Done = make([]Range, 0, n)
	}
	for len(own)+len(old) > 0 {
		var next Range
		if len(old) == 0 || len(own) > 0 && own[0].First < old[0].First {
			next, own = own[0].Range, own[1:]
		} else {
			next, old = old[0], old[1:]
		}
		switch last := len(p.Done) - 1; {
		case next.First <= p.Watermark: // restored ranges may begin below it
			p.Watermark = max(p.Watermark, next.End())
		case last >= 0 && next.First <= p.Done[last].End():
			p.Done[last].N = max(p.Done[last].End(), next.End()) - p.Done[last].First
		default:
			p.Done = append(p.Done, next)
		}
	}
	if len(p.Done) == 0 {
		p.Done = nil
	}
	return p
}
