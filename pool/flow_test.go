package pool_test

import (
	"context"
	"fmt"
	"log/slog" //nolint:depguard // go-streams takes no other logger
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

var quiet = extension.WithLogger(slog.New(slog.DiscardHandler))

// sent are the values, as a source of go-streams; all is closed when they have been
// taken.
func sent(values ...any) (s streams.Source, all <-chan struct{}) {
	ch, done := make(chan any), make(chan struct{})
	go func() {
		defer close(done)
		defer close(ch)
		for _, v := range values {
			ch <- v
		}
	}()
	return extension.NewChanSource(ch), done
}

func anys(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// received are the results of a flow.
func received[T any](out streams.Outlet) (results []T) {
	for v := range out.Out() {
		results = append(results, v.(T))
	}
	return results
}

// It gives what a loop does, between flows of go-streams: the results in order, and
// each failed item at its place.
func TestFlowIsTheLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 100).AsAny(), rapid.SampledFrom([]any{"a", nil})), 0, 60).Draw(t, "values")
		bad := drawEvery(t, "bad")
		panics := drawEvery(t, "panics")
		opts := []pool.Option{pool.ChunkSize(rapid.IntRange(0, 5).Draw(t, "chunk")), pool.InFlight(rapid.IntRange(0, 9).Draw(t, "budget"))}
		workers := rapid.IntRange(1, 4).Draw(t, "workers")
		unordered := rapid.Bool().Draw(t, "unordered")
		handled := rapid.Bool().Draw(t, "handled")
		fails := func(e every, v int) bool { return e.mod > 0 && v%e.mod == e.rest }

		var results, failed []string // of the loop
		called := 0
		for i, value := range values {
			v, ok := value.(int)
			var what string
			if ok {
				called++ // an item of another type does not come to the function
			}
			switch {
			case !ok:
				what = fmt.Sprintf("inlet: item %d: the value is %T, want int", i, value)
			case fails(panics, v):
				what = fmt.Sprintf("Flow: item %d: panic: %v", called-1, errItem)
			case fails(bad, v):
				what = fmt.Sprintf("Flow: item %d: %v", called-1, errItem)
			default:
				results = append(results, fmt.Sprint(2*v))
				continue
			}
			failed = append(failed, what)
			if !handled && !unordered {
				break
			}
		}

		var got []string
		if unordered {
			opts = append(opts, pool.Unordered())
		}
		if handled {
			opts = append(opts, pool.OnItemError(func(e *stage.ItemError) { got = append(got, e.Error()) }))
		}
		f := pool.Flow(t.Context(), pool.New(workers), func(_ context.Context, v int) (int, error) {
			switch {
			case fails(panics, v):
				panic(errItem)
			case fails(bad, v):
				return 0, errItem
			}
			return 2 * v, nil
		}, opts...)
		src, all := sent(values...)
		out := received[string](src.Via(flow.NewPassThrough()).Via(f).Via(flow.NewMap(func(v int) string { return fmt.Sprint(v) }, 1)))
		<-all // whoever sends is not stuck
		switch {
		case unordered && handled:
			require.ElementsMatch(t, results, out)
			require.ElementsMatch(t, failed, got)
			require.NoError(t, f.Err())
		case handled:
			require.Equal(t, results, out)
			require.Equal(t, failed, got)
			require.NoError(t, f.Err())
		case len(failed) == 0:
			require.ElementsMatch(t, results, out)
			require.NoError(t, f.Err())
		case unordered:
			require.Subset(t, results, out)
			require.Contains(t, failed, f.Err().Error())
		default:
			require.Equal(t, results, out)
			require.EqualError(t, f.Err(), failed[0])
		}
	})
}

func TestFlowOfFiles(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.txt"), filepath.Join(dir, "out.txt")
	require.NoError(t, os.WriteFile(in, []byte(strings.Repeat("a line\n", 1000)), 0o600))
	f := pool.Flow(t.Context(), pool.New(2), func(_ context.Context, line string) (string, error) {
		return strings.ToUpper(line) + "\n", nil
	})
	extension.NewFileSource(in, quiet).Via(f).To(extension.NewFileSink(out, quiet))
	require.NoError(t, f.Err())
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("A LINE\n", 1000), string(got))
}

// Results leave in order however long the calls take, several at once.
func TestFlowKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := pool.Flow(t.Context(), pool.New(4), func(ctx context.Context, v int) (int, error) {
			return v, nap(ctx, time.Duration(1+(v*7)%4)*time.Second)
		})
		src, _ := sent(anys(40)...)
		sink := make(chan any, 100)
		src.Via(f).To(extension.NewChanSink(sink))
		require.NoError(t, f.Err())
		var got []int
		for v := range sink {
			got = append(got, v.(int))
		}
		assert.Equal(t, ints(40), got)
		assert.Less(t, time.Since(start), 40*time.Second, "a hundred seconds of work")
	})
}

