package fold_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage/fold"
)

// Whatever the numbers are, and however they are merged, each quantile is as near to one
// of its neighbours in the sorted numbers as is promised.
func TestQuantilesAreAsNearAsPromised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accuracy := rapid.SampledFrom([]float64{0.001, 0.01, 0.1, 0.5}).Draw(t, "accuracy")
		numbers := rapid.SliceOfN(rapid.OneOf(
			rapid.Float64Range(-1e300, 1e300), rapid.Float64Range(-10, 10),
			rapid.Map(rapid.IntRange(-3, 3), func(n int) float64 { return float64(n) }),
			rapid.Map(rapid.Float64Range(-290, 290), func(e float64) float64 { return math.Pow(10, e) }),
		), 1, 300).Draw(t, "numbers")
		f := fold.Quantile[float64](accuracy)
		parts := rapid.IntRange(1, 5).Draw(t, "parts")
		total := f.New()
		for part := range slices.Chunk(numbers, (len(numbers)+parts-1)/parts) {
			var err error
			total, err = f.Merge(total, added(t, f, f.New(), part))
			require.NoError(t, err)
		}
		slices.Sort(numbers)
		assert.EqualValues(t, len(numbers), total.Count())
		assert.InDelta(t, numbers[0], total.At(0), 0)
		assert.InDelta(t, numbers[len(numbers)-1], total.At(1), 0)
		for _, p := range []float64{0.001, 0.25, 0.5, 0.75, 0.99, rapid.Float64Range(0, 1).Draw(t, "p")} {
			place := p * float64(len(numbers)-1)
			got := total.At(p)
			near := func(v float64) bool {
				return math.Abs(got-v) <= (accuracy+1e-9)*math.Abs(v)+1e-306
			}
			low, high := numbers[int(math.Floor(place))], numbers[int(math.Ceil(place))]
			assert.True(t, near(low) || near(high), "%v-quantile is %v, between %v and %v", p, got, low, high)
		}
	})
}

func TestQuantilesOfWhatHasNoPlace(t *testing.T) {
	f := fold.Quantile[float64](0.01)
	q, err := f.Add(f.New(), 3)
	require.NoError(t, err)
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64} {
		q, err = f.Add(q, v)
		assert.ErrorContains(t, err, "cannot be tracked", "%v", v)
	}
	assert.EqualValues(t, 1, q.Count())
	assert.InDelta(t, 3, q.At(0.5), 0)

	var none fold.Quantiles
	assert.Zero(t, none.Count())
	for _, v := range []float64{none.At(0.5), none.Min(), none.Max(), f.New().At(0.5)} {
		assert.True(t, math.IsNaN(v))
	}
	text, err := json.Marshal(none)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &none))
	more, err := f.Merge(none, q)
	require.NoError(t, err)
	assert.EqualValues(t, 1, more.Count())
	more, err = f.Merge(more, none)
	require.NoError(t, err)
	assert.EqualValues(t, 1, more.Count())
	none, err = f.Add(none, 4)
	require.NoError(t, err)
	assert.EqualValues(t, 1, none.Count())
}

func TestQuantilesOfAnotherAccuracy(t *testing.T) {
	coarse, fine := fold.Quantile[int](0.1), fold.Quantile[int](0.01)
	q, err := coarse.Add(coarse.New(), 3)
	require.NoError(t, err)
	_, err = fine.Add(q, 3)
	assert.ErrorIs(t, err, fold.ErrAccuracy)
	assert.EqualError(t, err, "quantiles of another accuracy: 0.1, want 0.01")
	_, err = fine.Merge(fine.New(), q)
	assert.ErrorIs(t, err, fold.ErrAccuracy)
	_, err = fine.Merge(q, fine.New())
	assert.ErrorIs(t, err, fold.ErrAccuracy)
	assert.EqualValues(t, 1, q.Count())
}

func TestQuantilesThatAreNotWhatWasSaved(t *testing.T) {
	f := fold.Quantile[int](0.01)
	q := f.New()
	for i := range 100 {
		var err error
		q, err = f.Add(q, i)
		require.NoError(t, err)
	}
	b, err := q.MarshalBinary()
	require.NoError(t, err)
	var back fold.Quantiles
	require.NoError(t, back.UnmarshalBinary(b))
	assert.Error(t, back.UnmarshalBinary(b[:len(b)/2]))
	assert.Error(t, back.UnmarshalBinary([]byte{255, 255}))
	assert.Error(t, json.Unmarshal([]byte(`5`), &back))
	assert.EqualValues(t, 100, back.Count(), "what was there is kept")
}

func TestQuantileArguments(t *testing.T) {
	for _, accuracy := range []float64{0, 1, -1, math.NaN()} {
		assert.Panics(t, func() { fold.Quantile[int](accuracy) })
	}
	assert.PanicsWithValue(t, "penstock: fold.Quantile: accuracy is 1, want more than 0 and less than 1",
		func() { fold.Quantile[int](1) })
	assert.PanicsWithValue(t, "penstock: fold.Quantiles.At: p is 1.5, want 0 to 1",
		func() { fold.Quantiles{}.At(1.5) })
	assert.Panics(t, func() { fold.Quantiles{}.At(math.NaN()) })
}
