package fold

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

// folded folds values that are cut into parts, and merges the parts in order.
func folded[A, Acc any](t require.TestingT, f stage.Fold[A, Acc], values []A, cuts []int) Acc {
	total := f.New()
	var err error
	for len(values) > 0 {
		n := len(values)
		if len(cuts) > 0 {
			n, cuts = min(n, cuts[0]), cuts[1:]
		}
		part := f.New()
		for _, v := range values[:n] {
			part, err = f.Add(part, v)
			require.NoError(t, err)
		}
		total, err = f.Merge(total, part)
		require.NoError(t, err)
		values = values[n:]
	}
	return total
}

type entry struct{ key, seq int }

func byKey(a, b entry) int { return cmp.Compare(a.key, b.key) }

func TestFoldsAsPlainLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.IntRange(-50, 50)).Draw(t, "keys")
		cuts := rapid.SliceOf(rapid.IntRange(0, 10)).Draw(t, "cuts")
		entries := make([]entry, len(keys))
		sum := 0
		for i, k := range keys {
			entries[i] = entry{k, i}
			sum += k
		}
		assert.EqualValues(t, len(keys), folded(t, Count[int](), keys, cuts))
		assert.Equal(t, sum, folded(t, Sum[int](), keys, cuts))
		collected := folded(t, Collect[entry](len(entries)), entries, cuts)
		assert.Equal(t, entries, append([]entry{}, collected...))

		k := rapid.IntRange(0, 8).Draw(t, "k")
		sorted := slices.Clone(entries)
		slices.SortStableFunc(sorted, byKey)
		assert.Equal(t, sorted[:min(k, len(sorted))], append([]entry{}, folded(t, TopK(k, byKey), entries, cuts)...))

		for name, one := range map[string]struct {
			got  Seen[entry]
			want func() entry
		}{
			"First": {folded(t, First[entry](), entries, cuts), func() entry { return entries[0] }},
			"Last":  {folded(t, Last[entry](), entries, cuts), func() entry { return entries[len(entries)-1] }},
			"Min":   {folded(t, MinFunc(byKey), entries, cuts), func() entry { return slices.MinFunc(entries, byKey) }},
			"Max":   {folded(t, MaxFunc(byKey), entries, cuts), func() entry { return slices.MaxFunc(entries, byKey) }},
		} {
			v, ok := one.got.Get()
			assert.Equal(t, len(entries) > 0, ok, name)
			if ok {
				assert.Equal(t, one.want(), v, name)
			}
		}
		both := folded(t, Both(Min[int](), Max[int]()), keys, cuts)
		if len(keys) > 0 {
			assert.Equal(t, slices.Min(keys), both.First.Value)
			assert.Equal(t, slices.Max(keys), both.Second.Value)
		}
		twice := Of(func(e entry) int { return 2 * e.key }, Sum[int]())
		assert.Equal(t, 2*sum, folded(t, twice, entries, cuts))
		assertMoments(t, folded(t, Stats[int](), keys, cuts), keys)
	})
}

func assertMoments(t *rapid.T, m Moments, keys []int) {
	assert.EqualValues(t, len(keys), m.Count())
	if len(keys) == 0 {
		for _, v := range []float64{m.Mean(), m.Variance(), m.SampleVariance(), m.Min(), m.Max()} {
			assert.True(t, math.IsNaN(v))
		}
		return
	}
	mean, squares := 0.0, 0.0
	for _, k := range keys {
		mean += float64(k) / float64(len(keys))
	}
	for _, k := range keys {
		squares += (float64(k) - mean) * (float64(k) - mean)
	}
	assert.InDelta(t, mean, m.Mean(), 1e-9)
	assert.InDelta(t, mean*float64(len(keys)), m.Sum(), 1e-6)
	assert.InDelta(t, squares/float64(len(keys)), m.Variance(), 1e-6)
	if len(keys) > 1 {
		assert.InDelta(t, squares/float64(len(keys)-1), m.SampleVariance(), 1e-6)
	} else {
		assert.True(t, math.IsNaN(m.SampleVariance()))
	}
	assert.InDelta(t, float64(slices.Min(keys)), m.Min(), 0)
	assert.InDelta(t, float64(slices.Max(keys)), m.Max(), 0)
}

func TestCollectHasALimit(t *testing.T) {
	f := Collect[int](2)
	all, err := f.Add([]int{1, 2}, 3)
	assert.ErrorIs(t, err, ErrLimit)
	assert.Equal(t, []int{1, 2}, all)
	_, err = f.Merge([]int{1, 2}, []int{3})
	assert.ErrorIs(t, err, ErrLimit)
}

func TestBothPassesErrorsOn(t *testing.T) {
	f := Both(Collect[int](1), Count[int]())
	acc, err := f.Add(f.New(), 1)
	require.NoError(t, err)
	was := acc
	acc, err = f.Add(acc, 2)
	assert.ErrorIs(t, err, ErrLimit)
	assert.Equal(t, was, acc)
	_, err = Both(Count[int](), Collect[int](0)).Add(stage.Pair[int64, []int]{}, 2)
	assert.ErrorIs(t, err, ErrLimit)
	_, err = f.Merge(acc, acc)
	assert.ErrorIs(t, err, ErrLimit)
}

func TestArguments(t *testing.T) {
	assert.PanicsWithValue(t, "penstock: fold.Collect: limit is -1, want 0 or more", func() { Collect[int](-1) })
	assert.PanicsWithValue(t, "penstock: fold.TopK: k is -1, want 0 or more", func() { TopK(-1, cmp.Compare[int]) })
	assert.PanicsWithValue(t, "penstock: fold.TopK: cmp is nil", func() { TopK[int](1, nil) })
	assert.PanicsWithValue(t, "penstock: fold.MinFunc: cmp is nil", func() { MinFunc[int](nil) })
	assert.PanicsWithValue(t, "penstock: fold.MaxFunc: cmp is nil", func() { MaxFunc[int](nil) })
	assert.PanicsWithValue(t, "penstock: fold.Of: value is nil", func() { Of[int](nil, Count[int]()) })
	assert.PanicsWithValue(t, "penstock: fold.Both: b: fold.New is nil", func() { Both(Count[int](), stage.Fold[int, int]{}) })
	assert.PanicsWithValue(t, "penstock: fold.Both: a: fold.New is nil", func() { Both(stage.Fold[int, int]{}, Count[int]()) })
}
