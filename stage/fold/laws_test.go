package fold_test

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/spill"
	"github.com/penstock-go/penstock/stage"
	"github.com/penstock-go/penstock/stage/fold"
)

// added is what a fold makes of values, after those that are in acc already.
func added[A, Acc any](t *rapid.T, f stage.Fold[A, Acc], acc Acc, values []A) Acc {
	for _, v := range values {
		var err error
		acc, err = f.Add(acc, v)
		require.NoError(t, err)
	}
	return acc
}

// lawful checks that a fold of two parts that are merged is that of both, and that an
// accumulator that was saved, as JSON or in a file, goes on as if it had not been.
func lawful[A, Acc any](t *rapid.T, name string, f stage.Fold[A, Acc], a, b []A, same func(want, got Acc)) {
	want := added(t, f, f.New(), slices.Concat(a, b))
	of := func(values []A) Acc { return added(t, f, f.New(), values) }
	merged, err := f.Merge(of(a), of(b))
	require.NoError(t, err, name)
	same(want, merged)

	text, err := json.Marshal(of(a))
	require.NoError(t, err, name)
	var saved Acc
	require.NoError(t, json.Unmarshal(text, &saved), name)
	same(want, added(t, f, saved, b))

	codec, err := spill.Of[Acc]()
	require.NoError(t, err, name)
	first, second := of(a), of(b)
	record, err := codec.Append(nil, &second)
	require.NoError(t, err, name)
	var read Acc
	require.NoError(t, codec.Decode(record, &read), name)
	merged, err = f.Merge(first, read)
	require.NoError(t, err, name)
	same(want, merged)
}

type level struct {
	Pump  int
	Meter int
}

func byPump(a, b level) int { return cmp.Compare(a.Pump, b.Pump) }

func TestFoldsMergeAndComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) (levels []level) {
			for i, k := range rapid.SliceOfN(rapid.IntRange(-9, 9), 0, 40).Draw(t, label) {
				levels = append(levels, level{k, i + len(label)*100})
			}
			return levels
		}
		a, b := draw("a"), draw("bb")
		equal := func(name string) func(want, got any) {
			return func(want, got any) { assert.Equal(t, want, got, name) }
		}
		pump := func(l level) int { return l.Pump }
		number := func(l level) float64 { return float64(l.Pump) / 3 }

		lawful(t, "Count", fold.Count[level](), a, b, func(want, got int64) { equal("Count")(want, got) })
		lawful(t, "Sum", fold.Of(pump, fold.Sum[int]()), a, b, func(want, got int) { equal("Sum")(want, got) })
		for name, f := range map[string]stage.Fold[level, fold.Seen[level]]{
			"First": fold.First[level](), "Last": fold.Last[level](),
			"MinFunc": fold.MinFunc(byPump), "MaxFunc": fold.MaxFunc(byPump),
		} {
			lawful(t, name, f, a, b, func(want, got fold.Seen[level]) { equal(name)(want, got) })
		}
		for name, f := range map[string]stage.Fold[int, fold.Seen[int]]{"Min": fold.Min[int](), "Max": fold.Max[int]()} {
			lawful(t, name, fold.Of(pump, f), a, b, func(want, got fold.Seen[int]) { equal(name)(want, got) })
		}
		for name, f := range map[string]stage.Fold[level, []level]{
			"Collect": fold.Collect[level](100), "TopK": fold.TopK(rapid.IntRange(0, 9).Draw(t, "k"), byPump),
		} {
			lawful(t, name, f, a, b, func(want, got []level) { assert.True(t, slices.Equal(want, got), name) })
		}
		both := fold.Both(fold.Count[level](), fold.Last[level]())
		lawful(t, "Both", both, a, b, func(want, got stage.Pair[int64, fold.Seen[level]]) { equal("Both")(want, got) })
		lawful(t, "Mean", fold.Of(number, fold.Mean[float64]()), a, b, func(want, got fold.Average) {
			assert.Equal(t, want.Count(), got.Count())
			assert.InDelta(t, want.Value, got.Value, 1e-9)
			assert.Equal(t, want.Count() == 0, math.IsNaN(got.Mean()))
		})
		lawful(t, "Stats", fold.Of(number, fold.Stats[float64]()), a, b, func(want, got fold.Moments) {
			assert.Equal(t, want.Count(), got.Count())
			assert.InDeltaSlice(t, []float64{want.Average, want.Squares, want.Least, want.Most},
				[]float64{got.Average, got.Squares, got.Least, got.Most}, 1e-9)
		})
		lawful(t, "Quantile", fold.Of(number, fold.Quantile[float64](0.01)), a, b, func(want, got fold.Quantiles) {
			assert.Equal(t, want.Count(), got.Count())
			for _, p := range []float64{0, 0.1, 0.5, 0.9, 1} {
				assert.Equal(t, math.Float64bits(want.At(p)), math.Float64bits(got.At(p)), "%v", p)
			}
		})
	})
}
