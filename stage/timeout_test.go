package stage_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// sleep takes as long as it is told, or until its context ends.
func sleep(ctx context.Context, d time.Duration) (time.Duration, error) {
	select {
	case <-time.After(d):
		return d, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("sleeping: %w", ctx.Err())
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn := stage.Timeout(sleep, 2*time.Second)
		got, err := fn(t.Context(), time.Second)
		require.NoError(t, err)
		assert.Equal(t, time.Second, got)

		began := time.Now()
		_, err = fn(t.Context(), time.Hour)
		assert.Equal(t, 2*time.Second, time.Since(began))
		require.EqualError(t, err, "not done within 2s: sleeping: context deadline exceeded")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		e, ok := errors.AsType[*stage.TimeoutError](err)
		require.True(t, ok)
		assert.Equal(t, 2*time.Second, e.Limit)

		for text, fn := range map[string]func(context.Context, int) (int, error){
			"not done within 1s": func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			},
			"reading: not done within 1s": func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, fmt.Errorf("reading: %w", context.Cause(ctx))
			},
			"not done within 1s: broken": func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, errBroken
			},
		} {
			_, err = stage.Timeout(fn, time.Second)(t.Context(), 1)
			require.EqualError(t, err, text)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		assert.EqualError(t, &stage.TimeoutError{Limit: time.Second}, "not done within 1s")
		assert.ErrorIs(t, &stage.TimeoutError{Limit: time.Second}, context.DeadlineExceeded)
	})
}

// A failure that has nothing to do with the time, and the end of the caller's
// context, are passed on as they are.
func TestTimeoutPassesOtherErrorsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := func(context.Context, int) (int, error) { return 0, errBroken }
		_, err := stage.Timeout(broken, time.Second)(t.Context(), 1)
		assert.Equal(t, errBroken, err)

		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errStop) })
		_, err = stage.Timeout(sleep, time.Minute)(ctx, time.Hour)
		_, timeout := errors.AsType[*stage.TimeoutError](err)
		assert.False(t, timeout)
		assert.EqualError(t, err, "sleeping: context canceled")

		// Of two limits the one that was reached is named.
		inner := stage.Timeout(stage.Timeout(sleep, time.Minute), time.Second)
		_, err = inner(t.Context(), time.Hour)
		assert.ErrorContains(t, err, "not done within 1s")
		outer := stage.Timeout(stage.Timeout(sleep, time.Second), time.Minute)
		_, err = outer(t.Context(), time.Hour)
		assert.ErrorContains(t, err, "not done within 1s")
	})
}

func TestTimeoutWaitsForWhatIgnoresIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := func(_ context.Context, v int) (int, error) {
			time.Sleep(time.Minute)
			return v, nil
		}
		began := time.Now()
		got, err := stage.Timeout(deaf, time.Second)(t.Context(), 3)
		require.NoError(t, err)
		assert.Equal(t, 3, got)
		assert.Equal(t, time.Minute, time.Since(began))
	})
}

// Each item has its own time, and one that is late fails alone.
func TestTimeoutUnderAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(3)
		defer p.Close()
		began := time.Now()
		in := source.Of(time.Second, time.Hour, time.Millisecond, 2*time.Hour, 3*time.Second)
		var got []string
		for d, err := range pool.Imap(p, in, stage.Timeout(sleep, 10*time.Second)).All(t.Context()) {
			if err != nil {
				got = append(got, "late")
				require.ErrorContains(t, err, ": not done within 10s")
				continue
			}
			got = append(got, d.String())
		}
		assert.Equal(t, []string{"1s", "late", "1ms", "late", "3s"}, got)
		assert.LessOrEqual(t, time.Since(began), 20*time.Second)
	})
}

// The three together: each attempt is a request that the rate counts, and has its
// own time, which does not run while it waits for its turn.
func TestWrappersCompose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		began := time.Now()
		var at []time.Duration
		slowTwice := func(ctx context.Context, v int) (int, error) {
			at = append(at, time.Since(began))
			if calls.Add(1) <= 2 {
				_, err := sleep(ctx, time.Hour)
				return 0, err
			}
			return v, nil
		}
		fn := stage.Retry(stage.RateLimit(stage.Timeout(slowTwice, 2*time.Second), 0.125, 1), stage.Backoff(time.Second, time.Second), stage.Jitter(0))
		got, err := fn(t.Context(), 4)
		require.NoError(t, err)
		assert.Equal(t, 4, got)
		// A call of 2 s, a wait of 1 s, and then the turn: one in 8 s.
		assert.Equal(t, []time.Duration{0, 8 * time.Second, 16 * time.Second}, at)

		calls.Store(-9)
		_, err = stage.Retry(stage.Timeout(slowTwice, time.Second), stage.Attempts(2))(t.Context(), 4)
		require.ErrorContains(t, err, "after 2 attempts: not done within 1s: sleeping: ")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
