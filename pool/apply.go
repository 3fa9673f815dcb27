package pool

import (
	"context"
	"runtime/debug"

	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// Apply runs fn in a worker of p and returns what it returns. It waits for a
// free worker; if ctx ends before, fn does not run and Apply returns the cause
// of ctx. Once fn runs, Apply returns when fn has: a function that ignores its
// context delays it. A panic is returned as a *stage.PanicError. Apply panics if
// fn is nil.
func Apply[T any](ctx context.Context, p *Pool, fn func(context.Context) (T, error)) (T, error) {
	mustFunc(fn == nil, "Apply", "fn")
	a := newApply(ctx, p.or(), fn)
	back := a.result.lend(ctx)
	<-a.over
	back()
	return a.result.value, a.result.err
}

// ApplyAsync has fn run in a worker of p and returns at once; calls wait in line
// for a free worker, and that line is the caller's memory. If ctx ends before
// fn runs, the result is the cause of ctx. A panic becomes a *stage.PanicError.
// Called inside a task with the task's context, fn runs at the latest when the
// task asks for the result, on the task's slot. ApplyAsync panics if fn is nil.
func ApplyAsync[T any](ctx context.Context, p *Pool, fn func(context.Context) (T, error)) *Result[T] {
	mustFunc(fn == nil, "ApplyAsync", "fn")
	return newApply(ctx, p.or(), fn).result
}

// apply is one function on its way to a slot.
type apply[T any] struct {
	pool    *Pool
	fn      func(context.Context) (T, error)
	ctx     context.Context
	cancel  context.CancelCauseFunc
	unwatch func() bool
	live    live
	slot    slot
	result  *Result[T]
	over    chan struct{} // closed when fn has returned, or will not run
}

// newApply puts fn in line for a slot.
func newApply[T any](ctx context.Context, p *Pool, fn func(context.Context) (T, error)) *apply[T] {
	a := &apply[T]{pool: p, fn: fn, result: newResult[T](p), over: make(chan struct{})}
	var zero T
	if ctx.Err() != nil {
		a.result.resolve(zero, context.Cause(ctx))
		close(a.over)
		return a
	}
	a.slot.init(&p.slots, p.applies)
	a.ctx, a.cancel = context.WithCancelCause(&taskContext{Context: ctx, of: &p.slots, slot: &a.slot})
	a.live.cancel = func(err error) {
		a.result.resolve(zero, err)
		a.cancel(err)
	}
	if err := p.enter(ctx, &a.live, false); err != nil {
		a.cancel(err)
		a.result.resolve(zero, err)
		close(a.over)
		return a
	}
	a.result.claim = func(s *slot) func() { return s.lendDirectly(&a.slot, a.run) }
	ready := make(chan struct{})
	a.unwatch = context.AfterFunc(a.ctx, func() {
		<-ready
		a.withdraw()
	})
	p.slots.mu.Lock()
	p.slots.enqueue(waiter{s: &a.slot, start: func() { <-ready; a.run() }})
	p.slots.mu.Unlock()
	close(ready)
	return a
}

// withdraw takes fn out of the line when its context ends before it runs.
func (a *apply[T]) withdraw() {
	a.pool.slots.mu.Lock()
	left := a.pool.slots.withdraw(&a.slot)
	a.pool.slots.mu.Unlock()
	if left {
		var zero T
		a.end(zero, context.Cause(a.ctx))
	}
}

// run runs fn on the slot that it was given.
func (a *apply[T]) run() {
	var v T
	err := stage.ErrGoexit
	defer func() {
		if p := recover(); p != nil {
			err = &stage.PanicError{Value: p, Stack: debug.Stack()}
		}
		a.unwatch()
		a.slot.release()
		a.end(v, err)
	}()
	if a.ctx.Err() != nil { // it ended while the slot came
		err = context.Cause(a.ctx)
		return
	}
	if a.pool.isTerminated() { // Terminate is about to cancel it; its slot came from one that it has
		err = ErrTerminated
		return
	}
	v, err = a.fn(a.ctx)
	if err != nil {
		err = reason(a.ctx, err)
	}
}

// end resolves the result and takes the call off the pool.
func (a *apply[T]) end(v T, err error) {
	a.result.resolve(v, err)
	a.cancel(context.Canceled)
	close(a.over)
	a.pool.leave(&a.live)
}

// taskOf is the slot of the task that ctx belongs to, or nil.
func taskOf(ctx context.Context) *slot {
	s, _ := ctx.Value(plan.LenderKey{}).(*slot)
	return s
}
