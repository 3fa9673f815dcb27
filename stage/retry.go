package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/penstock-go/penstock/internal/plan"
)

// The settings of Retry if nobody says otherwise.
const (
	defaultAttempts  = 5
	defaultBaseDelay = 100 * time.Millisecond
	defaultMaxDelay  = 30 * time.Second
	defaultJitter    = 0.5
)

// Retry is fn, called again when it fails: a stage function for Map and for every
// verb of package pool. Between two calls it waits, exponentially longer each
// time; the waits are those of github.com/cenkalti/backoff. An item keeps its place
// meanwhile; in a pool, other calls on it have the worker.
//
// It gives up after as many calls as Attempts says, when RetryFor's time would be
// over, when the error is Permanent or RetryIf declines it, and at once when the
// context ends. The error is then a *RetryError, which wraps that of the last call.
// A panic passes through, unless RetryPanics is given. The options are Attempts,
// RetryFor, Backoff, Jitter, RetryIf and RetryPanics. As long as fn succeeds, Retry
// costs a few nanoseconds and allocates nothing.
//
// Memo, Retry, RateLimit and Timeout compose, best in this order:
//
//	fn = stage.Memo(stage.Retry(stage.RateLimit(stage.Timeout(fn, 2*time.Second), 50, 10)), 10_000)
//
// Timeout is innermost, so that it measures one call and not what a call waits for;
// RateLimit is around it, and inside Retry, so that each repetition counts as the
// request that it is; Memo is around all, as what it remembers needs none of them. A
// Timeout outside of Retry bounds an item with all its
// repetitions and waits.
//
// Retry panics if fn or an option is nil.
func Retry[A, B any](fn func(context.Context, A) (B, error), opts ...RetryOption) func(context.Context, A) (B, error) {
	notNil(fn == nil, "stage.Retry: fn")
	cfg := retryConfig{jitter: defaultJitter}
	for _, o := range opts {
		notNil(o == nil, "stage.Retry: option")
		o.applyRetry(&cfg)
	}
	cfg.attempts = cmp.Or(cfg.attempts, defaultAttempts)
	cfg.base = cmp.Or(cfg.base, defaultBaseDelay)
	cfg.max = max(cmp.Or(cfg.max, defaultMaxDelay), cfg.base)
	call := fn
	if cfg.panics {
		call = func(ctx context.Context, a A) (b B, err error) {
			defer func() {
				if v := recover(); v != nil {
					err = panicked(v)
				}
			}()
			return fn(ctx, a)
		}
	}
	return func(ctx context.Context, a A) (B, error) {
		var began time.Time
		if cfg.elapsed > 0 {
			began = time.Now()
		}
		b, err := call(ctx, a)
		if err == nil {
			return b, nil
		}
		r := cfg.retrying(began)
		for r.again(ctx, err) {
			if b, err = call(ctx, a); err == nil {
				return b, nil
			}
		}
		var none B
		return none, &r.err
	}
}

// RetryError is why Retry gave up. errors.Is and errors.As look into it.
type RetryError struct {
	Attempts int   // how often the function was called
	Err      error // of the last call
	// Ended is the cause of the context that ended before another attempt was made;
	// nil if that is not why Retry gave up.
	Ended error
}

// Error tells the attempts and the last error.
func (e *RetryError) Error() string {
	s := "s"
	if e.Attempts == 1 {
		s = ""
	}
	text := fmt.Sprintf("after %d attempt%s: %v", e.Attempts, s, e.Err)
	if e.Ended != nil {
		text += fmt.Sprintf(" (no more attempts: %v)", e.Ended)
	}
	return text
}

// Unwrap returns the last error, and the cause of the context if it had ended.
func (e *RetryError) Unwrap() []error {
	if e.Ended == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Ended}
}

// Permanent marks an error that Retry need not try again, such as a request that
// was refused for what it says. The mark shows in no text, and errors.Is and
// errors.As see through it. Permanent of nil is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ err error }

func (e *permanent) Error() string { return e.err.Error() }
func (e *permanent) Unwrap() error { return e.err }

// RetryOption is a setting of Retry. The interface is sealed.
type RetryOption interface{ applyRetry(*retryConfig) }

type retryConfig struct {
	attempts  int
	elapsed   time.Duration // 0: no limit
	base, max time.Duration
	jitter    float64
	retryIf   func(error) bool // nil: all
	panics    bool
}

