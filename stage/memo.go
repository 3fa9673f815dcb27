package stage

import (
	"context"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/penstock-go/penstock/internal/plan"
)

// Memo is fn, which gives the same result for the same argument, called once for each
// as long as its result is remembered: a stage function for Map and for every verb of
// package pool. It remembers the n results that were used last (an LRU cache of
// github.com/hashicorp/golang-lru), which are all that it holds. All calls of the function
// that Memo returns share them: the workers of a pool, several streams, and runs that
// follow each other. They are not saved with a checkpoint, as they can be made again. An
// argument that does not equal itself, such as NaN, is not remembered.
//
// Calls with an argument that another call is being made for wait for that one, under
// their own contexts, and other calls on a pool have the worker meanwhile. They
// share its result, or its error. A failure is not remembered: the next call tries
// again. If a call fails because its own context ended, or panics, one that waited for
// it makes the call. fn must not call the function that Memo returns with its own argument.
//
// Memo is the outermost of the wrappers, so that what is remembered neither
// waits nor counts as a request; see Retry. The results are shared: who uses them must
// not change what they point to. Memo panics if fn is nil or n is less than 1.
func Memo[A comparable, B any](fn func(context.Context, A) (B, error), n int) func(context.Context, A) (B, error) {
	notNil(fn == nil, "stage.Memo: fn")
	notBelow(1, n, "stage.Memo: n")
	known, err := lru.New[A, B](n)
	if err != nil {
		panic("penstock: stage.Memo: " + err.Error()) // only for an n that was refused above
	}
	m := &memo[A, B]{fn: fn, known: known, running: map[A]*memoCall[B]{}}
	return m.call
}

type memo[A comparable, B any] struct {
	fn    func(context.Context, A) (B, error)
	known *lru.Cache[A, B] // has a lock of its own

	mu      sync.Mutex // for running; no user code runs under it
	running map[A]*memoCall[B]
}

// memoCall is a call that others may wait for. What it came to is set before done is
// closed.
type memoCall[B any] struct {
	done chan struct{}
	b    B
	err  error
	void bool // it says nothing to others
}

func (m *memo[A, B]) call(ctx context.Context, a A) (B, error) {
	if !itself(a) {
		return m.fn(ctx, a)
	}
	for {
		if b, ok := m.known.Get(a); ok {
			return b, nil
		}
		m.mu.Lock()
		c := m.running[a]
		if c == nil {
			if b, ok := m.known.Peek(a); ok { // it ended in between
				m.mu.Unlock()
				return b, nil
			}
			c = &memoCall[B]{done: make(chan struct{}), void: true}
			m.running[a] = c
			m.mu.Unlock()
			return m.lead(ctx, a, c)
		}
		m.mu.Unlock()
		if err := c.wait(ctx); err != nil {
			var none B
			return none, err
		}
		if !c.void {
			return c.b, c.err
		}
	}
}

// lead makes the call for all who wait.
func (m *memo[A, B]) lead(ctx context.Context, a A, c *memoCall[B]) (B, error) {
	defer func() { // also when fn panics or ends its goroutine
		m.mu.Lock()
		if !c.void && c.err == nil {
			m.known.Add(a, c.b)
		}
		delete(m.running, a)
		m.mu.Unlock()
		close(c.done)
	}()
	b, err := m.fn(ctx, a)
	c.b, c.err = b, err
	c.void = err != nil && ctx.Err() != nil
	return b, err
}

// wait returns when the call has ended, or with the cause of the context.
func (c *memoCall[B]) wait(ctx context.Context) error {
	defer plan.Lend(ctx)()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
