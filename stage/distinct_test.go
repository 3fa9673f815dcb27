package stage

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDistinctFailsPastItsBound(t *testing.T) {
	s := Distinct(items(1, 2, 1, 3, 2, 4, 5).stream(), 3)
	got, err := collected(t, s)
	require.EqualError(t, err, "Distinct: more than 3 different keys (see ForgetOldest)")
	assert.Equal(t, []int{1, 2, 3}, got)

	approx := DistinctApprox(items(1, 2, 1, 3, 2, 4, 5).stream(), 3, 1e-9, decimal)
	got, err = collected(t, approx)
	require.EqualError(t, err, "DistinctApprox: more than 3 different keys")
	assert.Equal(t, []int{1, 2, 3}, got)
}

func decimal(dst []byte, v int) []byte { return strconv.AppendInt(dst, int64(v), 10) }

// collected is what came of a stream before it ended.
func collected[T any](t *testing.T, s Stream[T]) (got []T, last error) {
	t.Helper()
	for v, err := range s.All(t.Context()) {
		if err != nil {
			last = err
			continue
		}
		got = append(got, v)
	}
	return got, last
}

// The approximation drops no more than it says, and lets no repetition pass.
func TestDistinctApproxKeepsItsRate(t *testing.T) {
	const n, rate = 50_000, 0.01
	s := upTo(2 * n)
	for i := range s.events {
		s.events[i].item = i % n
	}
	got, err := DistinctApprox(s.stream(), n, rate, decimal).Collect(t.Context())
	require.NoError(t, err)
	assert.IsIncreasing(t, got)
	assert.Greater(t, len(got), int(n*(1-rate)))
}

// What a saved filter knows does not pass again.
func TestDistinctApproxIsSaved(t *testing.T) {
	pull := func(s *script, state []byte) (got []int, saved []byte) {
		p, closed := watched(t, DistinctApprox(s.stream(), 100, 0.001, decimal))
		defer closed()
		if state != nil {
			require.NoError(t, p.(Stateful).RestoreState(state))
		}
		var c Chunk[int]
		for err := error(nil); err == nil; {
			err = p.Pull(context.Background(), &c, Limit{})
			got = append(got, c.Items...)
		}
		saved, err := p.(Stateful).SaveState()
		require.NoError(t, err)
		return got, saved
	}
	got, saved := pull(upTo(40), nil)
	assert.Len(t, got, 40)
	got, _ = pull(upTo(60), saved)
	assert.Equal(t, upTo(60).events[40].item, got[0])
	assert.Len(t, got, 20)

	p, closed := watched(t, DistinctApprox(ints(1), 5, 0.001, decimal))
	defer closed()
	require.ErrorContains(t, p.(Stateful).RestoreState(saved), "a filter of")
}

func TestArgumentsOfHoldingOperators(t *testing.T) {
	var none Stream[int]
	requirePanics(t, "penstock: stage.Distinct: n is 0, want 1 or more", func() { Distinct(none, 0) })
	requirePanics(t, "penstock: stage.Distinct: option is nil", func() { Distinct(none, 1, nil) })
	requirePanics(t, "penstock: stage.DistinctBy: key is nil", func() { DistinctBy[int, int](none, 1, nil) })
	requirePanics(t, "penstock: stage.DistinctApprox: n is 0, want 1 or more", func() { DistinctApprox(none, 0, 0.1, decimal) })
	requirePanics(t, "penstock: stage.DistinctApprox: rate is 1, want more than 0 and less than 1", func() { DistinctApprox(none, 1, 1, decimal) })
	requirePanics(t, "penstock: stage.DistinctApprox: key is nil", func() { DistinctApprox(none, 1, 0.1, nil) })
	requirePanics(t, "penstock: stage.Sample: k is 0, want 1 or more", func() { none.Sample(0, 1) })
	requirePanics(t, "penstock: stage.Window: n is 0, want 1 or more", func() { Window(none, 0, 1) })
	requirePanics(t, "penstock: stage.Window: step is 0, want 1 or more", func() { Window(none, 1, 0) })
	requirePanics(t, "penstock: stage.Chunked: n is 0, want 1 or more", func() { Chunked(none, 0, func(int, int) bool { return true }) })
	requirePanics(t, "penstock: stage.Chunked: boundary is nil", func() { Chunked(none, 1, nil) })
}
