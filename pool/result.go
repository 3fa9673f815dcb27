package pool

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/penstock-go/penstock/stage"
)

// Result is the outcome of an async call, like Python's AsyncResult. All
// methods may be called concurrently.
type Result[T any] struct {
	pool  *Pool
	done  chan struct{}
	claim func(*slot) (takeBack func()) // run what was not started yet on a task's slot
	group *group                        // or of the workers that are at it

	mu    sync.Mutex // guards what follows; never held while user code runs
	ready bool
	value T
	err   error
	onOK  []func(T)
	onErr []func(error)
}

func newResult[T any](p *Pool) *Result[T] {
	return &Result[T]{pool: p, done: make(chan struct{})}
}

// Get waits for the outcome and returns it. If ctx ends first, Get returns the
// cause of ctx, and can be asked again. With the context of a task, the task's
// slot is lent while Get waits, first of all to the call that it waits for.
func (r *Result[T]) Get(ctx context.Context) (T, error) {
	select {
	case <-r.done:
		return r.value, r.err
	default:
	}
	defer r.lend(ctx)()
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// lend lends the slot of the task that ctx belongs to.
func (r *Result[T]) lend(ctx context.Context) (takeBack func()) {
	s := taskOf(ctx)
	if s == nil {
		return func() {}
	}
	if r.claim != nil {
		if back := r.claim(s); back != nil {
			return back
		}
	}
	return lend(ctx, r.pool, r.group)
}

// Done returns a channel that is closed when the outcome is there.
func (r *Result[T]) Done() <-chan struct{} { return r.done }

// Ready reports whether the outcome is there.
func (r *Result[T]) Ready() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// Successful reports whether the outcome is there and no error.
func (r *Result[T]) Successful() bool { return r.Ready() && r.err == nil }

// OnSuccess has fn called with the value, once, if the call succeeds; at once
// if it has already. Each callback runs in a goroutine of its own, off the
// result's path, and may use the pool. A panic leaves the result as it is and
// is reported by Pool.Wait. OnSuccess panics if fn is nil.
func (r *Result[T]) OnSuccess(fn func(T)) {
	mustFunc(fn == nil, "Result.OnSuccess", "fn")
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.ready:
		r.onOK = append(r.onOK, fn)
	case r.err == nil:
		r.pool.callback(func() { fn(r.value) })
	}
}

// OnFailure is OnSuccess for the error of a call that fails.
func (r *Result[T]) OnFailure(fn func(error)) {
	mustFunc(fn == nil, "Result.OnFailure", "fn")
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.ready:
		r.onErr = append(r.onErr, fn)
	case r.err != nil:
		r.pool.callback(func() { fn(r.err) })
	}
}

// resolve sets the outcome; only the first call counts.
func (r *Result[T]) resolve(v T, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready {
		return
	}
	if err != nil {
		var zero T
		v = zero
	}
	r.ready, r.value, r.err = true, v, err
	if err == nil {
		for _, fn := range r.onOK {
			r.pool.callback(func() { fn(v) })
		}
	} else {
		for _, fn := range r.onErr {
			r.pool.callback(func() { fn(err) })
		}
	}
	r.onOK, r.onErr = nil, nil
	close(r.done)
}

// callback runs fn in a goroutine that Wait waits for.
func (p *Pool) callback(fn func()) {
	p.mu.Lock()
	p.callbacks++
	p.mu.Unlock()
	go func() {
		returned := false
		defer func() {
			var err error
			if v := recover(); v != nil {
				err = &stage.PanicError{Value: v, Stack: debug.Stack()}
			} else if !returned {
				err = stage.ErrGoexit
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if err != nil {
				p.failures = append(p.failures, fmt.Errorf("penstock: callback: %w", err))
			}
			p.callbacks--
			p.hush()
		}()
		fn()
		returned = true
	}()
}
