package stage

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Each item is in a sample with the same probability.
func TestSampleIsFair(t *testing.T) {
	const n, k, runs = 40, 8, 4000
	var in [n]int
	for seed := range uint64(runs) {
		sample, err := ints(n).Sample(k, seed).Collect(t.Context())
		require.NoError(t, err)
		require.Len(t, sample, k)
		for i, v := range sample {
			in[v]++
			if i > 0 {
				require.Less(t, sample[i-1], v, "stream order")
			}
		}
	}
	chi := 0.0
	const want = float64(runs) * k / n
	for _, got := range in {
		chi += math.Pow(float64(got)-want, 2) / (want * (1 - float64(k)/n))
	}
	// 39 degrees of freedom: more than 80 comes once in 10,000 times, and never for fixed seeds.
	assert.Less(t, chi, 80.0, "%v", in)
}

// A sample depends on the items and the seed, neither on chunks nor on where a run was
// interrupted.
func TestSampleIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "n")
		k := rapid.IntRange(1, 20).Draw(t, "k")
		seed := rapid.Uint64().Draw(t, "seed")
		want, err := ints(n).Sample(k, seed).Collect(context.Background())
		require.NoError(t, err)
		require.Len(t, want, min(n, k))

		cut := rapid.IntRange(0, n).Draw(t, "cut")
		var got []int
		var state json.RawMessage
		for part, s := range []*script{upTo(cut), upTo(n)} {
			if part == 1 {
				s.events = s.events[cut:]
			} else {
				s.end = ErrStopped
			}
			s.cuts = []int{rapid.IntRange(1, 50).Draw(t, "chunk")}
			p, closed := watched(t, s.stream().Sample(k, seed))
			if state != nil {
				require.NoError(t, p.(Stateful).RestoreState(state))
			}
			var c Chunk[int]
			err := error(nil)
			for err == nil {
				err = p.Pull(context.Background(), &c, Limit{Items: rapid.IntRange(1, 9).Draw(t, "limit")})
				got = append(got, c.Items...)
			}
			if part == 0 {
				require.ErrorIs(t, err, ErrStopped)
				require.Empty(t, got)
				state, err = p.(Stateful).SaveState()
				require.NoError(t, err)
			} else {
				require.Equal(t, io.EOF, err)
			}
			closed()
		}
		require.Equal(t, want, append([]int{}, got...))
	})
}
