package fold

import "github.com/penstock-go/penstock/stage"

// Of folds a value of each item. It panics if value or a function of f is nil.
func Of[A, V, Acc any](value func(A) V, f stage.Fold[V, Acc]) stage.Fold[A, Acc] {
	if value == nil {
		panic("penstock: fold.Of: value is nil")
	}
	f.Check("fold.Of")
	return stage.Fold[A, Acc]{
		New:   f.New,
		Add:   func(acc Acc, v A) (Acc, error) { return f.Add(acc, value(v)) },
		Merge: f.Merge,
	}
}

// Both folds each item in two ways. An item that fails in b has been added by a, if a
// changes its accumulator in place: put the fold that may fail first. Both panics if a
// function of a or b is nil.
func Both[A, X, Y any](a stage.Fold[A, X], b stage.Fold[A, Y]) stage.Fold[A, stage.Pair[X, Y]] {
	a.Check("fold.Both: a")
	b.Check("fold.Both: b")
	return stage.Fold[A, stage.Pair[X, Y]]{
		New: func() stage.Pair[X, Y] { return stage.Pair[X, Y]{First: a.New(), Second: b.New()} },
		Add: func(acc stage.Pair[X, Y], v A) (stage.Pair[X, Y], error) {
			x, err := a.Add(acc.First, v)
			if err != nil {
				return acc, err
			}
			y, err := b.Add(acc.Second, v)
			if err != nil {
				return acc, err
			}
			return stage.Pair[X, Y]{First: x, Second: y}, nil
		},
		Merge: func(p, q stage.Pair[X, Y]) (both stage.Pair[X, Y], err error) {
			if both.First, err = a.Merge(p.First, q.First); err != nil {
				return both, err
			}
			both.Second, err = b.Merge(p.Second, q.Second)
			return both, err
		},
	}
}
