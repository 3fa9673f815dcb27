package stage_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// times notes when it is called.
type times struct {
	began time.Time
	mu    sync.Mutex
	at    []time.Duration
}

func (c *times) call(_ context.Context, v int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Since(c.began))
	return v, nil
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := times{began: time.Now()}
		fn := stage.RateLimit(c.call, 4, 2)
		for i := range 5 {
			got, err := fn(t.Context(), i)
			require.NoError(t, err)
			require.Equal(t, i, got)
		}
		assert.Equal(t, []time.Duration{0, 0, 250, 500, 750}, inMillis(c.at))
		time.Sleep(time.Minute) // as many at once as the burst, not more
		c = times{began: time.Now()}
		for i := range 4 {
			_, err := fn(t.Context(), i)
			require.NoError(t, err)
		}
		assert.Equal(t, []time.Duration{0, 0, 250, 500}, inMillis(c.at))
	})
}

// All workers, and all streams of one function, share the rate.
func TestRateLimitUnderAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(4)
		defer p.Close()
		c := times{began: time.Now()}
		fn := stage.RateLimit(c.call, 10, 1)
		first := pool.MapAsync(t.Context(), p, source.Range(0, 25), fn)
		second, err := pool.Map(t.Context(), p, source.Range(0, 25), fn)
		require.NoError(t, err)
		require.Len(t, second, 25)
		all, err := first.Get(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 25)
		require.Len(t, c.at, 50)
		for i, at := range inMillis(c.at) {
			require.Equal(t, time.Duration(i)*100, at)
		}
	})
}

func TestRateLimitLendsTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		defer p.Close()
		c := times{began: time.Now()}
		waits := pool.MapAsync(t.Context(), p, source.Of(1, 2), stage.RateLimit(c.call, 1.0/3600, 1))
		synctest.Wait()
		got, err := pool.Apply(t.Context(), p, func(context.Context) (int, error) { return 5, nil })
		require.NoError(t, err)
		assert.Equal(t, 5, got)
		assert.Zero(t, time.Since(c.began))
		_, err = waits.Get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []time.Duration{0, time.Hour}, c.at)
	})
}

// A call that gives up its turn leaves it to the next one.
func TestRateLimitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := times{began: time.Now()}
		fn := stage.RateLimit(c.call, 0.125, 1)
		_, err := fn(t.Context(), 1)
		require.NoError(t, err)

		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(4*time.Second, func() { cancel(errStop) })
		_, err = fn(ctx, 2)
		require.EqualError(t, err, "rate limit: shutting down")
		require.ErrorIs(t, err, errStop)
		assert.Equal(t, 4*time.Second, time.Since(c.began))

		soon, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		_, err = fn(soon, 3)
		require.EqualError(t, err, "rate limit: the turn is in 4s, the context ends before: context deadline exceeded")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 4*time.Second, time.Since(c.began), "at once")

		_, err = fn(t.Context(), 4)
		require.NoError(t, err)
		assert.Equal(t, []time.Duration{0, 8 * time.Second}, c.at, "the turns that were given up are used")
	})
}
