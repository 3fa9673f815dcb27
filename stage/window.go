package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/internal/plan"
)

// Window is the stream of slices of n consecutive items, one beginning at every
// step-th item: sliding windows by number, as windowed of Python's more-itertools.
// Items between two windows, if step is more than n, are dropped. At the end comes a
// shorter one, if there are items that no window has had. Each slice is a new one and
// the consumer's to keep.
//
// Order is kept. Up to n items are held beyond the in-flight budget; they are saved with
// a checkpoint, as JSON. Failed items take no place in a window; they come before the
// window that was being filled when they arrived. If the input fails, what is
// held comes first, but not if the run is told to stop. Window panics if n or step is
// less than 1.
func Window[T any](in Stream[T], n, step int) Stream[[]T] {
	notBelow(1, n, "stage.Window: n")
	notBelow(1, step, "stage.Window: step")
	detail := fmt.Sprintf("of %d, step %d", n, step)
	return keeping("Window", detail, in, func(_ context.Context, up upstream[T]) (Puller[[]T], error) {
		return newLoop(up, &windowing[T]{n: n, step: step, m: up.m}, counts|retains), nil
	})
}

type windowing[T any] struct {
	n, step int
	m       *plan.Meter
	buf     []T // what is in the next window so far
	skip    int // items to drop before the next window begins
	waiting int // items of buf that no window has had
	fresh   int // those of waiting that came in this run
}

func (k *windowing[T]) run(_ context.Context, items []T, out [][]T, c *cursor) error {
	for c.in < len(items) && c.out < len(out) {
		if k.skip > 0 {
			n := min(k.skip, len(items)-c.in)
			k.skip -= n
			c.in += n
			k.m.Filtered += int64(n)
			continue
		}
		if k.buf == nil {
			k.buf = make([]T, 0, min(k.n, maxPresize))
		}
		n := min(k.n-len(k.buf), len(items)-c.in)
		k.buf = append(k.buf, items[c.in:c.in+n]...)
		k.waiting += n
		k.fresh += n
		c.in += n
		if len(k.buf) == k.n {
			out[c.out] = k.emit()
			c.out++
		}
	}
	return nil
}

// emit hands on the window at hand and begins the next.
func (k *windowing[T]) emit() []T {
	window := k.buf
	if k.step < k.n {
		window = slices.Clone(k.buf)
		kept := copy(k.buf, k.buf[min(k.step, len(k.buf)):])
		clear(k.buf[kept:])
		k.buf = k.buf[:kept]
	} else {
		k.buf, k.skip = nil, k.step-k.n
	}
	folded(k.m, k.fresh)
	k.waiting, k.fresh = 0, 0
	return window
}

// release implements holding.
func (k *windowing[T]) release(_ error, out [][]T, c *cursor) bool {
	if k.waiting > 0 {
		out[c.out] = k.emit()
		c.out++
	}
	return true
}

// windowState is what a checkpoint holds of Window.
type windowState[T any] struct {
	Items   []T `json:"items"`
	Skip    int `json:"skip"`
	Waiting int `json:"waiting"`
}

// SaveState implements Stateful: the items of the window at hand.
func (k *windowing[T]) SaveState() (json.RawMessage, error) {
	return json.Marshal(windowState[T]{k.buf, k.skip, k.waiting})
}

// RestoreState implements Stateful.
func (k *windowing[T]) RestoreState(state json.RawMessage) error {
	var s windowState[T]
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	if len(s.Items) >= k.n || s.Waiting > len(s.Items) {
		return fmt.Errorf("%d items, of which %d wait, in windows of %d", len(s.Items), s.Waiting, k.n)
	}
	k.buf, k.skip, k.waiting = s.Items, s.Skip, s.Waiting
	return nil
}

