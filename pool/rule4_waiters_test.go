package pool_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// R4 Every waiter resolves: with a value, ErrClosed, ErrTerminated or the cause
// of its context. Nothing is silently cut short.

// waiter is a call that waits: it runs fn over the items of in, or once.
type waiter struct {
	name string
	lazy bool // it stops pulling when its pool is closed
	once bool // it has no source
	wait func(context.Context, *pool.Pool, stage.Stream[int], function, ...pool.Option) ([]int, error)
}

func waiters() []waiter {
	ws := []waiter{
		{name: "All", lazy: true, wait: func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn function, opts ...pool.Option) ([]int, error) {
			var items []int
			var errs []error
			for v, err := range pool.Imap(p, in, fn, opts...).All(ctx) {
				if err == nil {
					items = append(items, v)
				} else {
					errs = append(errs, err)
				}
			}
			if len(errs) > 1 {
				return items, errors.Join(append(errs, errors.New("more than one error"))...)
			}
			return items, errors.Join(errs...)
		}},
		{name: "Pull", lazy: true, wait: func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn function, opts ...pool.Option) ([]int, error) {
			return pullAll(ctx, pool.ImapUnordered(p, in, fn, opts...))
		}},
		{name: "Collect", lazy: true, wait: func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn function, opts ...pool.Option) ([]int, error) {
			return pool.Imap(p, pool.Imap(p, in, same, opts...), fn, opts...).Collect(ctx)
		}},
		{name: "Apply", once: true, wait: func(ctx context.Context, p *pool.Pool, _ stage.Stream[int], fn function, _ ...pool.Option) ([]int, error) {
			v, err := pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return fn(ctx, 0) })
			return []int{v}, err
		}},
		{name: "ApplyAsync", once: true, wait: func(ctx context.Context, p *pool.Pool, _ stage.Stream[int], fn function, _ ...pool.Option) ([]int, error) {
			r := pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) { return fn(ctx, 0) })
			<-r.Done()
			v, err := r.Get(context.Background())
			return []int{v}, err
		}},
	}
	for _, v := range collecting {
		ws = append(ws, waiter{name: v.name, wait: v.run})
	}
	return ws
}

// pullAll pulls a stream to its end by hand.
func pullAll(ctx context.Context, s stage.Stream[int]) (items []int, err error) {
	p, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	var c stage.Chunk[int]
	var end error
	for end == nil {
		end = p.Pull(ctx, &c, stage.Limit{})
		items = append(items, c.Items...)
	}
	if end == io.EOF {
		end = nil
	}
	return items, errors.Join(end, p.Close())
}

// predicament is what a waiter waits for when something ends.
type predicament struct {
	name    string
	source  bool // the source has nothing for an hour
	running bool // the function runs for an hour
	slot    bool // other tasks have all worker slots for an hour
	opts    []pool.Option
}

var predicaments = []predicament{
	{name: "source", source: true},
	{name: "running", running: true},
	{name: "credit", running: true, opts: []pool.Option{pool.InFlight(1)}},
	{name: "debt", running: true, opts: []pool.Option{pool.InFlightBytes(1)}},
	{name: "slot", slot: true},
}

// beset starts the waiter in its predicament and returns, when everything
// stands still, a channel that is closed when the waiter has resolved.
func (p predicament) beset(ctx context.Context, t *testing.T, of *pool.Pool, w waiter, f *feed, items *[]int, err *error) <-chan struct{} {
	t.Helper()
	if p.slot {
		for range of.Workers() {
			pool.ApplyAsync(t.Context(), of, func(context.Context) (int, error) { // it gives the slot to nobody before
				time.Sleep(time.Hour)
				return 0, nil
			})
		}
		synctest.Wait()
	}
	if p.source {
		f.pull = func(ctx context.Context, _ int) error { return nap(ctx, time.Hour) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		*items, *err = w.wait(ctx, of, f.stream(), func(ctx context.Context, i int) (int, error) {
			if p.running {
				return i, nap(ctx, time.Hour)
			}
			return i, nil
		}, p.opts...)
	}()
	synctest.Wait()
	select {
	case <-done:
		t.Error("the waiter waits for nothing")
	default:
	}
	return done
}

func TestR4_EveryWaiterResolves(t *testing.T) {
	for _, w := range waiters() {
		for _, pred := range predicaments {
			if w.once && (pred.source || pred.opts != nil) {
				continue
			}
			for _, workers := range []int{1, 3} {
				for _, what := range []string{"Close", "Terminate", "context", "Close, Terminate", "nothing"} {
					t.Run(label(w.name, pred.name, workers, what), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { everyWaiterResolves(t, w, pred, workers, what) })
					})
				}
			}
		}
	}
}

