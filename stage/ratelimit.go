package stage

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/penstock-go/penstock/internal/plan"
)

// RateLimit is fn, called no more often than perSecond times a second, with up to
// burst calls at once after a pause: a stage function for Map and for every verb of
// package pool. It is the token bucket of golang.org/x/time/rate, full at first. All
// calls of the function that RateLimit returns share it: the workers of a pool,
// several streams, and runs that follow each other. How long calls take does not
// matter, nor whether they fail.
//
// A call waits for its turn under the caller's context, and other calls on a pool
// have the worker meanwhile. If the context ends, the call fails with its cause, fn is not
// called, and the turn is given back as far as nobody has queued behind it. If the
// context has a deadline before its turn, it fails at once, with an error that wraps
// context.DeadlineExceeded. See Retry for how to compose it.
//
// RateLimit panics if fn is nil, perSecond is not a positive number or burst is less
// than 1.
func RateLimit[A, B any](fn func(context.Context, A) (B, error), perSecond float64, burst int) func(context.Context, A) (B, error) {
	notNil(fn == nil, "stage.RateLimit: fn")
	checkRate("stage.RateLimit", perSecond, burst)
	limiter := rate.NewLimiter(rate.Limit(perSecond), burst)
	return func(ctx context.Context, a A) (B, error) {
		if !limiter.Allow() {
			if err := turn(ctx, limiter); err != nil {
				var none B
				return none, err
			}
		}
		return fn(ctx, a)
	}
}

// checkRate panics, in the caller's name, if a token bucket cannot be made.
func checkRate(who string, perSecond float64, burst int) {
	if !(perSecond > 0) || math.IsInf(perSecond, 1) {
		panic(fmt.Sprintf("penstock: %s: perSecond is %v, want a number above 0", who, perSecond))
	}
	notBelow(1, burst, who+": burst")
}

// turn waits for a call's turn.
func turn(ctx context.Context, limiter *rate.Limiter) error {
	now := time.Now()
	r := limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && deadline.Before(now.Add(wait)) {
		r.CancelAt(now)
		return fmt.Errorf("rate limit: the turn is in %v, the context ends before: %w", round(wait), context.DeadlineExceeded)
	}
	if err := plan.Pause(ctx, wait); err != nil {
		r.Cancel()
		return fmt.Errorf("rate limit: %w", err)
	}
	return nil
}
