package pool_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// handmade is a source whose every step is a function; nil ones do nothing.
type handmade[T any] struct {
	pull  func(ctx context.Context, into *stage.Chunk[T], limit stage.Limit) error
	close func() error
}

func (h handmade[T]) Pull(ctx context.Context, into *stage.Chunk[T], limit stage.Limit) error {
	into.Reset()
	return h.pull(ctx, into, limit)
}

func (h handmade[T]) Close() error {
	if h.close == nil {
		return nil
	}
	return h.close()
}

// handmadeStream is the stream of a handmade source, of which open makes one
// a run.
func handmadeStream[T any](open func() handmade[T]) stage.Stream[T] {
	return stage.New("handmade", func(context.Context) (stage.Puller[T], error) { return open(), nil })
}

// countTo is the stream of the integers from 0 to n-1.
func countTo(n int) stage.Stream[int] {
	return handmadeStream(func() handmade[int] {
		next := 0
		return handmade[int]{pull: func(_ context.Context, into *stage.Chunk[int], limit stage.Limit) error {
			for range min(limit.Room(), n-next) {
				into.Items = append(into.Items, next)
				next++
			}
			if next >= n {
				return io.EOF
			}
			return nil
		}}
	})
}

// pairsTo is the stream of the pairs (i, 10 i) for i from 0 to n-1.
func pairsTo(n int) stage.Stream[stage.Pair[int, int]] {
	return stage.Map(countTo(n), stage.Pure(func(i int) stage.Pair[int, int] {
		return stage.Pair[int, int]{First: i, Second: 10 * i}
	}))
}

// endless is the stream of the integers from 0 on.
func endless() stage.Stream[int] { return countTo(1 << 62) }

// blocked is a source without items whose pull waits for its context.
func blocked() stage.Stream[int] {
	return handmadeStream(func() handmade[int] {
		return handmade[int]{pull: func(ctx context.Context, _ *stage.Chunk[int], _ stage.Limit) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}}
	})
}

// identity is the identity as a stage function.
func identity(_ context.Context, i int) (int, error) { return i, nil }

// ranged runs a stream to its end and sorts what it yields: items, failed items
// and what it ended with.
func ranged[T any](
	t require.TestingT, ctx context.Context, s stage.Stream[T], //nolint:revive // t comes first, as in testify
) (items []T, failed []*stage.ItemError, end error) {
	for v, err := range s.All(ctx) {
		assert.NoError(t, end, "nothing may come behind the stream's own error")
		e, isItem := err.(*stage.ItemError) //nolint:errorlint // a source's error may wrap one
		switch {
		case err == nil:
			items = append(items, v)
		case isItem:
			failed = append(failed, e)
		default:
			end = err
		}
	}
	return items, failed, end
}

// indices are those of failed items.
func indices(failed []*stage.ItemError) []int64 {
	at := []int64{}
	for _, e := range failed {
		at = append(at, e.Index)
	}
	return at
}

// integers are those from 0 to n-1, without some.
func integers(n int, without func(int) bool) []int {
	var all []int
	for i := range n {
		if without == nil || !without(i) {
			all = append(all, i)
		}
	}
	return all
}

// runGauge counts functions that run at once.
type runGauge struct{ now, peak, calls atomic.Int64 }

// enter counts a function until the returned one is called.
func (g *runGauge) enter() (leave func()) {
	g.calls.Add(1)
	now := g.now.Add(1)
	for peak := g.peak.Load(); now > peak && !g.peak.CompareAndSwap(peak, now); peak = g.peak.Load() {
	}
	return func() { g.now.Add(-1) }
}

// requireAllSlots checks that p runs exactly n functions at once: no slot was
// lost, none was made up. It is called in a bubble, on an open pool that becomes
// idle.
func requireAllSlots(t *testing.T, p *pool.Pool, n int) {
	t.Helper()
	require.NoError(t, p.Wait())
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var gauge runGauge
	release := make(chan struct{})
	for range n + 2 {
		pool.ApplyAsync(ctx, p, func(context.Context) (int, error) {
			defer gauge.enter()()
			<-release
			return 0, nil
		})
	}
	synctest.Wait()
	assert.EqualValues(t, n, gauge.now.Load(), "functions that run at once on an idle pool")
	close(release)
	require.NoError(t, p.Wait())
	assert.EqualValues(t, n+2, gauge.calls.Load())
}

// goexit ends the goroutine.
func goexit() { runtime.Goexit() }

// requirePanic checks that fn panics with a message that holds all parts.
func requirePanic(t *testing.T, fn func(), parts ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		require.NotNil(t, v, "no panic")
		message, isString := v.(string)
		require.True(t, isString, "panicked with %#v", v)
		for _, part := range parts {
			assert.Contains(t, message, part)
		}
	}()
	fn()
}

