package stage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Timeout is fn with a limit on the time of each call: a stage function for Map and
// for every verb of package pool. The context that fn is given ends after limit, or
// with that of the caller. If fn then fails, the error is a *TimeoutError, which
// names the limit and wraps what fn returned and context.DeadlineExceeded; the item
// fails, the stream goes on.
//
// A function that ignores its context is waited for, and what it returns in the end
// counts: a goroutine cannot be stopped from outside, and a result that is there need
// not be thrown away. In a pool, it keeps its worker until then.
//
// What counts is the time that a call takes, including what it waits for with its
// own context. See Retry for how to compose it. A call costs about a microsecond.
// Timeout panics if fn is nil or limit is not positive.
func Timeout[A, B any](fn func(context.Context, A) (B, error), limit time.Duration) func(context.Context, A) (B, error) {
	notNil(fn == nil, "stage.Timeout: fn")
	if limit <= 0 {
		panic(fmt.Sprintf("penstock: stage.Timeout: limit is %v, want more than 0", limit))
	}
	over := &TimeoutError{Limit: limit} // the cause, by which a call knows that its own time is over
	return func(ctx context.Context, a A) (B, error) {
		call, cancel := context.WithTimeoutCause(ctx, limit, over)
		defer cancel()
		b, err := fn(call, a)
		if err != nil && context.Cause(call) == error(over) {
			err = &TimeoutError{Limit: limit, Err: err}
		}
		return b, err
	}
}

// TimeoutError says that a call of a function had not ended within its limit. It is
// also the cause of the context that the function was given.
type TimeoutError struct {
	Limit time.Duration
	Err   error // what the function returned; nil in the cause of its context
}

// Error names the limit, and what the function returned if that says more.
func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("not done within %v", e.Limit)
	if e.Err == nil || e.Err == context.DeadlineExceeded || e.Err == context.Canceled {
		return text
	}
	if _, same := errors.AsType[*TimeoutError](e.Err); same {
		return e.Err.Error()
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns context.DeadlineExceeded, and what the function returned.
func (e *TimeoutError) Unwrap() []error {
	if e.Err == nil {
		return []error{context.DeadlineExceeded}
	}
	return []error{context.DeadlineExceeded, e.Err}
}
