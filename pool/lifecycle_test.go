package pool_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// unopened is a source that must not be opened.
func unopened(t *testing.T) stage.Stream[int] {
	t.Helper()
	return stage.New("unopened", func(context.Context) (stage.Puller[int], error) {
		t.Error("opened")
		return nil, io.EOF
	})
}

// ends are the ways to end a pool, and what is refused with after them.
func ends() map[string]struct {
	end  func(*pool.Pool)
	want error
} {
	type end = struct {
		end  func(*pool.Pool)
		want error
	}
	return map[string]end{
		"Close":               {(*pool.Pool).Close, pool.ErrClosed},
		"Close twice":         {func(p *pool.Pool) { p.Close(); p.Close() }, pool.ErrClosed},
		"Terminate":           {(*pool.Pool).Terminate, pool.ErrTerminated},
		"Terminate twice":     {func(p *pool.Pool) { p.Terminate(); p.Terminate() }, pool.ErrTerminated},
		"Close and Terminate": {func(p *pool.Pool) { p.Close(); p.Terminate() }, pool.ErrTerminated},
		"Terminate and Close": {func(p *pool.Pool) { p.Terminate(); p.Close() }, pool.ErrTerminated},
		"both at the same time": {func(p *pool.Pool) {
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(p.Close)
				wg.Go(p.Terminate)
			}
			wg.Wait()
		}, pool.ErrTerminated},
	}
}

func TestEndedPoolTakesNoWork(t *testing.T) {
	ctx := context.Background()
	for name, e := range ends() {
		t.Run(name, func(t *testing.T) {
			p := pool.New(2)
			never := func(context.Context, int) (int, error) {
				t.Error("it ran")
				return 0, nil
			}
			plan := pool.Imap(p, unopened(t), never) // made while the pool was open
			e.end(p)
			_, _, end := ranged(t, ctx, plan)
			require.ErrorIs(t, end, e.want)
			for _, verb := range lazyVerbs() {
				items, failed, end := ranged(t, ctx, verb.of(p, unopened(t), never))
				assert.Empty(t, items)
				assert.Empty(t, failed)
				require.ErrorIs(t, end, e.want, verb.name)
			}
			_, _, end = ranged(t, ctx, pool.MapChunks(p, unopened(t), func(context.Context, []int) ([]int, error) { return nil, nil }))
			require.ErrorIs(t, end, e.want)
			for _, verb := range eagerVerbs() {
				items, err := verb.of(ctx, p, unopened(t), never)
				assert.Nil(t, items)
				require.ErrorIs(t, err, e.want, verb.name)
			}
			_, err := pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return never(ctx, 0) })
			require.ErrorIs(t, err, e.want)
			r := pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) { return never(ctx, 0) })
			assert.True(t, r.Ready(), "refused when the call returns")
			_, err = r.Get(ctx)
			require.ErrorIs(t, err, e.want)
			async := pool.MapAsync(ctx, p, unopened(t), never)
			assert.True(t, async.Ready(), "refused when the call returns")
			require.NoError(t, p.Wait())
		})
	}
}

// ---- Close

// What was accepted runs to its end; and Close does not wait for that.
func TestCloseLetsAcceptedCallsEnd(t *testing.T) {
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				p := pool.New(workers)
				fn := func(ctx context.Context, i int) (int, error) {
					time.Sleep(time.Millisecond)
					return i, ctx.Err() // Close cancels nothing
				}
				var g together
				for _, verb := range eagerVerbs() {
					g.Go(func() error {
						items, err := verb.of(ctx, p, countTo(100), fn)
						assert.Equal(t, integers(100, nil), items, verb.name)
						return err
					})
					g.Go(func() error { // a stage of the same pool as its input is part of the call
						items, err := verb.of(ctx, p, pool.Imap(p, countTo(100), fn), fn)
						assert.Equal(t, integers(100, nil), items, verb.name)
						return err
					})
					g.Go(func() error { // and so is what a sequential stage before it does
						in := stage.Map(countTo(20), func(ctx context.Context, i int) (int, error) {
							return pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return fn(ctx, i) })
						})
						items, err := verb.of(ctx, p, in, fn)
						assert.Equal(t, integers(20, nil), items, verb.name)
						return err
					})
				}
				var results []*pool.Result[int]
				for i := range 50 {
					results = append(results, pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) { return fn(ctx, i) }))
				}
				async := pool.MapAsync(ctx, p, countTo(50), fn)
				async.OnSuccess(func(v []int) { assert.Len(t, v, 50) })
				applied := make(chan error, 1)
				go func() {
					_, err := pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return fn(ctx, 1) })
					applied <- err
				}()
				synctest.Wait()
				begun := time.Now()
				p.Close()
				assert.Zero(t, time.Since(begun), "Close does not wait")
				require.NoError(t, g.Wait())
				for i, r := range results {
					v, err := r.Get(ctx)
					require.NoError(t, err)
					assert.Equal(t, i, v)
				}
				v, err := async.Get(ctx)
				require.NoError(t, err)
				assert.Equal(t, integers(50, nil), v)
				require.NoError(t, <-applied)
				require.NoError(t, p.Wait())
			})
		})
	}
}

