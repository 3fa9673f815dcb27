package stage

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// memory is a sink that keeps what it is given.
type memory struct {
	items  []int
	fail   func() error // nil: it does not
	cause  error
	closed int
}

func (k *memory) Open(context.Context, json.RawMessage) (Writer[int], error) { return k, nil }

func (k *memory) Write(_ context.Context, c *Chunk[int]) error {
	if k.fail != nil {
		if err := k.fail(); err != nil {
			return err
		}
	}
	k.items = append(k.items, c.Items...)
	return nil
}

func (k *memory) Close(_ context.Context, cause error) error {
	k.closed++
	k.cause = cause
	return nil
}

// Whatever the chunks and bounds, each branch of Tee has everything in order, and the
// branches of Partition what a loop gives them.
func TestBranchesHaveWhatALoopGivesThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "branches")
		src := &script{
			events: eventsFrom(0, rapid.IntRange(0, 200).Draw(t, "items")),
			cuts:   rapid.SliceOfN(rapid.IntRange(1, 50), 0, 3).Draw(t, "cuts"),
		}
		ahead := Ahead(rapid.IntRange(0, 20).Draw(t, "ahead"))
		partition := rapid.Bool().Draw(t, "partition")
		want := make([][]int, n)
		for _, e := range src.events {
			for i := range want {
				if !partition || e.item%n == i {
					want[i] = append(want[i], e.item)
				}
			}
		}
		branches := Tee(src.stream(), n, ahead)
		if partition {
			branches = Partition(src.stream(), n, func(v int) int { return v % n }, ahead)
		}
		sinks := make([]memory, n)
		flows := make([]Flow, n)
		for i, b := range branches {
			flows[i] = To(b, &sinks[i])
		}
		sums, err := RunAll(t.Context(), flows...)
		require.NoError(t, err)
		for i := range sinks {
			assert.Equal(t, want[i], sinks[i].items)
			assert.EqualValues(t, len(want[i]), sums[i].Written)
			assert.EqualValues(t, len(src.events), sums[i].Read)
			assert.Equal(t, 1, sinks[i].closed)
		}
		assert.Equal(t, 1, src.mu.closes)
		got, err := Merge(branches...).Collect(t.Context()) // the same plan, in one stream
		require.NoError(t, err)
		slices.Sort(got)
		all := slices.Concat(want...)
		slices.Sort(all)
		assert.Len(t, got, len(all))
		assert.True(t, slices.Equal(all, got))
	})
}

func TestTheFirstFailureAbortsAllSinks(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail func() error
		want error
	}{
		"error":  {func() error { return errInput }, errInput},
		"panic":  {func() error { panic(errInput) }, errInput},
		"Goexit": {func() error { runtime.Goexit(); return nil }, ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := &script{events: eventsFrom(0, 10_000)}
			b := Tee(src.stream(), 2)
			wrote := make(chan struct{}, 10_000)
			good := &memory{fail: func() error { wrote <- struct{}{}; return nil }}
			bad := &memory{fail: func() error { <-wrote; return tc.fail() }}
			_, err := RunAll(t.Context(), To(b[0], good), To(b[1], bad))
			require.ErrorIs(t, err, tc.want)
			require.ErrorIs(t, good.cause, tc.want)
			require.ErrorIs(t, bad.cause, tc.want)
			assert.Equal(t, 1, src.mu.closes)
		})
	}
}

// A branch that is closed early does not hold the others.
func TestAClosedBranchHoldsNobodyBack(t *testing.T) {
	t.Parallel()
	b := Tee((&script{events: eventsFrom(0, 10_000)}).stream(), 3, Ahead(4))
	all, few, enough := &memory{}, &memory{}, &memory{fail: func() error { return ErrEnough }}
	_, err := RunAll(t.Context(), To(b[0], all), To(b[1].Take(3), few), To(b[2], enough))
	require.NoError(t, err)
	assert.Len(t, all.items, 10_000)
	assert.Len(t, few.items, 3)
}

// What could wait for itself is refused before anything is opened.
func TestBranchesThatAreNotReadTogetherAreRefused(t *testing.T) {
	t.Parallel()
	src := &script{events: eventsFrom(0, 10)}
	b, other := Tee(src.stream(), 2), Tee(src.stream(), 2)
	for name, tc := range map[string]struct {
		streams []Stream[int]
		want    string
	}{
		"alone":  {[]Stream[int]{b[0]}, "no stream of the run reads branch 1"},
		"twice":  {[]Stream[int]{b[0], b[1], b[0]}, "branch 0 is read 2 times"},
		"turns":  {[]Stream[int]{Concat(b[0], b[1])}, "reads streams in turns"},
		"across": {[]Stream[int]{Concat(b[0], other[0]), Concat(other[1], b[1])}, "reads streams in turns"},
	} {
		var flows []Flow
		for _, s := range tc.streams {
			flows = append(flows, To(s, &memory{}))
		}
		_, err := RunAll(t.Context(), flows...)
		require.ErrorContains(t, err, tc.want, name)
	}
	_, err := b[0].Collect(t.Context())
	require.ErrorContains(t, err, "no stream of the run reads branch 1")
	assert.Zero(t, src.mu.opens)
}

func TestPartitionFailsItemsThatHaveNoBranch(t *testing.T) {
	t.Parallel()
	b := Partition((&script{events: eventsFrom(0, 6)}).stream(), 2, func(v int) int {
		if v == 4 {
			panic(errInput)
		}
		return v - 1
	})
	one, two := &memory{}, &memory{}
	sums, err := RunAll(t.Context(), To(b[0], one, Continue(0)), To(b[1], two))
	require.NoError(t, err)
	assert.Equal(t, []int{1}, one.items)
	assert.Equal(t, []int{2}, two.items)
	assert.EqualValues(t, 4, sums[0].Failed)
}

func TestRunAllEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no more")
	b := Tee((&script{events: eventsFrom(0, 10_000)}).stream(), 2)
	one := &memory{fail: func() error { cancel(why); return nil }}
	_, err := RunAll(ctx, To(b[0], one), To(b[1], &memory{}))
	require.ErrorIs(t, err, why)
	require.ErrorIs(t, one.cause, why)
}
