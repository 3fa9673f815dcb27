package stage

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// adds checks that the items of each stage add up.
func adds(t require.TestingT, sums []Summary) {
	for _, sum := range sums {
		for _, st := range sum.Stages {
			require.Equal(t, st.In+st.Expanded, st.Out+st.Filtered+st.Failed+st.Merged+st.Abandoned, "%+v", st)
		}
	}
}

// A branch that is slow holds the others back, by no more than its bound, and the
// summary says for how long.
func TestASlowBranchHoldsTheOthersBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ahead = 8
		b := Tee((&script{events: eventsFrom(0, 40), cuts: []int{1}}).stream(), 2, Ahead(ahead))
		var lead atomic.Int64 // in chunks, which have one item
		fast := &memory{fail: func() error {
			assert.LessOrEqual(t, lead.Add(1), int64(ahead+2))
			return nil
		}}
		slow := &memory{fail: func() error {
			time.Sleep(time.Second)
			lead.Add(-1)
			return nil
		}}
		sums, err := RunAll(t.Context(), To(b[0], fast), To(b[1], slow))
		require.NoError(t, err)
		assert.Len(t, fast.items, 40)
		assert.Equal(t, fast.items, slow.items)
		waits := func(sum Summary) []time.Duration {
			for _, st := range sum.Stages {
				if st.Op == "Tee" {
					return st.BranchWait
				}
			}
			return nil
		}
		require.Len(t, waits(sums[0]), 2)
		assert.Zero(t, waits(sums[0])[0])
		assert.GreaterOrEqual(t, waits(sums[0])[1], 20*time.Second, "of 40, less what it may be ahead")
		assert.Nil(t, waits(sums[1]))
		assert.Contains(t, sums[0].String(), "branch wait")
		adds(t, sums)
	})
}

// Failed items pass Tee in each branch, and Partition in the first that is open. All
// branches end with the input's failure. Counters add up however the runs end.
func TestBranchesPassFailedItems(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		src := &script{
			events: eventsFrom(0, rapid.IntRange(0, 100).Draw(t, "items")),
			cuts:   rapid.SliceOfN(rapid.IntRange(1, 20), 0, 3).Draw(t, "cuts"),
		}
		failed := 0
		for i := range src.events {
			if rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
				src.events[i].err = errInput
				failed++
			}
		}
		if rapid.Bool().Draw(t, "breaks") {
			src.end = errBroken
		}
		early := rapid.IntRange(0, 120).Draw(t, "early")
		partition := rapid.Bool().Draw(t, "partition")
		ahead := Ahead(rapid.IntRange(1, 20).Draw(t, "ahead"))
		b := Tee(src.stream(), 2, ahead)
		if partition {
			b = Partition(src.stream(), 2, func(v int) int { return v % 2 }, ahead)
		}
		sums, err := RunAll(t.Context(), To(b[0], &memory{}, Continue(0)), To(b[1], &memory{}, Continue(0)))
		want := []int64{int64(failed), int64(failed)}
		if partition {
			want[1] = 0
		}
		if src.end != nil { // it stops the other one
			require.ErrorIs(t, err, errBroken)
		} else {
			require.NoError(t, err)
			assert.Equal(t, want, []int64{sums[0].Failed, sums[1].Failed})
		}
		adds(t, sums)

		// One branch ends early; what came for it is accounted for.
		sums, err = RunAll(t.Context(), To(b[0].Take(early), &memory{}, Continue(0)), To(b[1], &memory{}, Continue(0)))
		if src.end == nil {
			require.NoError(t, err)
		}
		adds(t, sums)
		assert.Equal(t, 2, src.mu.closes)
	})
}

var errBroken = errors.New("the input has ended before its time")