// A lazy stream stops pulling, delivers what it pulled, and ends with ErrClosed.
func TestCloseEndsLazyStreams(t *testing.T) {
	for _, verb := range lazyVerbs() {
		for _, opts := range [][]pool.Option{nil, {pool.ChunkSize(1)}, {pool.ChunkSize(4)}, {pool.InFlight(1)}} {
			for _, workers := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/%d workers", verb.name, workers), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(workers)
						pulled := 0
						in := handmadeStream(func() handmade[int] {
							return handmade[int]{pull: func(_ context.Context, into *stage.Chunk[int], limit stage.Limit) error {
								for range limit.Room() {
									into.Items = append(into.Items, pulled)
									pulled++
								}
								return nil
							}}
						})
						s := verb.of(p, in, func(ctx context.Context, i int) (int, error) {
							time.Sleep(time.Millisecond)
							if i%10 == 9 {
								return 0, errBang
							}
							return i, ctx.Err()
						}, opts...)
						time.AfterFunc(20500*time.Microsecond, p.Close)
						items, failed, end := ranged(t, context.Background(), s)
						require.ErrorIs(t, end, pool.ErrClosed)
						assert.Equal(t, pulled, len(items)+len(failed), "all that was pulled is delivered")
						assert.Greater(t, pulled, 19)
						slices.Sort(items)
						assert.Equal(t, integers(pulled, func(i int) bool { return i%10 == 9 }), items)
						require.NoError(t, p.Wait())
					})
				})
			}
		}
	}
}

func TestCloseOfAStreamNotPulledYet(t *testing.T) {
	for _, verb := range lazyVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			p := pool.New(2)
			s, err := verb.of(p, brokenAt(0, func() { t.Error("pulled") }), identity).Open(context.Background())
			require.NoError(t, err)
			p.Close()
			var c stage.Chunk[int]
			for range 2 { // the end stays
				require.ErrorIs(t, s.Pull(context.Background(), &c, stage.Limit{}), pool.ErrClosed)
				assert.True(t, c.Empty())
			}
			require.NoError(t, s.Close())
			require.NoError(t, p.Wait())
		})
	}
}

// A stream whose source had ended before Close was not cut short.
func TestCloseOfAStreamThatIsReadToItsEnd(t *testing.T) {
	for _, verb := range lazyVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				s, err := verb.of(p, countTo(20), identity, pool.ChunkSize(1)).Open(context.Background())
				require.NoError(t, err)
				var c stage.Chunk[int]
				require.NoError(t, s.Pull(context.Background(), &c, stage.Limit{}))
				n := len(c.Items)
				synctest.Wait() // all is read ahead
				p.Close()
				for err == nil {
					err = s.Pull(context.Background(), &c, stage.Limit{})
					n += len(c.Items)
				}
				assert.Equal(t, io.EOF, err)
				assert.Equal(t, 20, n)
				require.NoError(t, s.Close())
				require.NoError(t, p.Wait())
			})
		})
	}
}

// Close wakes a stream whose source blocks.
func TestCloseWakesABlockedSource(t *testing.T) {
	for _, verb := range lazyVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				time.AfterFunc(time.Second, p.Close)
				items, failed, end := ranged(t, context.Background(), verb.of(p, stage.Concat(countTo(10), blocked()), identity))
				slices.Sort(items)
				assert.Equal(t, integers(10, nil), items)
				assert.Empty(t, failed)
				require.ErrorIs(t, end, pool.ErrClosed)
				require.NoError(t, p.Wait())
			})
		})
	}
}

// A chain of stages in one pool ends as one stage does.
func TestCloseEndsAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		slow := func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Millisecond)
			return i, nil
		}
		time.AfterFunc(20*time.Millisecond, p.Close)
		items, failed, end := ranged(t, context.Background(), pool.Imap(p, pool.Imap(p, endless(), slow), slow))
		assert.Equal(t, integers(len(items), nil), items)
		assert.NotEmpty(t, items)
		assert.Empty(t, failed)
		require.ErrorIs(t, end, pool.ErrClosed)
		require.NoError(t, p.Wait())
	})
}

// ---- Terminate

