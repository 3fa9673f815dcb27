package sweep

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func TestRun(t *testing.T) {
	var told []string
	job := squares(300)
	job.Description = "n times n"
	job.SizeOf = func(int) int { return 8 }
	r, err := Run(t.Context(), job, few(Modes(Ordered, Unordered, Eager), Rounds(2), Progress(func(done, total int, what string) {
		told = append(told, what)
		assert.Equal(t, len(told), done)
		assert.Equal(t, 30, total)
	}))...)
	require.NoError(t, err)
	assert.Equal(t, "squares", r.Job)
	assert.Equal(t, "n times n", r.Description)
	assert.EqualValues(t, 300, r.Items)
	assert.EqualValues(t, 0, r.Failed)
	assert.EqualValues(t, 2400, r.Bytes)
	assert.Equal(t, 2, r.Rounds)
	assert.Len(t, told, 30)
	require.Len(t, r.Rows, 9)
	assert.Equal(t, baseline(), r.Baseline.Combination)
	for _, row := range r.all() {
		assert.Positive(t, row.Median)
		assert.LessOrEqual(t, row.Min, row.Q1)
		assert.LessOrEqual(t, row.Q1, row.Median)
		assert.LessOrEqual(t, row.Median, row.Q3)
		assert.LessOrEqual(t, row.Q3, row.Max)
		assert.InEpsilon(t, 300/row.Median.Seconds(), row.ItemsPerSecond, 1e-3)
		assert.InEpsilon(t, 2400/row.Median.Seconds(), row.BytesPerSecond, 1e-3)
		assert.InEpsilon(t, float64(row.Median)/300, row.NsPerItem, 1e-3)
		assert.Positive(t, row.FirstItem)
		assert.LessOrEqual(t, row.FirstItem, row.Max)
		if row.Mode == Sequential {
			continue
		}
		assert.Positive(t, row.Settled, row)
		if !row.automatic() {
			assert.EqualValues(t, row.Chunk, row.Settled)
		}
		if row.Mode != Eager {
			assert.Positive(t, row.PeakInFlight)
			assert.LessOrEqual(t, row.PeakInFlight, int64(300))
		}
	}
}

// On the bubble's clock every figure is exact.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 10 * time.Millisecond
		job := Job[int, int]{Source: source.Range(0, 8), Func: func(_ context.Context, n int) (int, error) {
			time.Sleep(each)
			return n, nil
		}}
		r, err := Run(t.Context(), job, ChunkSizes(2), Workers(1, 2), Modes(Ordered, Eager), Rounds(3))
		require.NoError(t, err)
		assert.Equal(t, "job", r.Job)
		assert.Equal(t, 8*each, r.Baseline.Median)
		assert.Equal(t, each, r.Baseline.FirstItem)
		for _, row := range r.Rows {
			took := 8 * each / time.Duration(row.Workers)
			assert.Equal(t, took, row.Median, row.String())
			assert.Equal(t, took, row.Max, row.String())
			assert.Zero(t, row.Spread)
			first := each
			switch {
			case row.Mode == Eager:
				first = took
			case row.Chunk == 2:
				first = 2 * each // a chunk's results leave together
			default:
				assert.EqualValues(t, 1, row.Settled, "slow functions stay at chunks of one")
			}
			assert.Equal(t, first, row.FirstItem, row.String())
		}
		assert.Zero(t, r.Bytes)
		assert.Equal(t, time.Since(r.Date), r.Took)
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := Job[int, int]{Source: source.Range(0, 1), Func: func(_ context.Context, n int) (int, error) {
			time.Sleep(time.Second)
			return n, nil
		}}
		// Three combinations of a second each: 3 s to warm up, 3 s a round.
		last := [2]int{}
		opts := []Option{ChunkSizes(1), Workers(1), Modes(Ordered), Rounds(9), Progress(func(done, total int, _ string) { last = [2]int{done, total} })}
		for budget, rounds := range map[time.Duration]int{0: 9, time.Millisecond: 1, 8 * time.Second: 1, 9 * time.Second: 2, 10 * time.Second: 2, time.Hour: 9} {
			r, err := Run(t.Context(), job, append(opts, Budget(budget))...)
			require.NoError(t, err)
			assert.Equal(t, rounds, r.Rounds, budget)
			assert.Equal(t, [2]int{3 * (rounds + 1), 3 * (rounds + 1)}, last, budget)
		}
	})
}

// A sink is opened by every run; what the last one wrote is there.
func TestSink(t *testing.T) {
	var written atomic.Int64
	job := squares(50)
	job.Sink = sink.Func(func(_ context.Context, n int) error {
		written.Add(int64(n))
		return nil
	})
	_, err := Run(t.Context(), job, few(Modes(Ordered, Unordered, Eager))...)
	require.NoError(t, err)
	const once = 49 * 50 * 99 / 6
	assert.EqualValues(t, 20*once, written.Load(), "ten combinations, twice each")

	path := filepath.Join(t.TempDir(), "squares.ndjson")
	job.Sink = sink.NDJSON[int](path)
	_, err = Run(t.Context(), job, few()...)
	require.NoError(t, err)
	n, err := source.Lines(path).Count(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 50, n)
}

