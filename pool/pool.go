package pool

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/penstock-go/penstock/internal/plan"
)

var (
	// ErrClosed is what a call on a closed pool returns, and what a lazy stream
	// ends with that its pool's Close cut short.
	ErrClosed = errors.New("penstock: the pool is closed")
	// ErrTerminated is what a call returns that Terminate stopped, or that came
	// after it.
	ErrTerminated = errors.New("penstock: the pool was terminated")
)

// Pool is a number of worker slots that many calls share. It holds no goroutine
// while it is idle: each call starts its own workers as it needs them, and
// joins them before it returns. All methods may be called concurrently. A nil
// *Pool in any verb means a shared pool of GOMAXPROCS workers.
type Pool struct {
	slots    slots
	defaults config

	mu         sync.Mutex // never held while user code runs or anything waits
	closed     bool
	terminated bool
	calls      map[*live]struct{}
	callbacks  int
	failures   []error       // panics of callbacks that Wait has not reported
	quiet      chan struct{} // closed when no call is live and no callback runs; nil if nobody waits
	applies    *group        // all applies share the slots as one call
}

// live is a call that the pool knows: what Close and Terminate do to it.
type live struct {
	stop   func(error) // stop pulling; nil if the call runs to its end
	cancel func(error) // end it now
	// resized makes the call's budget follow the number of workers; nil if it has none.
	resized func()
}

// New returns a pool of n workers; 0 means GOMAXPROCS. The options are the
// defaults of the pool's calls. New starts nothing. It panics if n is negative.
func New(n int, opts ...Option) *Pool {
	notNegative("New", "workers", n)
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	p := &Pool{calls: map[*live]struct{}{}, defaults: new(config).with(opts, "New")}
	p.slots.setWorkers(n)
	p.applies = &group{}
	return p
}

// common is the pool behind a nil one.
var common = sync.OnceValue(func() *Pool { return New(0) }) //nolint:gochecknoglobals // made once, on first use

// or is the pool, or the shared one for nil.
func (p *Pool) or() *Pool {
	if p == nil {
		return common()
	}
	return p
}

// Workers is how many functions the pool runs at once, as New or the last Resize
// said; of a nil pool, the shared one.
func (p *Pool) Workers() int { return int(p.or().slots.workers.Load()) }

// Resize changes how many functions the pool runs at once to n; 0 means
// GOMAXPROCS. It returns at once and may be called while the pool is in use.
//
// Live calls see it at their next chunk. With more workers, what waits for one
// begins and calls start more of their own. With fewer, those at work finish the
// chunk that they are at and leave: when these are done, no more than n functions
// run at once. What tasks wait for inside them goes on, however small n is. The
// default in-flight budget of live calls follows, within the chunks that a call
// had room for when it started: 64, or 4 x its workers then if that is more.
// Options of a call do not change, nor does what Describe says of a plan.
//
// After Close, or Terminate, Resize changes how fast what still runs ends, and
// nothing else. On a nil pool it resizes the shared one. It panics if n is
// negative.
func (p *Pool) Resize(n int) {
	notNegative("Pool.Resize", "workers", n)
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	p = p.or()
	p.slots.setWorkers(n)
	p.mu.Lock()
	var resized []func()
	for l := range p.calls {
		if l.resized != nil {
			resized = append(resized, l.resized)
		}
	}
	p.mu.Unlock()
	for _, tell := range resized {
		tell()
	}
}

// enter admits a call. What a live call of the pool starts on it, in a task or
// as its input, is part of its work: it is admitted after Close too, as is what
// was accepted before, and Close does not stop it.
func (p *Pool) enter(ctx context.Context, l *live, accepted bool) error {
	nested := ctx.Value(withinKey{&p.slots}) != nil
	if nested {
		l.stop = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.terminated:
		return ErrTerminated
	case p.closed && !nested && !accepted:
		return ErrClosed
	}
	p.calls[l] = struct{}{}
	return nil
}

