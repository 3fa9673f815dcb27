// Package fold has the common folds: what becomes of many items that are one value. They
// are for stage.GroupBy and all else that takes a stage.Fold.
//
//	perHost := stage.GroupBy(requests, host, fold.Of(latency, fold.Stats[float64]()))
//
// An accumulator is a plain value: the result itself, or a struct whose methods give the
// results. It holds no more than a fold says, so most take a few words for each key. The
// folds are stateless and can be shared; merging keeps the order of the items.
//
// Operators that save accumulators with a checkpoint write them as JSON. Those of this
// package come back as they were, if the items do that they hold, except that JSON has no
// form for NaN and the infinities: a float64 of Sum, Mean, Stats, Min or Max that is one
// fails the checkpoint.
package fold

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/internal/grow"
	"github.com/penstock-go/penstock/stage"
)

// Number is what can be added up.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Count counts the items.
func Count[A any]() stage.Fold[A, int64] {
	return stage.Fold[A, int64]{
		New:   func() int64 { return 0 },
		Add:   func(n int64, _ A) (int64, error) { return n + 1, nil },
		Merge: func(a, b int64) (int64, error) { return a + b, nil },
	}
}

// Sum adds the items up, in their own type: whole numbers wrap around where they overflow,
// and fractions lose what additions lose.
func Sum[N Number]() stage.Fold[N, N] {
	return stage.Fold[N, N]{
		New:   func() N { return 0 },
		Add:   func(sum, v N) (N, error) { return sum + v, nil },
		Merge: func(a, b N) (N, error) { return a + b, nil },
	}
}

// Seen is an item, if there was one.
type Seen[T any] struct {
	Value T
	OK    bool
}

// Get is the item; ok is false if there was none.
func (s Seen[T]) Get() (v T, ok bool) { return s.Value, s.OK }

// choosing keeps one item: the later one where better says so.
func choosing[T any](better func(kept, v T) bool) stage.Fold[T, Seen[T]] {
	return stage.Fold[T, Seen[T]]{
		New: func() Seen[T] { return Seen[T]{} },
		Add: func(s Seen[T], v T) (Seen[T], error) {
			if !s.OK || better(s.Value, v) {
				return Seen[T]{v, true}, nil
			}
			return s, nil
		},
		Merge: func(a, b Seen[T]) (Seen[T], error) {
			if !a.OK || b.OK && better(a.Value, b.Value) {
				return b, nil
			}
			return a, nil
		},
	}
}

// First keeps the first item.
func First[T any]() stage.Fold[T, Seen[T]] { return choosing(func(T, T) bool { return false }) }

// Last keeps the last item.
func Last[T any]() stage.Fold[T, Seen[T]] { return choosing(func(T, T) bool { return true }) }

// Min keeps the least item, the first of equal ones; NaN is less than all numbers.
func Min[T cmp.Ordered]() stage.Fold[T, Seen[T]] {
	return choosing(func(kept, v T) bool { return cmp.Compare(v, kept) < 0 })
}

// Max keeps the greatest item, the first of equal ones; NaN is less than all numbers.
func Max[T cmp.Ordered]() stage.Fold[T, Seen[T]] {
	return choosing(func(kept, v T) bool { return cmp.Compare(v, kept) > 0 })
}

// MinFunc is Min with an order of one's own. It panics if cmp is nil.
func MinFunc[T any](cmp func(a, b T) int) stage.Fold[T, Seen[T]] {
	if cmp == nil {
		panic("penstock: fold.MinFunc: cmp is nil")
	}
	return choosing(func(kept, v T) bool { return cmp(v, kept) < 0 })
}

// MaxFunc is Max with an order of one's own. It panics if cmp is nil.
func MaxFunc[T any](cmp func(a, b T) int) stage.Fold[T, Seen[T]] {
	if cmp == nil {
		panic("penstock: fold.MaxFunc: cmp is nil")
	}
	return choosing(func(kept, v T) bool { return cmp(v, kept) > 0 })
}

// ErrLimit is what Collect fails an item with, wrapped, that it has no room for.
var ErrLimit = errors.New("too many items to collect")

// Collect keeps the items, in their order, up to limit; an item more fails with ErrLimit.
// It panics if limit is negative.
func Collect[T any](limit int) stage.Fold[T, []T] {
	if limit < 0 {
		panic(fmt.Sprintf("penstock: fold.Collect: limit is %d, want 0 or more", limit))
	}
	return stage.Fold[T, []T]{
		New: func() []T { return nil },
		Add: func(all []T, v T) ([]T, error) {
			if len(all) == limit {
				return all, fmt.Errorf("%w: more than %d", ErrLimit, limit)
			}
			return append(grow.By(all, 1, limit), v), nil
		},
		Merge: func(a, b []T) ([]T, error) {
			if len(a)+len(b) > limit {
				return nil, fmt.Errorf("%w: more than %d", ErrLimit, limit)
			}
			return append(a, b...), nil
		},
	}
}

// TopK keeps the k items that come first in the order of cmp, in that order; of equal
// items, those that came first. An item that is among them takes up to k moves. TopK panics
// if k is negative or cmp is nil.
func TopK[T any](k int, cmp func(a, b T) int) stage.Fold[T, []T] {
	if k < 0 {
		panic(fmt.Sprintf("penstock: fold.TopK: k is %d, want 0 or more", k))
	}
	if cmp == nil {
		panic("penstock: fold.TopK: cmp is nil")
	}
	add := func(top []T, v T) []T {
		if k == 0 || len(top) == k && cmp(v, top[k-1]) >= 0 {
			return top
		}
		at, _ := slices.BinarySearchFunc(top, v, func(have, v T) int {
			if cmp(have, v) <= 0 {
				return -1
			}
			return 1
		})
		if len(top) == k {
			copy(top[at+1:], top[at:])
			top[at] = v
			return top
		}
		return slices.Insert(top, at, v)
	}
	return stage.Fold[T, []T]{
		New: func() []T { return nil },
		Add: func(top []T, v T) ([]T, error) { return add(top, v), nil },
		Merge: func(a, b []T) ([]T, error) {
			for _, v := range b {
				a = add(a, v)
			}
			return a, nil
		},
	}
}