// R1: what was taken and whose results were not never exceeds the budget.
func TestFlowIsBounded(t *testing.T) {
	for _, o := range orders {
		synctest.Test(t, func(t *testing.T) {
			f := pool.Flow(t.Context(), pool.New(3), same, options(o.unordered, pool.InFlight(5))...)
			var taken atomic.Int64
			go func() {
				defer close(f.In())
				for i := range 30 {
					f.In() <- i
					taken.Add(1)
				}
			}()
			for i := range int64(30) {
				synctest.Wait()
				assert.LessOrEqual(t, taken.Load(), i+5)
				assert.GreaterOrEqual(t, taken.Load(), min(30, i+1), "it does not wait for more")
				<-f.Out()
			}
			_, open := <-f.Out()
			assert.False(t, open)
		})
	}
}

// A failed item ends the flow behind the results before it; whoever sends and whoever
// receives come to their ends. At each place, in each way.
func TestFlowEndsAtTheFirstFailure(t *testing.T) {
	for _, o := range orders {
		for at := range 12 {
			for way, fail := range map[string]func() error{
				"error":  func() error { return errItem },
				"panic":  func() error { panic(errItem) },
				"Goexit": func() error { runtime.Goexit(); return nil },
			} {
				synctest.Test(t, func(t *testing.T) {
					f := pool.Flow(t.Context(), pool.New(3), func(_ context.Context, v int) (int, error) {
						if v == at {
							return 0, fail()
						}
						return v, nil
					}, options(o.unordered, pool.InFlight(4), pool.Name("parse"))...)
					src, all := sent(anys(12)...)
					got := received[int](src.Via(f))
					if o.unordered {
						assert.Subset(t, ints(12), got)
					} else {
						assert.Len(t, got, at)
						assert.True(t, slices.Equal(ints(at), got), "%v", got)
					}
					<-all
					var item *stage.ItemError
					require.ErrorAs(t, f.Err(), &item, way)
					assert.Equal(t, int64(at), item.Index)
					assert.Equal(t, "parse", item.Stage)
					want := errItem
					if way == "Goexit" {
						want = stage.ErrGoexit
					}
					require.ErrorIs(t, item, want)
				})
			}
		}
	}
}

// With a handler the flow goes on; what it does about an item comes between the
// results beside it.
func TestFlowHandlesFailures(t *testing.T) {
	for at := range 12 {
		synctest.Test(t, func(t *testing.T) {
			var failed []*stage.ItemError
			before := -1
			var got []int
			f := pool.Flow(t.Context(), pool.New(3), func(_ context.Context, v int) (int, error) {
				if v == at {
					return 0, errItem
				}
				return v, nil
			}, pool.OnItemError(func(e *stage.ItemError) {
				failed = append(failed, e)
				synctest.Wait() // the receiver waits
				before = len(got)
			}))
			src, _ := sent(anys(12)...)
			src.Via(f)
			for v := range f.Out() {
				got = append(got, v.(int))
			}
			require.NoError(t, f.Err())
			assert.Equal(t, slices.DeleteFunc(ints(12), func(v int) bool { return v == at }), got)
			require.Len(t, failed, 1)
			assert.Equal(t, int64(at), failed[0].Index)
			assert.Equal(t, at, before)
		})
	}
}

func TestFlowHandlerEndsIt(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(cancel context.CancelCauseFunc, e *stage.ItemError)
		want   error
	}{
		"panic":  {func(context.CancelCauseFunc, *stage.ItemError) { panic(errCause) }, errCause},
		"Goexit": {func(context.CancelCauseFunc, *stage.ItemError) { runtime.Goexit() }, stage.ErrGoexit},
		"cancel": {func(cancel context.CancelCauseFunc, e *stage.ItemError) { cancel(e) }, errItem},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				calls := 0
				f := pool.Flow(ctx, pool.New(2), func(context.Context, int) (int, error) { return 0, errItem },
					pool.OnItemError(func(e *stage.ItemError) { calls++; c.handle(cancel, e) }))
				src, all := sent(anys(12)...)
				assert.Empty(t, received[int](src.Via(f)))
				<-all
				require.ErrorIs(t, f.Err(), c.want)
				if name == "panic" {
					require.EqualError(t, f.Err(), "penstock: pool.Flow: OnItemError: panic: the operator said so")
				}
				if name != "cancel" {
					assert.Equal(t, 1, calls)
				}
			})
		})
	}
}