// Terminate cancels what runs with ErrTerminated as the cause, ends what is in
// line, and leaves what has finished.
func TestTerminateEndsEverything(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				p := pool.New(workers)
				finished := pool.ApplyAsync(ctx, p, func(context.Context) (int, error) { return 7, nil })
				failed := pool.ApplyAsync(ctx, p, func(context.Context) (int, error) { return 0, errBang })
				mapped := pool.MapAsync(ctx, p, countTo(3), identity)
				require.NoError(t, p.Wait())

				var running, cancelled atomic.Int64
				wait := func(ctx context.Context, _ int) (int, error) {
					running.Add(1)
					<-ctx.Done()
					assert.Equal(t, pool.ErrTerminated, context.Cause(ctx))
					cancelled.Add(1)
					return 0, ctx.Err()
				}
				var g sync.WaitGroup
				for _, verb := range lazyVerbs() {
					g.Go(func() {
						items, failed, end := ranged(t, ctx, verb.of(p, countTo(10), wait))
						assert.Empty(t, items)
						assert.Empty(t, failed)
						assert.ErrorIs(t, end, pool.ErrTerminated, verb.name)
					})
				}
				for _, verb := range eagerVerbs() {
					g.Go(func() {
						items, err := verb.of(ctx, p, countTo(10), wait)
						assert.Nil(t, items)
						assert.ErrorIs(t, err, pool.ErrTerminated, verb.name)
					})
				}
				g.Go(func() {
					_, err := pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return wait(ctx, 0) })
					assert.ErrorIs(t, err, pool.ErrTerminated)
				})
				var results []*pool.Result[int]
				for range 20 {
					results = append(results, pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) { return wait(ctx, 0) }))
				}
				synctest.Wait()
				assert.EqualValues(t, workers, running.Load())
				begun := time.Now()
				p.Terminate()
				for _, r := range results {
					_, err := r.Get(ctx)
					require.ErrorIs(t, err, pool.ErrTerminated)
				}
				g.Wait()
				require.NoError(t, p.Wait())
				assert.Zero(t, time.Since(begun))
				assert.Equal(t, running.Load(), cancelled.Load())

				v, err := finished.Get(ctx)
				require.NoError(t, err)
				assert.Equal(t, 7, v)
				_, err = failed.Get(ctx)
				require.ErrorIs(t, err, errBang)
				vs, err := mapped.Get(ctx)
				require.NoError(t, err)
				assert.Equal(t, []int{0, 1, 2}, vs)
			})
		})
	}
}

// The results resolve at once even if a function ignores its context; those who
// wait for the function itself wait for it.
func TestTerminateOfFunctionsThatIgnoreTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		p := pool.New(3)
		slow := func(context.Context, int) (int, error) {
			time.Sleep(time.Hour)
			return 7, nil
		}
		apply := pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) { return slow(ctx, 0) })
		mapped := pool.MapAsync(ctx, p, countTo(1), slow)
		var g sync.WaitGroup
		begun := time.Now()
		g.Go(func() {
			v, err := pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return slow(ctx, 0) })
			assert.Zero(t, v)
			assert.ErrorIs(t, err, pool.ErrTerminated)
			assert.Equal(t, time.Hour, time.Since(begun), "once the function runs, Apply returns when it has")
		})
		synctest.Wait()
		p.Terminate()
		_, err := apply.Get(ctx)
		require.ErrorIs(t, err, pool.ErrTerminated)
		_, err = mapped.Get(ctx)
		require.ErrorIs(t, err, pool.ErrTerminated)
		assert.Zero(t, time.Since(begun))
		require.NoError(t, p.Wait())
		assert.Equal(t, time.Hour, time.Since(begun), "Wait waits for what runs")
		_, err = apply.Get(ctx)
		require.ErrorIs(t, err, pool.ErrTerminated, "the outcome stays")
		g.Wait()
	})
}

// A stream that is terminated has yielded a prefix.
func TestTerminateLeavesAPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(3)
		time.AfterFunc(20500*time.Microsecond, p.Terminate)
		items, failed, end := ranged(t, context.Background(), pool.Imap(p, endless(), func(ctx context.Context, i int) (int, error) {
			select {
			case <-time.After(time.Duration(1+i%3) * time.Millisecond):
				return i, nil
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}))
		assert.NotEmpty(t, items)
		assert.Equal(t, integers(len(items), nil), items)
		assert.Empty(t, failed)
		require.ErrorIs(t, end, pool.ErrTerminated)
		require.NoError(t, p.Wait())
	})
}

// Terminate in a task ends the task's own call.
func TestTerminateInATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		_, err := pool.Map(context.Background(), p, countTo(10), func(ctx context.Context, i int) (int, error) {
			if i == 5 {
				p.Terminate()
				assert.Equal(t, pool.ErrTerminated, context.Cause(ctx))
				_, err := pool.Apply(ctx, p, func(context.Context) (int, error) { return 1, nil })
				assert.ErrorIs(t, err, pool.ErrTerminated)
			}
			return i, nil
		})
		require.ErrorIs(t, err, pool.ErrTerminated)
		require.NoError(t, p.Wait())
	})
}