func TestItems(t *testing.T) {
	job := Job[string, int]{Source: source.Of("a", "bb", "ccc", "dddd"), Func: stage.Pure(func(s string) int { return len(s) })}
	r, err := Run(t.Context(), job, few(Items(3))...)
	require.NoError(t, err)
	assert.EqualValues(t, 3, r.Items)
	assert.EqualValues(t, 6, r.Bytes)

	bytes := Job[[]byte, int]{Source: source.Of([]byte("a"), []byte("bb")), Func: stage.Pure(func(b []byte) int { return len(b) })}
	r, err = Run(t.Context(), bytes, few(Items(9))...)
	require.NoError(t, err)
	assert.EqualValues(t, 2, r.Items)
	assert.EqualValues(t, 3, r.Bytes)
}

func TestFailedItems(t *testing.T) {
	job := Job[int, int]{Name: "evens", Source: source.Range(0, 10), Func: evenOnly}
	for _, mode := range []Mode{Ordered, Unordered, Eager} {
		_, err := Run(t.Context(), job, few(Modes(mode))...)
		require.ErrorIs(t, err, errOdd)
		assert.ErrorContains(t, err, "sweep: evens: mode=sequential: ")
	}
	r, err := Run(t.Context(), job, few(KeepGoing())...)
	require.NoError(t, err)
	assert.EqualValues(t, 10, r.Items)
	assert.EqualValues(t, 5, r.Failed)

	// Failed items of the source count too, and have no size.
	rows := func(yield func(string, error) bool) {
		_ = yield("a", nil) && yield("", errOdd) && yield("ccc", nil)
	}
	lines := Job[string, string]{Source: source.SeqErr(iter.Seq2[string, error](rows)), Func: stage.Pure(strings.ToUpper)}
	r, err = Run(t.Context(), lines, few(KeepGoing())...)
	require.NoError(t, err)
	assert.EqualValues(t, 3, r.Items)
	assert.EqualValues(t, 1, r.Failed)
	assert.EqualValues(t, 4, r.Bytes)
	_, err = Run(t.Context(), lines, few()...)
	require.ErrorIs(t, err, errOdd)
	assert.ErrorContains(t, err, "sweep: job: sizes of the items: ")
}

// A job whose runs differ is found out.
func TestRunsThatDiffer(t *testing.T) {
	var calls atomic.Int64
	changing := source.Seq(func(yield func(int) bool) {
		for i := range calls.Add(1) {
			if !yield(int(i)) {
				return
			}
		}
	})
	_, err := Run(t.Context(), Job[int, int]{Source: changing, Func: square}, few()...)
	assert.EqualError(t, err, "sweep: job: mode=ordered/workers=2/chunk=auto: "+
		"2 results and 0 failed items, but the first run had 1 and 0: is the source the same each time?")

	_, err = Run(t.Context(), Job[int, int]{Func: square}, few()...)
	assert.EqualError(t, err, "sweep: job: mode=sequential: the source has no items")
}

func TestBrokenParts(t *testing.T) {
	broken := errors.New("broken")
	job := squares(10)
	job.Sink = sink.Func(func(context.Context, int) error { return broken })
	for _, mode := range []Mode{Ordered, Eager} {
		_, err := Run(t.Context(), job, few(Modes(mode))...)
		require.ErrorIs(t, err, broken)
	}
	job.Sink = sink.NDJSON[int](filepath.Join(t.TempDir(), "no", "folder"))
	_, err := Run(t.Context(), job, few()...)
	require.Error(t, err)

	job = squares(10)
	job.Source = source.Func(func(context.Context) (int, error) { return 0, broken })
	_, err = Run(t.Context(), job, few()...)
	require.ErrorIs(t, err, broken)

	job = squares(10)
	job.Func = func(context.Context, int) (int, error) { panic("at once") }
	_, err = Run(t.Context(), job, few()...)
	var panicked *stage.PanicError
	require.ErrorAs(t, err, &panicked)
}

// Failures behind the baseline are named and end everything.
func TestFailureLater(t *testing.T) {
	for after := range 8 {
		var calls int
		job := squares(1)
		job.Func = func(context.Context, int) (int, error) {
			calls++
			if calls > after {
				return 0, errOdd
			}
			return 0, nil
		}
		_, err := Run(t.Context(), job, ChunkSizes(1), Workers(1), Modes(Eager), Rounds(2))
		require.ErrorIs(t, err, errOdd, after)
	}
}

func TestContextThatEnds(t *testing.T) {
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := Run(ctx, squares(100), few(Progress(func(done, _ int, _ string) {
		if done == 5 {
			cancel(stopped)
		}
	}))...)
	require.ErrorIs(t, err, stopped)
	assert.ErrorContains(t, err, "sweep: squares: mode=")
}

// Options of the job reach the pool.
func TestOptionsOfTheJob(t *testing.T) {
	job := squares(200)
	job.Options = []pool.Option{pool.InFlight(4), pool.ChunkSize(100)}
	r, err := Run(t.Context(), job, few(ChunkSizes(8))...)
	require.NoError(t, err)
	for _, row := range r.Rows {
		assert.LessOrEqual(t, row.PeakInFlight, int64(4))
		assert.LessOrEqual(t, row.Settled, int64(4))
	}
}

func TestQuantile(t *testing.T) {
	assert.InDelta(t, 7.0, quantile([]float64{7}, 0.25), 0)
	assert.InDelta(t, 2.5, quantile([]float64{1, 2, 3, 4}, 0.5), 1e-12)
	assert.InDelta(t, 2.0, quantile([]float64{1, 2, 3, 4, 5}, 0.25), 1e-12)
	assert.InDelta(t, 5.0, quantile([]float64{1, 2, 3, 4, 5}, 1), 0)
}