func everyWaiterResolves(t *testing.T, w waiter, pred predicament, workers int, what string) {
	t.Helper()
	p := pool.New(workers)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	f := numbers(3)
	f.apart = true // so that not all of it has been pulled
	var items []int
	var err error
	done := pred.beset(ctx, t, p, w, f, &items, &err)
	begun := time.Now()
	whole := []int{0, 1, 2}
	if w.once {
		whole = []int{0}
	}
	switch what {
	case "nothing":
		<-done
		require.NoError(t, err)
		require.ElementsMatch(t, whole, items)
	case "Terminate", "Close, Terminate":
		if what != "Terminate" {
			p.Close()
		}
		p.Terminate()
		p.Terminate()
		<-done
		if !w.lazy || what != "Close, Terminate" || !errors.Is(err, pool.ErrClosed) { // which comes first is left to chance
			require.Equal(t, pool.ErrTerminated, lastOf(err))
		}
		require.Equal(t, begun, time.Now(), "at once")
	case "context":
		cancel(errCause)
		<-done
		require.Equal(t, errCause, lastOf(err))
		require.Equal(t, begun, time.Now(), "at once")
	case "Close":
		p.Close()
		p.Close()
		<-done
		if !w.lazy {
			require.NoError(t, err, "what was accepted runs to its end")
			require.ElementsMatch(t, whole, items)
			break
		}
		require.Equal(t, pool.ErrClosed, lastOf(err))
		if w.name != "Collect" {
			require.Len(t, items, int(f.pulled.Load()), "what was pulled is delivered")
		}
		if pred.source {
			require.Equal(t, begun, time.Now(), "at once")
		}
	}
	idle(t, p)
	require.Equal(t, f.opened.Load(), f.closed.Load())
	if what == "Close" {
		p.Terminate()
	}
}

// lastOf takes a lone error out of errors.Join.
func lastOf(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok && len(j.Unwrap()) == 1 {
		return j.Unwrap()[0]
	}
	return err
}

// A lazy stream on a closed pool delivers what was pulled and then says that it
// was cut short; it never looks like the end.
func TestR4_CloseIsNotTheEnd(t *testing.T) {
	for _, order := range orders {
		for _, chunk := range []int{0, 1, 5} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				f := numbers(noEnd)
				a := openAccount(t, pool.Imap(p, f.stream(), slow, options(order.unordered, pool.ChunkSize(chunk), pool.InFlight(20))...))
				var o outcome[int]
				for range 3 {
					require.NoError(t, a.pull(0))
					o.add(t, &a.c)
				}
				stall()
				p.Close()
				pulled := int(f.pulled.Load())
				for o.end == nil {
					o.end = a.pull(0)
					o.add(t, &a.c)
				}
				require.Equal(t, pool.ErrClosed, o.end)
				require.ElementsMatch(t, ints(pulled), o.items())
				require.EqualValues(t, pulled, f.pulled.Load())
				require.Equal(t, pool.ErrClosed, a.pull(0), "it stays")
				a.close()
				idle(t, p)
			})
		}
	}
}

// What a source gives and says when it is stopped is not lost.
func TestR4_CloseWhileTheSourceFails(t *testing.T) {
	for _, order := range orders {
		for _, torn := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				in := stage.New("numbers", func(context.Context) (stage.Puller[int], error) {
					return &stoppedPuller{torn: torn}, nil
				})
				a := openAccount(t, pool.Imap(p, in, same, options(order.unordered)...))
				time.AfterFunc(time.Hour, p.Close)
				var o outcome[int]
				for o.end == nil {
					o.end = a.pull(0)
					o.add(t, &a.c)
				}
				require.Equal(t, []int{1}, o.items(), "items may come with an error")
				require.ErrorIs(t, o.end, pool.ErrClosed)
				require.NotErrorIs(t, o.end, context.Canceled)
				require.Equal(t, torn, errors.Is(o.end, errSource), "a failure of its own is told as well")
				a.close()
			})
		}
	}
}

// stoppedPuller waits until it is stopped.
type stoppedPuller struct{ torn bool }