// ---- Wait

// Wait returns when no call is live, on an open pool as well, to all who wait.
func TestWaitForLiveCalls(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed %t", closed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				p := pool.New(2)
				require.NoError(t, p.Wait(), "an idle pool")
				slow := func(_ context.Context, i int) (int, error) {
					time.Sleep(time.Second)
					return i, nil
				}
				s, err := pool.Imap(p, countTo(3), identity).Open(ctx)
				require.NoError(t, err)
				pool.MapAsync(ctx, p, countTo(4), slow, pool.ChunkSize(1))
				for range 4 {
					pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) { return slow(ctx, 0) })
				}
				begun := time.Now()
				var g sync.WaitGroup
				for range 3 {
					g.Go(func() {
						assert.NoError(t, p.Wait())
						assert.Equal(t, 10*time.Second, time.Since(begun), "until the stream is closed")
					})
				}
				if closed {
					p.Close()
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				require.NoError(t, s.Close())
				g.Wait()
				require.NoError(t, p.Wait())
				if !closed {
					_, err := pool.Apply(ctx, p, func(context.Context) (int, error) { return 1, nil })
					require.NoError(t, err, "Wait does not close the pool")
				}
			})
		})
	}
}

// A stream that is not closed keeps the pool busy; closing it twice is nothing.
func TestWaitForAStreamReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		s, err := pool.Imap(p, countTo(3), identity).Open(context.Background())
		require.NoError(t, err)
		var c stage.Chunk[int]
		for err == nil {
			err = s.Pull(context.Background(), &c, stage.Limit{})
		}
		assert.Equal(t, io.EOF, err)
		waited := make(chan error, 1)
		go func() { waited <- p.Wait() }()
		synctest.Wait()
		assert.Empty(t, waited, "the stream is open yet")
		require.NoError(t, s.Close())
		require.NoError(t, <-waited)
		require.NoError(t, s.Close())
		require.NoError(t, p.Wait())
		require.Error(t, s.Pull(context.Background(), &c, stage.Limit{}), "a closed stream gives nothing")
		assert.NotEqual(t, io.EOF, s.Pull(context.Background(), &c, stage.Limit{}))
	})
}

// ---- the shared pool

func TestNilPool(t *testing.T) {
	ctx := context.Background()
	var p *pool.Pool
	assert.Positive(t, p.Workers())
	p.Close()
	p.Close()
	p.Terminate()
	require.NoError(t, p.Wait())
	for _, verb := range lazyVerbs() {
		items, failed, end := ranged(t, ctx, verb.of(p, countTo(100), identity))
		slices.Sort(items)
		assert.Equal(t, integers(100, nil), items, "ending it does nothing")
		assert.Empty(t, failed)
		require.NoError(t, end)
	}
	for _, verb := range eagerVerbs() {
		items, err := verb.of(ctx, p, countTo(100), identity)
		require.NoError(t, err)
		assert.Equal(t, integers(100, nil), items)
	}
	n, err := total(ctx, pool.MapChunks(p, countTo(100), func(_ context.Context, in []int) ([]int, error) { return in, nil }))
	require.NoError(t, err)
	assert.Equal(t, 4950, n)
	v, err := pool.Apply(ctx, p, func(context.Context) (int, error) { return 7, nil })
	require.NoError(t, err)
	assert.Equal(t, 7, v)
	v, err = pool.ApplyAsync(ctx, p, func(context.Context) (int, error) { return 8, nil }).Get(ctx)
	require.NoError(t, err)
	assert.Equal(t, 8, v)
	_, err = pool.Map(ctx, p, countTo(3), func(ctx context.Context, i int) (int, error) {
		return addUp(pool.Map(ctx, nil, countTo(i), identity)) // nested
	})
	require.NoError(t, err)
}

// ---- no goroutine while idle

// A pool holds no goroutine before, between and after its calls.
func TestIdlePoolHoldsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pools []*pool.Pool
		for range 10 {
			p := pool.New(8)
			_, err := pool.Map(context.Background(), p, countTo(100), identity)
			require.NoError(t, err)
			for v, err := range pool.Imap(p, endless(), identity).All(context.Background()) {
				require.NoError(t, err)
				if v == 50 {
					break
				}
			}
			_, err = pool.Apply(context.Background(), p, func(context.Context) (int, error) { return 1, nil })
			require.NoError(t, err)
			pools = append(pools, p)
		}
		synctest.Wait()
		assert.Empty(t, ours())
		for _, p := range pools {
			require.NoError(t, p.Wait())
		}
	})
}

func TestWorkers(t *testing.T) {
	assert.Equal(t, 5, pool.New(5).Workers())
	assert.Equal(t, runtime.GOMAXPROCS(0), pool.New(0).Workers())
}