// follow has a live call told when the number of workers changes.
func (p *Pool) follow(l *live, resized func()) {
	p.mu.Lock()
	l.resized = resized
	p.mu.Unlock()
	resized() // it may have changed meanwhile
}

// leave ends a call that entered.
func (p *Pool) leave(l *live) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, l)
	p.hush()
}

// hush wakes who waits for the pool to be quiet, if it is. It needs the lock.
func (p *Pool) hush() {
	if p.quiet != nil && len(p.calls) == 0 && p.callbacks == 0 {
		close(p.quiet)
		p.quiet = nil
	}
}

// Close takes no new work; calls fail with ErrClosed from now on. Eager and
// async calls that were accepted run to their end; a lazy stream stops pulling,
// delivers what it pulled, then ends with ErrClosed. What a call that goes on
// starts on the pool, in its tasks or as its input, goes on with it. Close does
// not wait and is idempotent. On a nil pool it does nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.closed = true
	var stops []func(error)
	for l := range p.calls {
		if l.stop != nil {
			stops = append(stops, l.stop)
		}
	}
	p.mu.Unlock()
	for _, stop := range stops {
		stop(ErrClosed)
	}
}

// Terminate takes no new work and cancels the contexts of running functions;
// what has not finished ends with ErrTerminated. It does not wait and is
// idempotent. On a nil pool it does nothing.
func (p *Pool) Terminate() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.closed, p.terminated = true, true
	var cancels []func(error)
	for l := range p.calls {
		cancels = append(cancels, l.cancel)
	}
	p.mu.Unlock()
	p.slots.shut()
	for _, cancel := range cancels {
		cancel(ErrTerminated)
	}
}

func (p *Pool) isTerminated() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.terminated
}

// Wait returns when no call is live and all callbacks have run, on an open pool
// too. It returns the panics of callbacks since the last Wait, joined; a panic
// leaves the result as it is. A stream is live from the time it is opened until
// it is closed, so that Wait inside a range over one, or inside a task, waits
// for itself. On a nil pool Wait returns nil at once.
func (p *Pool) Wait() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	for len(p.calls) > 0 || p.callbacks > 0 {
		if p.quiet == nil {
			p.quiet = make(chan struct{})
		}
		quiet := p.quiet
		p.mu.Unlock()
		<-quiet
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	err := errors.Join(p.failures...)
	p.failures = nil
	return err
}

// taskContext is the context of what runs in a worker: it knows the task's
// slot, so that waits inside the task can lend it, and hides the run that the
// call belongs to. With a nil slot it hides the task that the call was made in:
// what runs beside a task must not lend the task's slot. Either way it is within
// the calls of all pools that led to it.
type taskContext struct {
	context.Context
	of   *slots // of the call's pool
	slot *slot
}

// withinKey is the context key that has a value within the calls of a pool.
type withinKey struct{ of *slots }

func (c *taskContext) Value(key any) any {
	switch key := key.(type) {
	case plan.LenderKey:
		if c.slot == nil {
			return nil
		}
		return c.slot
	case withinKey:
		if c.of == key.of {
			return c
		}
	}
	if plan.HidesRegistry(key) {
		return nil
	}
	return c.Context.Value(key)
}

// lend lends the slot of the task that ctx belongs to, to the group of p that it
// waits for if that is in line for the same slots, and returns the function that
// ends the loan.
func lend(ctx context.Context, p *Pool, to *group) (takeBack func()) {
	s := taskOf(ctx)
	switch {
	case s == nil:
		return func() {}
	case s.of != &p.slots:
		to = nil
	}
	return s.lendTo(to)
}

// reason is err, unless err says only that ctx ended: then it is the cause.
func reason(ctx context.Context, err error) (why error) {
	defer func() {
		if recover() != nil { // err may be a nil pointer, whose methods panic
			why = err
		}
	}()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		if cause := context.Cause(ctx); !errors.Is(err, cause) {
			return cause
		}
	}
	return err
}
