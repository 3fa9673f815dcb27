package stage_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// failing is a function that fails its first n calls and notes when each came.
type failing struct {
	n     int
	err   error
	began time.Time
	at    []time.Duration
}

func newFailing(n int, err error) *failing { return &failing{n: n, err: err, began: time.Now()} }

func (f *failing) call(_ context.Context, v int) (int, error) {
	f.at = append(f.at, time.Since(f.began))
	if len(f.at) <= f.n {
		return -1, f.err
	}
	return v + 1, nil
}

func TestRetryWaitsTwiceAsLongEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(5, errBroken)
		got, err := stage.Retry(f.call, stage.Attempts(6), stage.Backoff(time.Second, 5*time.Second), stage.Jitter(0))(t.Context(), 1)
		require.NoError(t, err)
		assert.Equal(t, 2, got)
		second := time.Second
		assert.Equal(t, []time.Duration{0, second, 3 * second, 7 * second, 12 * second, 17 * second}, f.at)
	})
}

func TestRetryDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range [][]stage.RetryOption{
			{stage.Jitter(0)},
			{stage.Jitter(0), stage.Attempts(0), stage.RetryFor(0), stage.Backoff(0, 0)},
		} {
			f := newFailing(9, errBroken)
			got, err := stage.Retry(f.call, opts...)(t.Context(), 1)
			require.ErrorIs(t, err, errBroken)
			assert.Zero(t, got, "a result of a failed call does not get out")
			assert.Equal(t, []time.Duration{0, 100, 300, 700, 1500}, inMillis(f.at))
		}
		f := newFailing(9, errBroken)
		_, err := stage.Retry(f.call, stage.Jitter(0), stage.Attempts(3), stage.Backoff(time.Minute, 0))(t.Context(), 1)
		require.Error(t, err)
		assert.Equal(t, []time.Duration{0, time.Minute, 2 * time.Minute}, f.at, "a base above the default maximum")
		f = newFailing(9, errBroken)
		_, err = stage.Retry(f.call, stage.Jitter(0), stage.Attempts(2), stage.Backoff(0, 10*time.Millisecond))(t.Context(), 1)
		require.Error(t, err)
		assert.Equal(t, []time.Duration{0, 10}, inMillis(f.at), "a maximum below the default base")
	})
}

func inMillis(ds []time.Duration) []time.Duration {
	out := make([]time.Duration, len(ds))
	for i, d := range ds {
		out[i] = d / time.Millisecond
	}
	return out
}

// The waits vary by the share that was asked for, and never beyond the longest.
func TestRetryJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		different := map[time.Duration]bool{}
		for range 200 {
			f := newFailing(3, errBroken)
			_, err := stage.Retry(f.call, stage.Backoff(time.Second, 3*time.Second), stage.Jitter(0.25))(t.Context(), 1)
			require.NoError(t, err)
			for i, base := range []float64{1, 2, 3} {
				wait := (f.at[i+1] - f.at[i]).Seconds()
				require.InDelta(t, base, wait, base/4+1e-6)
				require.LessOrEqual(t, wait, 3.0)
			}
			different[f.at[1]] = true
		}
		assert.Greater(t, len(different), 100)
	})
}

func TestRetryGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &fs.PathError{Op: "open", Path: "x", Err: errBroken}
		for name, c := range map[string]struct {
			opt   stage.RetryOption
			err   error
			calls int
			text  string
		}{
			"attempts":      {stage.Attempts(3), broken, 3, "after 3 attempts: open x: broken"},
			"one attempt":   {stage.Attempts(1), broken, 1, "after 1 attempt: open x: broken"},
			"time":          {stage.RetryFor(3 * time.Second), broken, 3, "after 3 attempts: open x: broken"}, // at 0, 1 and 3 s, not at 7
			"before time":   {stage.RetryFor(3*time.Second - 1), broken, 2, "after 2 attempts: open x: broken"},
			"permanent":     {stage.Attempts(9), stage.Permanent(broken), 1, "after 1 attempt: open x: broken"},
			"predicate":     {stage.RetryIf(func(err error) bool { return !errors.Is(err, errBroken) }), broken, 1, "after 1 attempt: open x: broken"},
			"predicate yes": {stage.RetryIf(func(err error) bool { return errors.Is(err, errBroken) }), broken, 5, "after 5 attempts: open x: broken"},
		} {
			f := newFailing(math.MaxInt, c.err)
			_, err := stage.Retry(f.call, stage.Backoff(time.Second, time.Hour), stage.Jitter(0), c.opt)(t.Context(), 1)
			require.EqualError(t, err, c.text, name)
			assert.Len(t, f.at, c.calls, name)
			require.ErrorIs(t, err, errBroken, name)
			_, ok := errors.AsType[*fs.PathError](err)
			assert.True(t, ok, name)
			r, ok := errors.AsType[*stage.RetryError](err)
			require.True(t, ok, name)
			assert.Equal(t, c.calls, r.Attempts, name)
			assert.NoError(t, r.Ended, name)
		}
		assert.NoError(t, stage.Permanent(nil))
	})
}

