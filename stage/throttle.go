package stage

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Throttle is the stream no faster than perSecond items a second, with up to burst at
// once after a pause: the token bucket of golang.org/x/time/rate, full at first, one for
// each run. It waits before it pulls, and asks its input for no more items than may go
// on at once, so no item waits in it. Failed items do not count. Order is kept, nothing
// is held and there is no state to save. To limit the calls of a function in a pool,
// use RateLimit.
//
// Throttle panics if perSecond is not a positive number, burst is less than 1 or an
// option, of which there is OnClock, is nil.
func (s Stream[T]) Throttle(perSecond float64, burst int, opts ...TimeOption) Stream[T] {
	checkRate("stage.Throttle", perSecond, burst)
	clock := clockOf("stage.Throttle", opts)
	detail := fmt.Sprintf("%g a second, %d at once", perSecond, burst)
	return serial("Throttle", detail, s, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		return &throttling[T]{upstream: up, clock: clock, bucket: rate.NewLimiter(rate.Limit(perSecond), burst)}, nil
	})
}

type throttling[T any] struct {
	upstream[T]
	clock  Clock
	bucket *rate.Limiter
	done   bool
}

// Pull implements Puller.
func (t *throttling[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	into.Reset()
	if t.done {
		return io.EOF
	}
	now := t.clock.Now()
	tokens := t.bucket.TokensAt(now)
	for tokens < 1 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		wait := math.Ceil((1 - tokens) / float64(t.bucket.Limit()) * float64(time.Second))
		if err := pauseUntil(ctx, t.clock, now.Add(time.Duration(min(wait, math.MaxInt64/2)))); err != nil {
			return err
		}
		now = t.clock.Now()
		tokens = t.bucket.TokensAt(now)
	}
	if room := max.Room(); tokens < float64(room) {
		max.Items = int(tokens)
	} else {
		max.Items = room
	}
	err := t.upstream.Pull(ctx, into, max)
	if n := len(into.Items); n > 0 {
		t.bucket.ReserveN(t.clock.Now(), n)
	}
	sent(t.m, into)
	return err
}

// Remaining implements Sized for inputs that do.
func (t *throttling[T]) Remaining() (int64, bool) { return t.remaining() }

// Close implements Puller. It is idempotent.
func (t *throttling[T]) Close() error {
	if t.closed {
		return nil
	}
	t.done = true
	t.m.Settle()
	return t.upstream.Close()
}
