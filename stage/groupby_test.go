package stage

import (
	"cmp"
	"context"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

var listing = Fold[int, []int]{
	New: func() []int { return nil },
	Add: func(acc []int, v int) ([]int, error) {
		if err := fate(v); err != nil {
			return acc, err
		}
		return append(acc, v), nil
	},
	Merge: func(a, b []int) ([]int, error) { return append(a, b...), nil },
}

func TestGroupByAsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &script{cuts: append(rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3).Draw(t, "cuts"), 5)}
		var want []Pair[int, []int]
		failures := 0
		values := rapid.SliceOfN(rapid.IntRange(0, 60), 0, 100).Draw(t, "values")
		for _, v := range values {
			if v == 60 {
				failures++
				s.events = append(s.events, event{err: errBad})
				continue
			}
			s.events = append(s.events, event{item: v})
			if fateOf(v) != nil {
				failures++
				continue
			}
			i := slices.IndexFunc(want, func(p Pair[int, []int]) bool { return p.First == v%8 })
			if i < 0 {
				i = len(want)
				want = append(want, Pair[int, []int]{First: v % 8})
			}
			want[i].Second = append(want[i].Second, v)
		}
		var opts []GroupOption
		switch rapid.IntRange(0, 2).Draw(t, "order") {
		case 1:
			opts = append(opts, ByKey[int]())
			slices.SortFunc(want, func(a, b Pair[int, []int]) int { return cmp.Compare(a.First, b.First) })
		case 2:
			opts = append(opts, ByKeyFunc(func(a, b int) int { return b - a }))
			slices.SortFunc(want, func(a, b Pair[int, []int]) int { return cmp.Compare(b.First, a.First) })
		}
		opts = append(opts, MaxKeys(8))
		p, done := watched(t, GroupBy(s.stream(), func(v int) int { return v % 8 }, listing, opts...))
		got, errs, tokens, err := pullAll(t, p, rapid.SliceOfN(rapid.IntRange(0, 9), 1, 4).Draw(t, "limits"),
			func() bool { return rapid.IntRange(0, 3).Draw(t, "give up") == 0 })
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, want, got)
		assert.Len(t, errs, failures)
		assert.EqualValues(t, len(values), tokens)
		done()
	})
}

func TestGroupByBounds(t *testing.T) {
	ctx := context.Background()
	self := func(v int) int { return v }
	_, err := GroupBy(items(1, 2, 1, 4).stream(), self, listing, MaxKeys(2)).Collect(ctx)
	assert.ErrorIs(t, err, ErrTooManyKeys)
	assert.EqualError(t, err, "GroupBy: too many keys: more than 2")
	s := items(1, 2)
	s.end = errBad
	got, err := GroupBy(s.stream(), self, listing).Collect(ctx)
	assert.ErrorIs(t, err, errBad)
	assert.Empty(t, got)
	_, err = GroupBy(items(1, 2, 1, 4).stream(), self, listing, ByKeyFunc(func(int, int) int { panic(errBad) })).Collect(ctx)
	assert.ErrorIs(t, err, errBad)
	var p *PanicError
	assert.ErrorAs(t, err, &p)

	requirePanics(t, "penstock: stage.GroupBy: key is nil", func() { GroupBy[int, int](ints(1), nil, listing) })
	requirePanics(t, "penstock: stage.GroupBy: fold.New is nil", func() { GroupBy(ints(1), self, Fold[int, int]{}) })
	requirePanics(t, "penstock: stage.GroupBy: ByKey is for keys of another type: func(string, string) int",
		func() { GroupBy(ints(1), self, listing, ByKey[string]()) })
	requirePanics(t, "penstock: stage.MaxKeys: n is -1, want 0 or more", func() { MaxKeys(-1) })
	requirePanics(t, "penstock: stage.ByKeyFunc: cmp is nil", func() { ByKeyFunc[int](nil) })
}
