package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// TopK is the stream of the k items that come first in the order of cmp, in that order;
// of equal items, those that arrived first. They come when the input has ended. k items
// are held beyond the in-flight budget, whatever the input's length, and their number may
// be 0; each item takes one comparison if it is not among the first k, log2(k) if it is.
//
// Failed items pass at once, ahead of the first item. An item at which cmp panics becomes
// an *ItemError. If the input fails, or the run is told to stop, TopK ends with that error
// and without items. The items that it holds are saved with a checkpoint, as JSON. TopK
// panics if k is negative or cmp is nil.
func TopK[T any](in Stream[T], k int, cmp func(a, b T) int) Stream[T] {
	notBelow(0, k, "stage.TopK: k")
	notNil(cmp == nil, "stage.TopK: cmp")
	return keeping("TopK", fmt.Sprintf("first %d", k), in, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		g := &topK[T]{k: k, cmp: cmp}
		return newGathering(up, g, g), nil
	})
}

// topK keeps the first items of an order.
type topK[T any] struct {
	k     int
	cmp   func(a, b T) int
	heap  []ranked[T] // the last of them on top
	came  int64
	items []ranked[T] // sorted, not handed on yet
}

type ranked[T any] struct {
	v   T
	seq int64
}

// after reports whether a comes after b.
func (t *topK[T]) after(a, b ranked[T]) bool {
	c := t.cmp(a.v, b.v)
	return c > 0 || c == 0 && a.seq > b.seq
}

func (t *topK[T]) add(_ context.Context, v T) error {
	if t.k == 0 {
		return nil
	}
	if len(t.heap) == t.k && t.cmp(v, t.heap[0].v) >= 0 {
		return nil
	}
	// The way is found first and gone then, so that a panic leaves the heap as it was.
	r := ranked[T]{v, t.came}
	t.came++
	if len(t.heap) < t.k {
		at := len(t.heap)
		path := make([]int, 0, 64)
		for at > 0 && t.after(r, t.heap[(at-1)/2]) {
			path = append(path, at)
			at = (at - 1) / 2
		}
		t.heap = append(t.heap, r)
		for _, n := range path {
			t.heap[n] = t.heap[(n-1)/2]
		}
		t.heap[at] = r
		return nil
	}
	at := 0
	path := make([]int, 0, 64)
	for {
		child := 2*at + 1
		if child >= len(t.heap) {
			break
		}
		if child+1 < len(t.heap) && t.after(t.heap[child+1], t.heap[child]) {
			child++
		}
		if !t.after(t.heap[child], r) {
			break
		}
		path = append(path, child)
		at = child
	}
	at = 0
	for _, child := range path {
		t.heap[at] = t.heap[child]
		at = child
	}
	t.heap[at] = r
	return nil
}

func (t *topK[T]) flush(context.Context) error {
	slices.SortFunc(t.heap, func(a, b ranked[T]) int {
		switch {
		case t.after(a, b):
			return 1
		case a.seq == b.seq:
			return 0
		default:
			return -1
		}
	})
	t.items = t.heap
	return nil
}

func (t *topK[T]) next(to []T, room int) ([]T, error) {
	n := min(room, len(t.items))
	for _, r := range t.items[:n] {
		to = append(to, r.v)
	}
	if t.items = t.items[n:]; len(t.items) == 0 {
		return to, io.EOF
	}
	return to, nil
}

func (t *topK[T]) close() error {
	t.heap, t.items = nil, nil
	return nil
}

// topKState is what a checkpoint holds of TopK.
type topKState[T any] struct {
	Came  int64            `json:"came"`
	Items []rankedState[T] `json:"items"`
}

type rankedState[T any] struct {
	Item T     `json:"item"`
	Seq  int64 `json:"seq"`
}

// SaveState implements Stateful: the items that are the first so far, or left.
func (t *topK[T]) SaveState() (json.RawMessage, error) {
	held := t.heap
	if t.items != nil {
		held = slices.Clone(t.items)
		slices.Reverse(held) // the last on top, so it is a heap too
	}
	s := topKState[T]{Came: t.came, Items: make([]rankedState[T], 0, len(held))}
	for _, r := range held {
		s.Items = append(s.Items, rankedState[T]{r.v, r.seq})
	}
	return json.Marshal(s)
}

// RestoreState implements Stateful.
func (t *topK[T]) RestoreState(state json.RawMessage) error {
	var s topKState[T]
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	if len(s.Items) > t.k {
		return fmt.Errorf("%d items, want the first %d", len(s.Items), t.k)
	}
	t.came = s.Came
	for _, r := range s.Items {
		t.heap = append(t.heap, ranked[T]{r.Item, r.Seq})
	}
	return nil
}