var errStop = errors.New("shutting down")

func TestRetryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		f := newFailing(9, errBroken)
		time.AfterFunc(1500*time.Millisecond, func() { cancel(errStop) })
		began := time.Now()
		_, err := stage.Retry(f.call, stage.Backoff(time.Second, 0), stage.Jitter(0))(ctx, 1)
		assert.Equal(t, 1500*time.Millisecond, time.Since(began), "while it waits")
		require.EqualError(t, err, "after 2 attempts: broken (no more attempts: shutting down)")
		require.ErrorIs(t, err, errBroken)
		require.ErrorIs(t, err, errStop)

		f = newFailing(9, errBroken)
		_, err = stage.Retry(f.call)(ctx, 1)
		require.ErrorIs(t, err, errStop, "it had ended before")
		assert.Len(t, f.at, 1)
		got, err := stage.Retry(newFailing(0, nil).call)(ctx, 1)
		require.NoError(t, err, "what succeeds nevertheless counts")
		assert.Equal(t, 2, got)
	})
}

func TestRetryPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		bang := func(_ context.Context, v int) (int, error) {
			if calls++; calls < 3 || v < 0 {
				panic(errBroken)
			}
			return v, nil
		}
		assert.PanicsWithValue(t, errBroken, func() { _, _ = stage.Retry(bang)(t.Context(), 1) })
		assert.Equal(t, 1, calls)
		got, err := stage.Retry(bang, stage.RetryPanics())(t.Context(), 7)
		require.NoError(t, err)
		assert.Equal(t, []int{7, 3}, []int{got, calls})

		// The letter of one that fails to the end has the stack.
		var letters []stage.Letter
		in := stage.Map(source.Of(-1), stage.Retry(bang, stage.RetryPanics(), stage.Attempts(2)))
		_, err = stage.Run(t.Context(), in, sink.Discard[int](), stage.DeadLetter(letterSink(func(l stage.Letter) { letters = append(letters, l) }), 0))
		require.NoError(t, err)
		require.Len(t, letters, 1)
		assert.Equal(t, "after 2 attempts: panic: broken", letters[0].Reason)
		assert.Equal(t, 2, letters[0].Attempts)
		assert.Contains(t, letters[0].Stack, "TestRetryPanics")
	})
}

