package stage_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

var errPlease = errors.New("please")

// numbersTo is a source of the numbers below n.
func numbersTo(n int64, size int, sought *[]int64) stage.Stream[int64] {
	return stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
		return &counting{n: n, size: size, sought: sought}, nil
	})
}

// Wherever runs are told to stop, all of them together write what one run would
// have written: no short batch, nothing lost, nothing twice.
func TestRunsThatAreStoppedWriteEachItemOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 400).Draw(t, "n")
		unordered := rapid.Bool().Draw(t, "unordered")
		shape := rapid.SampledFrom([]string{"plain", "batch", "numbered batch", "zip"}).Draw(t, "shape")
		var (
			store  memoryStore
			to     ledger
			sought []int64
		)
		for runs := 0; ; runs++ {
			require.Less(t, runs, 2000)
			size := rapid.IntRange(1, 50).Draw(t, "chunk of the source")
			opts := []pool.Option{pool.ChunkSize(rapid.SampledFrom([]int{0, 1, 7, 64}).Draw(t, "chunk"))}
			if unordered && shape != "zip" {
				opts = append(opts, pool.Unordered())
			}
			if rapid.Bool().Draw(t, "small budget") {
				opts = append(opts, pool.InFlight(8))
			}
			src := numbersTo(n, size, &sought)
			if shape == "zip" {
				src = stage.Map(stage.Zip(src, numbersTo(n, 51-size, &sought)),
					stage.Pure(func(v stage.Pair[int64, int64]) int64 { return v.First }))
			}
			p := pool.New(rapid.IntRange(1, 4).Draw(t, "workers"))
			s := pool.Imap(p, src, stage.Pure(func(v int64) int64 { return v }), opts...)
			whole := true
			switch shape {
			case "batch":
				s = stage.Unbatch(stage.Map(stage.Batch(s, 7), stage.Pure(func(b []int64) []int64 {
					whole = whole && (len(b) == 7 || slices.Contains(b, n-1) || n%17 == 0 || unordered)
					return b
				})))
			case "numbered batch":
				type numbered = stage.Pair[int64, int64]
				s = stage.Map(stage.Unbatch(stage.Batch(stage.Enumerate(s), 7)),
					stage.Pure(func(v numbered) int64 {
						if !unordered {
							whole = whole && v.First == v.Second-v.Second/17 // its place among those that did not fail
						}
						return v.Second
					}))
			}
			stop, please := context.WithCancelCause(t.Context())
			left := rapid.IntRange(1, 12).Draw(t, "stop at write")
			_, err := stage.Run(t.Context(), s, to.sink(func() error {
				if left--; left == 0 {
					please(errPlease)
				}
				return nil
			}), stage.Checkpoint(&store, time.Duration(rapid.SampledFrom([]int{1, int(time.Hour)}).Draw(t, "every"))),
				stage.Continue(0), stage.Shutdown(stop, time.Hour))
			please(nil)
			p.Close()
			require.False(t, store.open)
			require.True(t, whole)
			if err == nil {
				break
			}
			var stopped *stage.StoppedError
			require.ErrorAs(t, err, &stopped)
			require.ErrorIs(t, err, errPlease)
			require.ErrorIs(t, err, stage.ErrStopped)
			require.Zero(t, stopped.Grace)
			require.False(t, to.closed, "it has a cause")
			if shape == "plain" {
				require.True(t, stopped.Saved)
				require.Empty(t, to.staged, "all that was written is published")
			}
		}
		var want []int64
		for v := range n {
			if v%17 != 16 {
				want = append(want, v)
			}
		}
		got := to.published
		if unordered {
			got = slices.Sorted(slices.Values(got))
		}
		require.Equal(t, want, slices.Clip(got))
		require.True(t, to.closed)
	})
}

// A Zip that is told to stop knows that the one ahead of it held items back, which a
// stage with a state has counted.
func TestStoppingAZipBehindAnother(t *testing.T) {
	const n = 20
	first := stage.Pure(func(p stage.Pair[int64, int64]) int64 { return p.First })
	var sought []int64
	for k := range int64(n) {
		var store memoryStore
		var to ledger
		for _, at := range []int64{k, n} {
			stop, please := context.WithCancelCause(t.Context())
			src := numbersTo(n, 1, &sought).Tap(func(v int64) {
				if v == at {
					please(errPlease)
				}
			})
			counted := stage.Map(stage.Enumerate(src), first)
			inner := stage.Map(stage.Zip(counted, numbersTo(100, 1, &sought)), first)
			outer := stage.Map(stage.Zip(inner, numbersTo(100, 1, &sought)), first)
			_, err := stage.Run(t.Context(), outer, to.sink(crashing(0)), stage.Checkpoint(&store, 1), stage.Continue(0),
				stage.Shutdown(stop, 0))
			please(nil)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errPlease)
		}
		require.Len(t, to.published, n-1, "all but the one that fails, stopped at %d", k)
		for i, v := range to.published {
			require.EqualValues(t, i, v, "stopped at %d: the number that Enumerate gave", k)
		}
	}
}