// R5: the end of the context ends the flow, at each place, whether it waits for an
// item, a call or a receiver.
func TestFlowIsCancelled(t *testing.T) {
	for at := range 12 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var running atomic.Int64
			f := pool.Flow(ctx, pool.New(3), func(ctx context.Context, v int) (int, error) {
				running.Add(1)
				defer running.Add(-1)
				return v, nap(ctx, time.Second)
			}, pool.InFlight(4))
			src, all := sent(anys(20)...)
			src.Via(f)
			for i := range at {
				require.Equal(t, i, <-f.Out())
			}
			synctest.Wait()
			assert.NoError(t, f.Err())
			cancel(errCause)
			assert.Empty(t, received[int](f), "what is in flight does not come")
			assert.Zero(t, running.Load(), "every call has ended")
			require.ErrorIs(t, f.Err(), errCause)
			<-all
		})
	}
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			f := pool.Flow(ctx, nil, same)
			synctest.Wait()
			cancel(errCause)
			assert.Empty(t, received[int](f))
			require.ErrorIs(t, f.Err(), errCause)
			close(f.In())
		})
	})
	t.Run("before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errCause)
			f := pool.Flow(ctx, nil, same)
			src, all := sent(anys(5)...)
			assert.Empty(t, received[int](src.Via(f)))
			require.ErrorIs(t, f.Err(), errCause)
			<-all
		})
	})
	// A source that the same context ends closes the inlet: that is no end of the items.
	t.Run("with its source", func(t *testing.T) {
		for range 50 {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				f := pool.Flow(ctx, pool.New(1), same)
				context.AfterFunc(ctx, func() { close(f.In()) })
				f.In() <- 1
				assert.Equal(t, 1, <-f.Out())
				cancel(errCause)
				assert.Empty(t, received[int](f))
				require.ErrorIs(t, f.Err(), errCause)
			})
		}
	})
}

// R4: Close lets through what was taken, Terminate does not.
func TestFlowOfAPoolThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		f := pool.Flow(t.Context(), p, same, pool.InFlight(3))
		src, all := sent(anys(10)...)
		src.Via(f)
		synctest.Wait()
		p.Close()
		assert.Equal(t, ints(3), received[int](f))
		require.ErrorIs(t, f.Err(), pool.ErrClosed)
		<-all
		require.NoError(t, p.Wait())

		f = pool.Flow(t.Context(), p, same)
		close(f.In())
		assert.Empty(t, received[int](f))
		require.ErrorIs(t, f.Err(), pool.ErrClosed)
	})
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		f := pool.Flow(t.Context(), p, func(ctx context.Context, v int) (int, error) { return v, nap(ctx, time.Hour) })
		src, all := sent(anys(10)...)
		src.Via(f)
		synctest.Wait()
		p.Terminate()
		assert.Empty(t, received[int](f))
		require.ErrorIs(t, f.Err(), pool.ErrTerminated)
		<-all
		require.NoError(t, p.Wait())
	})
}

// The pool knows a flow from when it is made until it has ended.
func TestFlowIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		f := pool.Flow(t.Context(), p, same)
		waited := make(chan error, 1)
		go func() { waited <- p.Wait() }()
		synctest.Wait()
		assert.Empty(t, waited)
		close(f.In())
		<-f.Out()
		require.NoError(t, <-waited)
	})
}

// A flow that is made in a task is beside it: its calls run on other workers.
func TestFlowWithinATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		got, err := pool.Apply(t.Context(), p, func(ctx context.Context) ([]int, error) {
			f := pool.Flow(ctx, p, func(_ context.Context, v int) (int, error) {
				p.Close() // what a task begins goes on
				return v, nil
			})
			src, _ := sent(anys(10)...)
			return received[int](src.Via(f)), f.Err()
		})
		require.NoError(t, err)
		assert.Equal(t, ints(10), got)
	})
}

func TestFlowChecksItsArguments(t *testing.T) {
	ctx := t.Context()
	requirePanic(t, func() { pool.Flow[int, int](ctx, nil, nil) }, "pool.Flow", "fn is nil")
	requirePanic(t, func() { pool.Flow(ctx, nil, same, nil) }, "pool.Flow", "option 0 is nil")
	requirePanic(t, func() { pool.Flow(ctx, nil, same, pool.RecycleAfter(1)) }, "pool.Flow", "RecycleAfter")
	requirePanic(t, func() { pool.Flow(ctx, nil, same, pool.SizeOf(func(string) int { return 1 })) }, "pool.Flow", "SizeOf")
	requirePanic(t, func() { pool.OnItemError(nil) }, "pool.OnItemError", "handle is nil")
	handle := pool.OnItemError(func(*stage.ItemError) {})
	requirePanic(t, func() { pool.Imap(nil, stage.Stream[int]{}, same, handle) }, "pool.Imap", "OnItemError is an option of Flow")
}