// What fails in what the branches share ends them all.
func TestWhatBranchesSharePanics(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(*Chunk[int])
		want error
	}{
		"panic":  {func(*Chunk[int]) { panic(errInput) }, errInput},
		"Goexit": {func(*Chunk[int]) { runtime.Goexit() }, ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, partition := range []bool{false, true} {
				src := &script{events: eventsFrom(0, 1000), cuts: []int{10}}
				src.shape = func(c *Chunk[int]) {
					if src.mu.pulls == 5 {
						tc.do(c)
					}
				}
				b := Tee(src.stream(), 3)
				if partition {
					b = Partition(src.stream(), 3, func(v int) int { return v % 3 })
				}
				sinks := make([]memory, 3)
				var flows []Flow
				for i := range b {
					flows = append(flows, To(b[i], &sinks[i]))
				}
				sums, err := RunAll(t.Context(), flows...)
				require.ErrorIs(t, err, tc.want)
				for i := range sinks {
					if sinks[i].closed > 0 { // it may not have been opened yet
						require.ErrorIs(t, sinks[i].cause, tc.want)
					}
					assert.LessOrEqual(t, sinks[i].closed, 1)
				}
				assert.Equal(t, 1, src.mu.closes)
				adds(t, sums)
			}
		})
	}
}

// openBranches opens the branches of a split as one run does.
func openBranches(t *testing.T, b []Stream[int]) (pullers []Puller[int], end func() error) {
	t.Helper()
	var plans []*Flow
	for _, s := range b {
		plans = append(plans, &Flow{plan: s.Plan()})
	}
	ctx := t.Context()
	ctx, splits, err := withSplits(ctx, plans[0].plan, plans[1].plan)
	require.NoError(t, err)
	for _, s := range b {
		p, err := s.Open(ctx)
		require.NoError(t, err)
		pullers = append(pullers, p)
	}
	return pullers, splits.skip
}

// A pull that its context ends, while it waits for another branch or for the input,
// loses nothing.
func TestAPullOfABranchIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := 0
		in := New("slow", func(context.Context) (Puller[int], error) {
			return pulling[int](func(ctx context.Context, into *Chunk[int]) error {
				select {
				case <-time.After(time.Second):
					into.Items = append(into.Items, next)
					next++
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}), nil
		})
		b := Tee(in, 2, Ahead(3))
		p, skip := openBranches(t, b)
		var got [2][]int
		pull := func(i int, wait time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			var c Chunk[int]
			err := p[i].Pull(ctx, &c, Limit{Items: 1})
			got[i] = append(got[i], c.Items...)
			return err
		}
		require.ErrorIs(t, pull(0, time.Second/2), context.DeadlineExceeded, "the input waits")
		for range 3 {
			require.NoError(t, pull(0, time.Minute))
		}
		start := time.Now()
		require.ErrorIs(t, pull(0, time.Minute), context.DeadlineExceeded, "the other branch has no room")
		assert.Equal(t, time.Minute, time.Since(start))
		for range 3 {
			require.NoError(t, pull(1, time.Minute))
		}
		require.NoError(t, pull(0, time.Minute))
		require.NoError(t, pull(1, time.Minute))
		assert.Equal(t, [2][]int{{0, 1, 2, 3}, {0, 1, 2, 3}}, got)
		for _, each := range p {
			require.NoError(t, each.Close())
		}
		require.NoError(t, skip())
	})
}

// pulling is a puller of a function.
type pulling[T any] func(context.Context, *Chunk[T]) error

func (p pulling[T]) Pull(ctx context.Context, into *Chunk[T], _ Limit) error {
	into.Reset()
	return p(ctx, into)
}

func (pulling[T]) Close() error { return nil }

// A branch that Concat has not come to when it is closed holds nobody back.
func TestConcatLetsGoOfABranch(t *testing.T) {
	t.Parallel()
	src := &script{events: eventsFrom(0, 5000)}
	b := Tee(src.stream(), 2, Ahead(4))
	first, all := &memory{}, &memory{}
	sums, err := RunAll(t.Context(), To(Concat(items(1, 2, 3).stream(), b[0]).Take(2), first), To(b[1], all))
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2}, first.items)
	assert.Len(t, all.items, 5000)
	assert.Equal(t, 1, src.mu.closes)
	adds(t, sums)
}

func TestToNamesItsArguments(t *testing.T) {
	t.Parallel()
	assert.PanicsWithValue(t, "penstock: stage.To: option is nil", func() { To(items().stream(), &memory{}, nil) })
	assert.PanicsWithValue(t, "penstock: stage.To: sink is nil", func() { To(items().stream(), nil) })
	assert.PanicsWithValue(t, "penstock: stage.RunAll: flow is nil", func() { _, _ = RunAll(t.Context(), Flow{}) })
}