// A source that waits is told by its context, and what it had given is written.
func TestStoppingASourceThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int64
		var closed error
		stop, please := context.WithCancelCause(t.Context())
		src := stage.New("Slow", func(context.Context) (stage.Puller[int64], error) { return &waiting{given: 5}, nil })
		sink := &recording{write: func(c *stage.Chunk[int64]) error { got = append(got, c.Items...); return nil }, close: func(cause error) { closed = cause }}
		time.AfterFunc(time.Minute, func() { please(errPlease) })
		began := time.Now()
		sum, err := stage.Run(t.Context(), pool.Imap(nil, src, stage.Pure(func(v int64) int64 { return v })), sink, stage.Shutdown(stop, time.Second))
		require.EqualError(t, err, "stage: the run was told to stop: please")
		assert.Equal(t, err, closed, "the sink does not publish a part")
		assert.Equal(t, []int64{0, 1, 2, 3, 4}, got)
		assert.Equal(t, time.Minute, time.Since(began))
		assert.EqualValues(t, 5, sum.Written)
		assert.EqualValues(t, 5, sum.Read)

		// One that had been stopped before opens nothing.
		_, err = stage.Run(t.Context(), src, sink, stage.Shutdown(stop, 0))
		require.ErrorIs(t, err, errPlease)
		assert.Equal(t, 1, sink.opened)
	})
}

// What is in flight has the grace, and no longer.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			takes, grace, elapsed time.Duration
			err                   string
		}{
			{takes: 3 * time.Second, grace: 5 * time.Second, elapsed: 3 * time.Second, err: "stage: the run was told to stop: please"},
			{
				takes: time.Hour, grace: 5 * time.Second, elapsed: 6 * time.Second,
				err: "stage: the run was told to stop: what was in flight took longer than 5s: please",
			},
			{
				takes: time.Hour, elapsed: time.Second + stage.DefaultGrace,
				err: "stage: the run was told to stop: what was in flight took longer than 30s: please",
			},
		} {
			stop, please := context.WithCancelCause(t.Context())
			began := time.Now()
			slow := func(ctx context.Context, v int64) (int64, error) {
				if v < 2 {
					return v, nil
				}
				var once sync.Once
				once.Do(func() { time.AfterFunc(time.Second, func() { please(errPlease) }) })
				select {
				case <-time.After(test.takes):
					return v, nil
				case <-ctx.Done():
					return 0, context.Cause(ctx)
				}
			}
			src := stage.New("Slow", func(context.Context) (stage.Puller[int64], error) { return &waiting{given: 3}, nil })
			sink := &recording{write: func(*stage.Chunk[int64]) error { return nil }, close: func(error) {}}
			sum, err := stage.Run(t.Context(), pool.Imap(nil, src, slow, pool.ChunkSize(1)), sink, stage.Shutdown(stop, test.grace))
			require.EqualError(t, err, test.err)
			require.ErrorIs(t, err, stage.ErrStopped)
			assert.Equal(t, test.elapsed, time.Since(began))
			assert.Equal(t, test.takes < time.Minute, sum.Written == 3)
		}
	})
}

// A stream that had ended by itself has not been stopped.
func TestStoppingAtTheEnd(t *testing.T) {
	stop, please := context.WithCancelCause(t.Context())
	var store memoryStore
	var to ledger
	s := pool.Imap(nil, numbersTo(1000, 1000, nil), stage.Pure(func(v int64) int64 {
		return v
	}), pool.ChunkSize(16)).Take(16)
	s = stage.Unbatch(stage.Batch(s, 16)) // one write
	sum, err := stage.Run(t.Context(), s, to.sink(func() error {
		please(errPlease)
		return nil
	}), stage.Checkpoint(&store, time.Hour), stage.Shutdown(stop, 0))
	require.NoError(t, err)
	assert.EqualValues(t, 16, sum.Written)
	assert.True(t, to.closed)
}

func TestShutdownArguments(t *testing.T) {
	assert.PanicsWithValue(t, "penstock: stage.Shutdown: stop is nil", func() { stage.Shutdown(nil, 0) }) //nolint:staticcheck // that is the test
	assert.PanicsWithValue(t, "penstock: stage.Shutdown: grace is -1, want 0 or more", func() { stage.Shutdown(t.Context(), -1) })
}

// waiting is a source that gives some numbers and then waits until it is given up.
type waiting struct{ given, next int64 }

func (w *waiting) Pull(ctx context.Context, into *stage.Chunk[int64], _ stage.Limit) error {
	into.Reset()
	if w.next < w.given {
		into.Items = append(into.Items, w.next)
		w.next++
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (w *waiting) Close() error { return nil }
