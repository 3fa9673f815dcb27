package stage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// dripping is the numbers from 0 below n, one every so often, from each of the sources
// that can wait.
func dripping(n int, every time.Duration) map[string]func(ctx context.Context) stage.Stream[int] {
	next := func() func(context.Context) (int, error) {
		i := 0
		due := time.Now()
		return func(ctx context.Context) (int, error) {
			if i == n {
				return 0, errors.New("no more")
			}
			timer := time.NewTimer(time.Until(due.Add(every)))
			defer timer.Stop()
			select {
			case <-timer.C:
				due = due.Add(every)
				i++
				return i - 1, nil
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
	}
	channel := func(ctx context.Context) stage.Stream[int] {
		ch := make(chan int)
		go func() {
			defer close(ch)
			f := next()
			for range n {
				v, err := f(ctx)
				if err != nil {
					return
				}
				select {
				case ch <- v:
				case <-ctx.Done():
					return
				}
			}
		}()
		return source.Chan(ch)
	}
	same := func(_ context.Context, v int) (int, error) { return v, nil }
	return map[string]func(context.Context) stage.Stream[int]{
		"Chan":  channel,
		"Func":  func(context.Context) stage.Stream[int] { return source.Func(next()).Take(n) },
		"Map":   func(ctx context.Context) stage.Stream[int] { return stage.Map(channel(ctx), same) },
		"Imap":  func(ctx context.Context) stage.Stream[int] { return pool.Imap(nil, channel(ctx), same) },
		"Batch": func(ctx context.Context) stage.Stream[int] { return stage.Unbatch(stage.Batch(channel(ctx), 1)) },
		"ImapUnordered": func(ctx context.Context) stage.Stream[int] {
			return pool.ImapUnordered(pool.New(1), channel(ctx), same)
		},
		"Concat": func(ctx context.Context) stage.Stream[int] { return stage.Concat(stage.Stream[int]{}, channel(ctx)) },
		"Zip": func(ctx context.Context) stage.Stream[int] {
			return stage.Map(stage.Zip(channel(ctx), source.Range(0, n)), stage.Pure(func(p stage.Pair[int, int]) int { return p.First }))
		},
	}
}

// A batch leaves when its first item has waited, whatever it waits for, and nothing is
// lost by it.
func TestBatchWaitLeavesInTime(t *testing.T) {
	for name, open := range dripping(10, 30*time.Millisecond) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began := time.Now()
				var got []string
				for b, err := range stage.BatchWait(open(ctx), 4, 75*time.Millisecond).All(ctx) {
					require.NoError(t, err)
					got = append(got, fmt.Sprint(time.Since(began), b))
				}
				assert.Equal(t, []string{
					"105ms [0 1 2]", "195ms [3 4 5]", "285ms [6 7 8]",
				}, got[:3])
				assert.Len(t, got, 4)
				assert.Contains(t, got[3], "[9]")
			})
		})
	}
}

func TestBatchWaitLeavesFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got []string
		for b, err := range stage.BatchWait(dripping(5, 10*time.Millisecond)["Chan"](t.Context()), 2, time.Hour).All(t.Context()) {
			require.NoError(t, err)
			got = append(got, fmt.Sprint(time.Since(began), b))
		}
		assert.Equal(t, []string{"20ms [0 1]", "40ms [2 3]", "50ms [4]"}, got)
	})
}

// An idle stream ends with its context, and what it held is not handed on.
func TestBatchWaitIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
		defer cancel()
		for b, err := range stage.BatchWait(dripping(5, 10*time.Millisecond)["Chan"](ctx), 2, time.Hour).All(ctx) {
			require.ErrorIs(t, err, context.DeadlineExceeded, "%v", b)
		}
		assert.Error(t, ctx.Err())
	})
}

func TestThrottleKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got []string
		for v, err := range source.Range(0, 7).Throttle(10, 3).All(t.Context()) {
			require.NoError(t, err)
			got = append(got, fmt.Sprint(v, " ", time.Since(began).Round(time.Millisecond)))
		}
		assert.Equal(t, []string{"0 0s", "1 0s", "2 0s", "3 100ms", "4 200ms", "5 300ms", "6 400ms"}, got)
	})
}

func TestThrottleIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		n := 0
		for _, err := range source.Range(0, 7).Throttle(0.001, 2).All(ctx) {
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			n++
		}
		assert.Equal(t, 2, n)
		assert.Equal(t, time.Second, time.Since(began))
	})
}

func TestArgumentsOfWaitingOperators(t *testing.T) {
	var none stage.Stream[int]
	panics := func(message string, fn func()) {
		t.Helper()
		assert.PanicsWithValue(t, message, fn)
	}
	panics("penstock: stage.BatchWait: n is 0, want 1 or more", func() { stage.BatchWait(none, 0, 1) })
	panics("penstock: stage.BatchWait: wait is 0s, want more than 0", func() { stage.BatchWait(none, 1, 0) })
	panics("penstock: stage.BatchWait: option is nil", func() { stage.BatchWait(none, 1, 1, nil) })
	panics("penstock: stage.OnClock: clock is nil", func() { stage.OnClock(nil) })
	panics("penstock: stage.Throttle: perSecond is 0, want a number above 0", func() { none.Throttle(0, 1) })
	panics("penstock: stage.Throttle: burst is 0, want 1 or more", func() { none.Throttle(1, 0) })
}
