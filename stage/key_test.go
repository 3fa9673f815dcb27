package stage

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/plan"
)

// What is kept by key does not grow with keys that can never be found again.
func TestKeysThatDoNotEqualThemselves(t *testing.T) {
	const n = 100
	nan := slices.Repeat([]float64{math.NaN()}, n)

	k := &distinct[float64, float64]{key: func(v float64) float64 { return v }, most: 3, forget: true, seen: map[float64]struct{}{}}
	var c cursor
	require.NoError(t, k.run(t.Context(), nan, make([]float64, n), &c))
	assert.Equal(t, n, c.out, "each is another")
	assert.Empty(t, k.seen)
	_, err := k.SaveState()
	require.NoError(t, err)

	calls := 0
	double := Memo(func(_ context.Context, v float64) (float64, error) {
		calls++
		return 2 * v, nil
	}, 3)
	for _, v := range append(slices.Clone(nan), 1, 1) {
		_, err := double(t.Context(), v)
		require.NoError(t, err)
	}
	assert.Equal(t, n+1, calls)
}

// A window of such a key is gone when it has come.
func TestWindowsOfKeysThatDoNotEqualThemselves(t *testing.T) {
	for op, f := range map[string]frame{"Tumbling": {size: 10, step: 10}, "Sliding": {size: 10, step: 5}, "Session": {size: 10}} {
		t.Run(op, func(t *testing.T) {
			m := &plan.Meter{}
			k := &windows[int, float64, int]{
				frame: f, when: EventTime(func(v int) time.Time { return time.Unix(0, int64(v)) }, 0),
				key:  func(int) float64 { return math.NaN() },
				fold: Fold[int, int]{New: func() int { return 0 }, Add: func(acc, v int) (int, error) { return acc + v, nil }},
				cfg:  windowConfig{most: 1000}, m: m, watermark: longAgo, lanes: map[float64]*lane[float64, int]{},
			}
			out, came := make([]WindowResult[float64, int], 10), 0
			for v := range 1000 {
				var c cursor
				require.NoError(t, k.run(t.Context(), []int{v}, out, &c))
				require.Equal(t, 1, c.in)
				for _, w := range out[:c.out] {
					require.EqualValues(t, 1, w.Items)
				}
				came += c.out
				require.Empty(t, k.lanes)
				require.Less(t, len(k.queue), 25)
			}
			require.Greater(t, came, 900)
		})
	}
}