func TestRetryChecksItsArguments(t *testing.T) {
	fn := newFailing(0, nil).call
	for message, f := range map[string]func(){
		"penstock: stage.Retry: fn is nil":                                    func() { stage.Retry[int, int](nil) },
		"penstock: stage.Retry: option is nil":                                func() { stage.Retry(fn, nil) },
		"penstock: stage.Attempts: n is -1, want 0 or more":                   func() { stage.Attempts(-1) },
		"penstock: stage.RetryFor: d is -1s, want 0 or more":                  func() { stage.RetryFor(-time.Second) },
		"penstock: stage.Backoff: base is -1ns, want 0 or more":               func() { stage.Backoff(-1, 0) },
		"penstock: stage.Backoff: most is -1ns, want 0 or more":               func() { stage.Backoff(0, -1) },
		"penstock: stage.Backoff: base is 2s, want at most 1s, which most is": func() { stage.Backoff(2*time.Second, time.Second) },
		"penstock: stage.Jitter: share is 1.1, want 0 to 1":                   func() { stage.Jitter(1.1) },
		"penstock: stage.Jitter: share is NaN, want 0 to 1":                   func() { stage.Jitter(math.NaN()) },
		"penstock: stage.RetryIf: again is nil":                               func() { stage.RetryIf(nil) },
		"penstock: stage.Timeout: fn is nil":                                  func() { stage.Timeout[int, int](nil, 1) },
		"penstock: stage.Timeout: limit is 0s, want more than 0":              func() { stage.Timeout(fn, 0) },
		"penstock: stage.RateLimit: fn is nil":                                func() { stage.RateLimit[int, int](nil, 1, 1) },
		"penstock: stage.RateLimit: perSecond is 0, want a number above 0":    func() { stage.RateLimit(fn, 0, 1) },
		"penstock: stage.RateLimit: perSecond is NaN, want a number above 0":  func() { stage.RateLimit(fn, math.NaN(), 1) },
		"penstock: stage.RateLimit: perSecond is +Inf, want a number above 0": func() { stage.RateLimit(fn, math.Inf(1), 1) },
		"penstock: stage.RateLimit: burst is 0, want 1 or more":               func() { stage.RateLimit(fn, 1, 0) },
	} {
		assert.PanicsWithValue(t, message, f)
	}
}

// A pool's worker is lent to other calls while an item waits for its next attempt.
func TestRetryLendsTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		defer p.Close()
		f := newFailing(1, errBroken)
		waits := pool.MapAsync(t.Context(), p, source.Of(1), stage.Retry(f.call, stage.Backoff(time.Hour, time.Hour), stage.Jitter(0)))
		synctest.Wait()
		began := time.Now()
		got, err := pool.Apply(t.Context(), p, func(context.Context) (int, error) { return 5, nil })
		require.NoError(t, err)
		assert.Equal(t, 5, got)
		assert.Zero(t, time.Since(began))
		all, err := waits.Get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []int{2}, all)
		assert.Equal(t, time.Hour, time.Since(began))
	})
}

// Whatever fails how often, under any pool, the results are those of the plain
// loop, and what gives up says after how many calls.
func TestRetryUnderAPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fails := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 40).Draw(t, "fails")
		attempts := rapid.IntRange(1, 4).Draw(t, "attempts")
		workers := rapid.IntRange(1, 4).Draw(t, "workers")
		size := rapid.SampledFrom([]int{0, 1, 8}).Draw(t, "chunk")
		calls := make([]atomic.Int64, len(fails))
		fn := stage.Retry(func(_ context.Context, i int) (int, error) {
			if int(calls[i].Add(1)) <= fails[i] {
				return 0, errBroken
			}
			return i, nil
		}, stage.Attempts(attempts), stage.Backoff(1, 1))
		p := pool.New(workers)
		defer p.Close()
		want := 0
		for got, err := range pool.Imap(p, source.Range(0, len(fails)), fn, pool.ChunkSize(size)).All(context.Background()) {
			n := int(calls[want].Load())
			if fails[want] < attempts {
				require.NoError(t, err)
				require.Equal(t, []int{want, fails[want] + 1}, []int{got, n})
			} else {
				r, ok := errors.AsType[*stage.RetryError](err)
				require.True(t, ok)
				require.Equal(t, []int{attempts, attempts}, []int{r.Attempts, n})
				item, ok := errors.AsType[*stage.ItemError](err)
				require.True(t, ok)
				require.Equal(t, want, item.Input)
			}
			want++
		}
		require.Len(t, fails, want)
	})
}

// What ends with the run's context is not lost: a later pull tries the item again.
func TestRetryCutOffInARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errStop) })
		fn := stage.Retry(newFailing(math.MaxInt, errBroken).call, stage.Attempts(1000))
		for name, in := range map[string]stage.Stream[int]{
			"Map": stage.Map(source.Of(1, 2), fn), "Imap": pool.Imap(nil, source.Of(1, 2), fn),
		} {
			sum, err := stage.Run(ctx, in, sink.Discard[int](), stage.Continue(0))
			require.ErrorIs(t, err, errStop, name)
			assert.Zero(t, sum.Written+sum.Failed, name)
		}
	})
}