// lazyVerb is a verb that yields a stream, as a function from integers to
// integers.
type lazyVerb struct {
	name    string
	ordered bool
	of      func(p *pool.Pool, in stage.Stream[int], fn stageFunc, opts ...pool.Option) stage.Stream[int]
}

type stageFunc = func(context.Context, int) (int, error)

// lazyVerbs are all of them, but MapChunks, whose function takes many items.
func lazyVerbs() []lazyVerb {
	type fun = func(context.Context, int) (int, error)
	pairs := func(in stage.Stream[int]) stage.Stream[stage.Pair[int, int]] {
		return stage.Map(in, stage.Pure(func(i int) stage.Pair[int, int] { return stage.Pair[int, int]{First: i} }))
	}
	return []lazyVerb{
		{"Imap", true, pool.Imap[int, int]},
		{"ImapUnordered", false, pool.ImapUnordered[int, int]},
		{"StarImap", true, func(p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) stage.Stream[int] {
			return pool.StarImap(p, pairs(in), func(ctx context.Context, i, _ int) (int, error) { return fn(ctx, i) }, opts...)
		}},
		{"ImapWith", true, func(p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) stage.Stream[int] {
			return pool.ImapWith(p, in, func(context.Context) (int, error) { return 0, nil },
				func(ctx context.Context, _, i int) (int, error) { return fn(ctx, i) }, opts...)
		}},
		{"FlatMap", true, func(p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) stage.Stream[int] {
			return pool.FlatMap(p, in, func(ctx context.Context, i int, emit func(int)) error {
				v, err := fn(ctx, i)
				if err == nil {
					emit(v)
				}
				return err
			}, opts...)
		}},
		{"ImapKeyed", false, func(p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) stage.Stream[int] {
			return pool.ImapKeyed(p, in, func(i int) int { return i }, fn, opts...)
		}},
		{"FilterMap", true, func(p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) stage.Stream[int] {
			return pool.FilterMap(p, in, func(ctx context.Context, i int) (int, bool, error) {
				v, err := fn(ctx, i)
				return v, true, err
			}, opts...)
		}},
	}
}

// eagerVerb is a verb that collects, as a function from integers to integers
// whose results are sorted.
type eagerVerb struct {
	name string
	of   func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn stageFunc, opts ...pool.Option) ([]int, error)
}

func eagerVerbs() []eagerVerb {
	type fun = func(context.Context, int) (int, error)
	pairs := func(in stage.Stream[int]) stage.Stream[stage.Pair[int, int]] {
		return stage.Map(in, stage.Pure(func(i int) stage.Pair[int, int] { return stage.Pair[int, int]{First: i} }))
	}
	first := func(fn fun) func(context.Context, int, int) (int, error) {
		return func(ctx context.Context, i, _ int) (int, error) { return fn(ctx, i) }
	}
	return []eagerVerb{
		{"Map", pool.Map[int, int]},
		{"Starmap", func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) ([]int, error) {
			return pool.Starmap(ctx, p, pairs(in), first(fn), opts...)
		}},
		{"MapAsync", func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) ([]int, error) {
			return pool.MapAsync(ctx, p, in, fn, opts...).Get(ctx)
		}},
		{"StarmapAsync", func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) ([]int, error) {
			return pool.StarmapAsync(ctx, p, pairs(in), first(fn), opts...).Get(ctx)
		}},
		{"Reduce", func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn fun, opts ...pool.Option) ([]int, error) {
			var mu sync.Mutex
			all := map[int]bool{}
			n, err := pool.Reduce(ctx, p, in, func() int { return 0 },
				func(ctx context.Context, n, i int) (int, error) {
					v, err := fn(ctx, i)
					if err != nil {
						return n, err
					}
					mu.Lock()
					defer mu.Unlock()
					all[v] = true
					return n + 1, nil
				}, func(a, b int) (int, error) { return a + b, nil }, opts...)
			if err != nil {
				return nil, err
			}
			var items []int
			for i := 0; len(items) < n && i < 1<<20; i++ {
				if all[i] {
					items = append(items, i)
				}
			}
			return items, nil
		}},
	}
}

// requirePanicked checks that err is a panic with a stack that names where.
func requirePanicked(t *testing.T, err error, value any, where string) {
	t.Helper()
	var p *stage.PanicError
	require.ErrorAs(t, err, &p)
	if value != nil {
		assert.Equal(t, value, p.Value)
	}
	assert.Contains(t, string(p.Stack), where)
	assert.Contains(t, string(p.Stack), "goroutine ")
	if item, isItem := err.(*stage.ItemError); isItem { //nolint:errorlint // not one further down
		assert.Contains(t, string(item.Stack), where, "the item error has the stack too")
	}
}

// together runs functions at once and joins their errors.
type together struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	err error
}

func (g *together) Go(fn func() error) {
	g.wg.Go(func() {
		if err := fn(); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.err = errors.Join(g.err, err)
		}
	})
}

func (g *together) Wait() error {
	g.wg.Wait()
	return g.err
}