// Pairwise is the stream of each item with the one before it: of n items, n-1 pairs. A
// failed item is in no pair; its neighbours make one. Order is kept. One item is held
// beyond the in-flight budget and saved with a checkpoint, as JSON. The first item
// counts as filtered.
func Pairwise[T any](in Stream[T]) Stream[Pair[T, T]] {
	return keeping("Pairwise", "", in, func(_ context.Context, up upstream[T]) (Puller[Pair[T, T]], error) {
		return newLoop(up, &pairing[T]{}, retains), nil
	})
}

type pairing[T any] struct {
	last []T // none or one
}

func (k *pairing[T]) run(_ context.Context, items []T, out []Pair[T, T], c *cursor) error {
	if k.last == nil && c.in < len(items) {
		k.last = []T{items[c.in]}
		c.in++
	}
	n := min(len(items)-c.in, len(out)-c.out)
	for i, v := range items[c.in : c.in+n] {
		out[c.out+i] = Pair[T, T]{k.last[0], v}
		k.last[0] = v
	}
	c.in += n
	c.out += n
	return nil
}

// SaveState implements Stateful: the last item.
func (k *pairing[T]) SaveState() (json.RawMessage, error) { return json.Marshal(k.last) }

// RestoreState implements Stateful.
func (k *pairing[T]) RestoreState(state json.RawMessage) error {
	var last []T
	if err := json.Unmarshal(state, &last); err != nil {
		return err
	}
	if len(last) > 1 {
		return fmt.Errorf("%d items, want one at most", len(last))
	}
	k.last = last
	return nil
}

// Chunked is the stream of slices of consecutive items that belong together: a new one
// begins at next when boundary(prev, next) says so, or when the slice has n items. Each
// slice is a new one and the consumer's to keep. boundary runs in whoever pulls; where
// it panics, next becomes an *ItemError.
//
// Order is kept. Up to n items are held beyond the in-flight budget; they are saved with a
// checkpoint, as JSON. Failed items come before the slice that was being filled when
// they arrived. If the input fails, what is held comes first, but not if the run
// is told to stop. Chunked panics if n is less than 1 or boundary is nil.
func Chunked[T any](in Stream[T], n int, boundary func(prev, next T) bool) Stream[[]T] {
	notBelow(1, n, "stage.Chunked: n")
	notNil(boundary == nil, "stage.Chunked: boundary")
	detail := fmt.Sprintf("of at most %d", n)
	return keeping("Chunked", detail, in, func(_ context.Context, up upstream[T]) (Puller[[]T], error) {
		return newLoop(up, &chunking[T]{n: n, boundary: boundary, m: up.m}, counts|retains), nil
	})
}

type chunking[T any] struct {
	n        int
	boundary func(prev, next T) bool
	m        *plan.Meter
	held     []T
	fresh    int // items of held that came in this run
}

func (k *chunking[T]) run(_ context.Context, items []T, out [][]T, c *cursor) error {
	for c.in < len(items) && c.out < len(out) {
		v := items[c.in]
		if n := len(k.held); n > 0 && k.boundary(k.held[n-1], v) {
			out[c.out] = k.emit()
			c.out++
		}
		k.held = append(k.held, v)
		k.fresh++
		c.in++
		if len(k.held) == k.n {
			out[c.out] = k.emit()
			c.out++
		}
	}
	return nil
}

func (k *chunking[T]) emit() []T {
	folded(k.m, k.fresh)
	s := k.held
	k.held, k.fresh = nil, 0
	return s
}

// release implements holding.
func (k *chunking[T]) release(_ error, out [][]T, c *cursor) bool {
	if len(k.held) > 0 {
		out[c.out] = k.emit()
		c.out++
	}
	return true
}

// SaveState implements Stateful: the items held.
func (k *chunking[T]) SaveState() (json.RawMessage, error) { return json.Marshal(k.held) }

// RestoreState implements Stateful.
func (k *chunking[T]) RestoreState(state json.RawMessage) error {
	var held []T
	if err := json.Unmarshal(state, &held); err != nil {
		return err
	}
	if len(held) >= k.n {
		return fmt.Errorf("%d items in slices of at most %d", len(held), k.n)
	}
	k.held = held
	return nil
}