func (p *stoppedPuller) Pull(ctx context.Context, into *stage.Chunk[int], _ stage.Limit) error {
	into.Reset()
	<-ctx.Done()
	into.Items = append(into.Items, 1)
	if p.torn {
		return errSource
	}
	return ctx.Err()
}

func (p *stoppedPuller) Close() error { return nil }

// A stream that had been pulled to its end before Close is whole.
func TestR4_CloseBehindTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		a := openAccount(t, pool.Imap(p, numbers(10).stream(), slow))
		require.NoError(t, a.pull(0))
		stall()
		p.Close()
		var o outcome[int]
		for o.end == nil {
			o.add(t, &a.c)
			o.end = a.pull(0)
		}
		require.ErrorContains(t, o.end, "EOF")
		require.Equal(t, ints(10), o.items())
		a.close()
	})
}

func TestR4_AfterTheEndOfThePool(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*pool.Pool)
		want error
	}{
		{"Close", (*pool.Pool).Close, pool.ErrClosed},
		{"Terminate", (*pool.Pool).Terminate, pool.ErrTerminated},
		{"Close, Terminate", func(p *pool.Pool) { p.Close(); p.Terminate() }, pool.ErrTerminated},
		{"Terminate, Close", func(p *pool.Pool) { p.Terminate(); p.Close() }, pool.ErrTerminated},
	} {
		for _, w := range waiters() {
			t.Run(label(c.name, w.name), func(t *testing.T) {
				p := pool.New(2)
				early := pool.Imap(p, numbers(3).stream(), same) // a plan is no call
				c.end(p)
				f := numbers(3)
				_, err := w.wait(t.Context(), p, f.stream(), same)
				require.Equal(t, c.want, lastOf(err))
				require.Zero(t, f.opened.Load())
				_, err = early.Collect(t.Context())
				require.Equal(t, c.want, err)
				idle(t, p)
			})
		}
	}
}

// An opened stream that was never pulled is a live call as well.
func TestR4_OpenedAndNotPulled(t *testing.T) {
	for _, c := range []struct {
		end  func(*pool.Pool)
		want error
	}{{(*pool.Pool).Close, pool.ErrClosed}, {(*pool.Pool).Terminate, pool.ErrTerminated}} {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2)
			f := numbers(3)
			a := openAccount(t, pool.Imap(p, f.stream(), same))
			c.end(p)
			require.Equal(t, c.want, a.pull(0))
			require.Empty(t, a.c.Items)
			require.Zero(t, f.pulls.Load())
			a.close()
			idle(t, p)
		})
	}
}

// A Get whose context ends can be asked again; what had finished when the pool
// was terminated keeps its value.
func TestR4_Get(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		first := pool.ApplyAsync(t.Context(), p, func(ctx context.Context) (int, error) { return 1, nap(ctx, time.Minute) })
		second := pool.ApplyAsync(t.Context(), p, func(ctx context.Context) (int, error) { return 2, nap(ctx, time.Hour) })
		third := pool.MapAsync(t.Context(), p, numbers(3).stream(), same)
		for range 3 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
			v, err := first.Get(ctx)
			require.Equal(t, errCause, err)
			require.Zero(t, v)
			cancel()
		}
		require.False(t, first.Ready())
		require.False(t, first.Successful())
		v, err := first.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.True(t, first.Successful())

		p.Terminate()
		synctest.Wait()
		require.True(t, second.Ready(), "Terminate resolves at once")
		_, err = second.Get(t.Context())
		require.Equal(t, pool.ErrTerminated, err)
		all, err := third.Get(t.Context())
		require.Equal(t, pool.ErrTerminated, err)
		require.Nil(t, all)
		require.False(t, third.Successful())
		v, err = first.Get(t.Context())
		require.NoError(t, err, "what had finished keeps its value")
		require.Equal(t, 1, v)

		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		v, err = first.Get(ended)
		require.NoError(t, err, "a value that is there is not withheld")
		require.Equal(t, 1, v)
		idle(t, p)
	})
}