type retryOption func(*retryConfig)

func (o retryOption) applyRetry(c *retryConfig) { o(c) }

// Attempts is how often Retry calls the function at most, the first time included.
// The default, and what 0 means, is 5. It panics if n is negative.
func Attempts(n int) RetryOption {
	notBelow(0, n, "stage.Attempts: n")
	return retryOption(func(c *retryConfig) { c.attempts = n })
}

// RetryFor makes Retry give up when the next call would begin later than d after
// the first one did. A call that runs is not cut off: see Timeout. The default, and
// what 0 means, is no limit but that of Attempts. It panics if d is negative.
func RetryFor(d time.Duration) RetryOption {
	notNegative(d, "stage.RetryFor: d")
	return retryOption(func(c *retryConfig) { c.elapsed = d })
}

// Backoff is how long Retry waits: base before the second call and twice as long
// before each further one, but no longer than most; Jitter varies it. The defaults,
// and what 0 means, are 100 ms and 30 s, or base if that is longer. It panics if one
// is negative, or base is more than most where most is not 0.
func Backoff(base, most time.Duration) RetryOption {
	notNegative(base, "stage.Backoff: base")
	notNegative(most, "stage.Backoff: most")
	if most > 0 && base > most {
		panic(fmt.Sprintf("penstock: stage.Backoff: base is %v, want at most %v, which most is", base, most))
	}
	return retryOption(func(c *retryConfig) {
		c.base, c.max = base, most
		if base == 0 && most > 0 {
			c.base = min(defaultBaseDelay, most)
		}
	})
}

// Jitter is how much a wait of Retry varies at random, so that items that failed
// together do not come back together: with a share of 0.5, the default, by half of
// it to either side, never beyond the longest wait that Backoff allows. 0 makes waits
// exact. Jitter panics unless share is from 0 to 1.
func Jitter(share float64) RetryOption {
	if !(share >= 0 && share <= 1) {
		panic(fmt.Sprintf("penstock: stage.Jitter: share is %v, want 0 to 1", share))
	}
	return retryOption(func(c *retryConfig) { c.jitter = share })
}

// RetryIf makes Retry try again only after errors of which again says true. It is
// not asked about Permanent ones, and may be called by several goroutines at once.
// By default all errors are tried again. RetryIf panics if again is nil.
func RetryIf(again func(error) bool) RetryOption {
	notNil(again == nil, "stage.RetryIf: again")
	return retryOption(func(c *retryConfig) { c.retryIf = again })
}

// RetryPanics makes Retry take a panic of the function for an error, a *PanicError,
// and try again after it. By default a panic fails the item at once, as a bug is
// not cured by repetition.
func RetryPanics() RetryOption {
	return retryOption(func(c *retryConfig) { c.panics = true })
}

// retrying is an item that has failed.
type retrying struct {
	*retryConfig
	began time.Time
	waits backoff.ExponentialBackOff
	err   RetryError
}

func (c *retryConfig) retrying(began time.Time) *retrying {
	r := &retrying{retryConfig: c, began: began, waits: backoff.ExponentialBackOff{
		InitialInterval: c.base, RandomizationFactor: c.jitter, Multiplier: 2, MaxInterval: c.max,
	}}
	r.waits.Reset()
	return r
}

// again notes that a call has failed. It reports whether another one is to be made,
// after having waited for its time.
func (r *retrying) again(ctx context.Context, err error) bool {
	r.err.Attempts++
	r.err.Err = err
	if ctx.Err() != nil {
		r.err.Ended = context.Cause(ctx)
		return false
	}
	if _, never := errors.AsType[*permanent](err); never || r.err.Attempts >= r.attempts {
		return false
	}
	if r.retryIf != nil && !r.retryIf(err) {
		return false
	}
	wait := min(r.waits.NextBackOff(), r.max)
	if r.elapsed > 0 && time.Since(r.began) > r.elapsed-wait {
		return false
	}
	if plan.Pause(ctx, wait) != nil {
		r.err.Ended = context.Cause(ctx)
		return false
	}
	return true
}

// notNegative panics, in the caller's name, when a time is negative.
func notNegative(d time.Duration, what string) {
	if d < 0 {
		panic(fmt.Sprintf("penstock: %s is %v, want 0 or more", what, d))
	}
}