// Terminate resolves a result at once, even while its function ignores its
// context; Wait, and the verbs that wait, return when it has ended.
func TestR4_TerminateWhileAFunctionIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		r := pool.ApplyAsync(t.Context(), p, func(context.Context) (int, error) {
			time.Sleep(time.Hour)
			return 1, nil
		})
		var direct error
		returned := make(chan time.Time, 1)
		go func() {
			_, direct = pool.Apply(t.Context(), p, func(context.Context) (int, error) { return 1, nil })
			returned <- time.Now()
		}()
		p2 := pool.New(1)
		all := pool.MapAsync(t.Context(), p2, numbers(3).stream(), func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Hour)
			return i, nil
		})
		synctest.Wait()
		begun := time.Now()
		p.Terminate()
		p2.Terminate()
		_, err := r.Get(t.Context())
		require.Equal(t, pool.ErrTerminated, err)
		_, err = all.Get(t.Context())
		require.Equal(t, pool.ErrTerminated, err)
		require.Equal(t, begun, time.Now())
		require.Equal(t, begun, <-returned, "what waited for a slot does not wait for the other")
		require.Equal(t, pool.ErrTerminated, direct)
		idle(t, p)
		idle(t, p2)
		require.Equal(t, time.Hour, time.Since(begun))
	})
}

// What was in line when the pool was terminated does not run any more, although
// Terminate itself makes room for it.
func TestR4_NothingInLineRunsAfterTerminate(t *testing.T) {
	for range 20 { // who is cancelled first is left to chance
		synctest.Test(t, nothingInLineRunsAfterTerminate)
	}
}

func nothingInLineRunsAfterTerminate(t *testing.T) {
	t.Helper()
	p := pool.New(1)
	var run gauge
	fn := func(ctx context.Context, i int) (int, error) {
		run.enter()
		defer run.leave()
		if i < 0 {
			return i, nap(ctx, time.Hour)
		}
		return i, nil
	}
	hog := pool.ApplyAsync(t.Context(), p, func(ctx context.Context) (int, error) { return fn(ctx, -1) })
	synctest.Wait()
	var applies []*pool.Result[int]
	var maps []*pool.Result[[]int]
	for range 300 {
		applies = append(applies, pool.ApplyAsync(t.Context(), p, func(ctx context.Context) (int, error) { return fn(ctx, 0) }))
		maps = append(maps, pool.MapAsync(t.Context(), p, numbers(3).stream(), fn))
	}
	synctest.Wait()
	p.Terminate()
	for _, r := range append(applies, hog) {
		_, err := r.Get(t.Context())
		require.Equal(t, pool.ErrTerminated, err)
	}
	for _, r := range maps {
		_, err := r.Get(t.Context())
		require.Equal(t, pool.ErrTerminated, err)
	}
	idle(t, p)
	_, _, entered := run.read()
	require.Equal(t, 1, entered)
}

// Wait waits for all live calls, on an open pool too, and can be called by many.
func TestR4_Wait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		begun := time.Now()
		idle(t, p)
		require.Equal(t, begun, time.Now())
		pool.ApplyAsync(t.Context(), p, func(ctx context.Context) (int, error) { return 0, nap(ctx, time.Minute) })
		pool.MapAsync(t.Context(), p, numbers(4).stream(), func(ctx context.Context, i int) (int, error) { return i, nap(ctx, time.Minute) })
		for range 3 {
			go func() {
				assert.NoError(t, p.Wait())
				assert.Equal(t, 3*time.Minute, time.Since(begun).Round(time.Minute))
			}()
		}
		idle(t, p)
		require.Equal(t, 3*time.Minute, time.Since(begun).Round(time.Minute))
		v, err := pool.Apply(t.Context(), p, func(context.Context) (int, error) { return 5, nil })
		require.NoError(t, err, "the pool is still open")
		require.Equal(t, 5, v)
		p.Close()
		idle(t, p)
		synctest.Wait()
	})
}

// Only the context of the wait, or that of the call, ends a wait: many waiters
// of one result each have their own.
func TestR4_WaitersAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		r := pool.MapAsync(t.Context(), p, numbers(3).stream(), func(ctx context.Context, i int) (int, error) { return i, nap(ctx, time.Minute) })
		for i := range 5 {
			go func() {
				ctx, cancel := context.WithTimeoutCause(context.Background(), time.Duration(i+1)*50*time.Second, errCause)
				defer cancel()
				got, err := r.Get(ctx)
				if i < 3 {
					assert.Equal(t, errCause, err)
					return
				}
				assert.NoError(t, err)
				assert.Equal(t, ints(3), got)
			}()
		}
		got, err := r.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, ints(3), got)
		synctest.Wait()
	})
}
