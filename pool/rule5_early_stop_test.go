package pool_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// R5 Stopping early cancels the context that running functions see, stops the
// source and joins every goroutine before control returns.

// site is where a job runs: it notices whatever runs on when control has
// returned.
type site struct {
	t         *testing.T
	over      atomic.Bool
	run       gauge
	cancelled atomic.Int64
	f         *feed
}

func newSite(t *testing.T, n int) *site {
	t.Helper()
	s := &site{t: t, f: numbers(n)}
	s.f.pull = func(context.Context, int) error {
		assert.False(s.t, s.over.Load(), "the source was pulled when control had returned")
		return nil
	}
	s.f.took = func(stage.Limit, int, int) {
		assert.False(s.t, s.over.Load(), "the source was being pulled when control returned")
	}
	return s
}

// ours are the stacks of the goroutines that are in the engine.
func ours() (stacks []string) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "penstock/pool.") && !strings.Contains(stack, "penstock/pool.TestMain") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// work is what the functions do: they take d, or until they are cancelled.
func (s *site) work(ctx context.Context, d time.Duration) error {
	assert.False(s.t, s.over.Load(), "a function was called when control had returned")
	s.run.enter()
	defer s.run.leave()
	err := nap(ctx, d)
	assert.False(s.t, s.over.Load(), "a function ran on when control had returned")
	if err != nil {
		s.cancelled.Add(1)
	}
	return err
}

// left is called as soon as control has returned.
func (s *site) left() {
	s.t.Helper()
	s.over.Store(true)
	now, _, _ := s.run.read()
	require.Zero(s.t, now, "functions still run")
	require.Equal(s.t, s.f.opened.Load(), s.f.closed.Load(), "the source is open")
	pulled := s.f.pulled.Load()
	synctest.Wait()
	require.Empty(s.t, ours(), "goroutines are left")
	time.Sleep(time.Hour)
	require.Equal(s.t, pulled, s.f.pulled.Load(), "something is drained in the background")
}

// The ways to leave a range over a stream after so many items.
var leaving = []struct {
	name  string
	leave func(ctx context.Context, cancel context.CancelCauseFunc, s stage.Stream[int], after int) error
}{
	{"break", func(ctx context.Context, _ context.CancelCauseFunc, s stage.Stream[int], after int) error {
		n := 0
		for _, err := range s.All(ctx) {
			if err != nil {
				return err
			}
			if n++; n > after {
				break
			}
		}
		return nil
	}},
	{"panic", func(ctx context.Context, _ context.CancelCauseFunc, s stage.Stream[int], after int) (err error) {
		defer func() {
			if v := recover(); v != errItem {
				err = errors.New("not the panic")
			}
		}()
		n := 0
		for _, err := range s.All(ctx) {
			if err != nil {
				return err
			}
			if n++; n > after {
				panic(errItem)
			}
		}
		return nil
	}},
	{"cancel", func(ctx context.Context, cancel context.CancelCauseFunc, s stage.Stream[int], after int) error {
		n := 0
		var errs []error
		for _, err := range s.All(ctx) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if n++; n > after {
				cancel(errCause)
			}
		}
		if len(errs) != 1 || errs[0] != errCause || n > after+1 {
			return errors.Join(append(errs, errors.New("All yields the cause once and ends"))...)
		}
		return nil
	}},
	{"Close", func(ctx context.Context, _ context.CancelCauseFunc, s stage.Stream[int], after int) error {
		p, err := s.Open(ctx)
		if err != nil {
			return err
		}
		var c stage.Chunk[int]
		for n := 0; n <= after && err == nil; n += len(c.Items) {
			err = p.Pull(ctx, &c, stage.Limit{Items: 1})
		}
		err = errors.Join(err, p.Close(), p.Close())
		if pullErr := p.Pull(ctx, &c, stage.Limit{}); pullErr == nil || len(c.Items) > 0 {
			err = errors.Join(err, errors.New("a closed stream gave something"))
		}
		return err
	}},
	{"Take", func(ctx context.Context, _ context.CancelCauseFunc, s stage.Stream[int], after int) error {
		got, err := s.Take(after + 1).Collect(ctx)
		if len(got) != after+1 {
			err = errors.Join(err, errors.New("not what was asked for"))
		}
		return err
	}},
	{"First", func(ctx context.Context, _ context.CancelCauseFunc, s stage.Stream[int], _ int) error {
		_, err := s.First(ctx)
		return err
	}},
	{"consumer's error", func(ctx context.Context, _ context.CancelCauseFunc, s stage.Stream[int], after int) error {
		n := 0
		err := s.ForEach(ctx, func(context.Context, int) error {
			if n++; n > after {
				return errItem
			}
			return nil
		})
		if errors.Is(err, errItem) {
			return nil
		}
		return errors.Join(err, errors.New("not the consumer's error"))
	}},
	{"sink's error", func(ctx context.Context, _ context.CancelCauseFunc, s stage.Stream[int], after int) error {
		w := &countingSink{most: after}
		_, err := stage.Run(ctx, s, w)
		if errors.Is(err, errItem) && errors.Is(w.cause, errItem) {
			return nil
		}
		return errors.Join(err, errors.New("not the sink's error"))
	}},
}

// countingSink takes so many items and then fails.
type countingSink struct {
	most, n int
	cause   error
}

func (s *countingSink) Open(context.Context, json.RawMessage) (stage.Writer[int], error) {
	return s, nil
}

func (s *countingSink) Write(_ context.Context, c *stage.Chunk[int]) error {
	if s.n += len(c.Items); s.n > s.most {
		return errItem
	}
	return nil
}

func (s *countingSink) Close(_ context.Context, cause error) error {
	s.cause = cause
	return nil
}

func TestR5_LeavingAnywhere(t *testing.T) {
	for _, how := range leaving {
		for _, after := range []int{0, 1, 2, 7, 63, 64, 200} {
			for _, workers := range []int{1, 4} {
				for _, chunk := range []int{0, 1, 16} {
					for _, order := range orders {
						t.Run(label(how.name, after, workers, chunk, order.name), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								ctx, cancel := context.WithCancelCause(t.Context())
								defer cancel(nil)
								p := pool.New(workers)
								s := newSite(t, noEnd)
								in := pool.Imap(p, s.f.stream(), func(ctx context.Context, i int) (int, error) {
									return i, s.work(ctx, time.Duration(i%7)*time.Millisecond)
								}, options(order.unordered, pool.ChunkSize(chunk))...)
								require.NoError(t, how.leave(ctx, cancel, in, after))
								s.left()
								idle(t, p)
							})
						})
					}
				}
			}
		}
	}
}

// What runs when control is to return is cancelled, not waited for.
func TestR5_RunningFunctionsAreCancelled(t *testing.T) {
	for _, how := range leaving {
		for _, order := range orders {
			t.Run(label(how.name, order.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					s := newSite(t, noEnd)
					p := pool.New(4)
					in := pool.Imap(p, s.f.stream(), func(ctx context.Context, i int) (int, error) {
						if i < 3 {
							return i, nil
						}
						return i, s.work(ctx, 1000*time.Hour)
					}, options(order.unordered, pool.ChunkSize(1))...)
					begun := time.Now()
					require.NoError(t, how.leave(ctx, cancel, in, 2))
					require.Equal(t, begun, time.Now(), "at once")
					s.left()
					_, _, entered := s.run.read()
					require.EqualValues(t, entered, s.cancelled.Load())
				})
			})
		}
	}
}

// A stage before another, and streams that run streams, are stopped as well.
func TestR5_ChainsAreStopped(t *testing.T) {
	for _, how := range leaving {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := newSite(t, noEnd)
			work := func(ctx context.Context, i int) (int, error) {
				return i, s.work(ctx, time.Duration(i%3)*time.Millisecond)
			}
			p := pool.New(3)
			in := pool.Imap(p, stage.Map(pool.ImapUnordered(p, s.f.stream(), work), work), work)
			in = pool.FlatMap(pool.New(2), in, func(ctx context.Context, i int, emit func(int)) error {
				for v, err := range pool.Imap(p, numbers(3).stream(), work).All(ctx) {
					if err != nil {
						return err
					}
					emit(i + v)
				}
				return nil
			})
			require.NoError(t, how.leave(ctx, cancel, in, 50), how.name)
			s.left()
			idle(t, p)
		})
	}
}

// Workers that wait, for the source, a slot or credit, are woken to end.
func TestR5_WaitingWorkersEnd(t *testing.T) {
	for _, what := range []string{"source", "slot", "credit", "debt", "share"} {
		for _, how := range leaving[:4] {
			t.Run(label(what, how.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					s := newSite(t, noEnd)
					p := pool.New(4)
					var opts []pool.Option
					var hog *pool.Result[int]
					switch what {
					case "source":
						s.f.pull = func(ctx context.Context, next int) error {
							if next > 20 {
								return nap(ctx, 1000*time.Hour)
							}
							return nil
						}
					case "credit":
						opts = append(opts, pool.InFlight(2))
					case "debt":
						opts = append(opts, pool.InFlightBytes(8))
					case "share":
						s.f.n = 40
					}
					in := pool.Imap(p, s.f.stream(), func(ctx context.Context, i int) (int, error) {
						if i == 15 && what == "slot" {
							hog = pool.ApplyAsync(context.WithoutCancel(ctx), p, func(context.Context) (int, error) { time.Sleep(time.Minute); return 0, nil })
						}
						if i == 38 && what == "share" {
							return i, nap(ctx, 1000*time.Hour)
						}
						return i, nil
					}, opts...)
					require.NoError(t, how.leave(ctx, cancel, in, 14))
					if hog != nil {
						<-hog.Done()
					}
					idle(t, p)
					s.left()
				})
			})
		}
	}
}

// The stated exception: a function that ignores its context delays the join.
func TestR5_FunctionThatIgnoresItsContextDelaysTheJoin(t *testing.T) {
	for _, how := range leaving {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := newSite(t, noEnd)
			begun := time.Now()
			in := pool.Imap(pool.New(4), s.f.stream(), func(_ context.Context, i int) (int, error) {
				if i < 3 {
					return i, nil
				}
				return i, s.work(context.Background(), time.Hour)
			}, pool.ChunkSize(1))
			require.NoError(t, how.leave(ctx, cancel, in, 2), how.name)
			_, _, entered := s.run.read()
			if entered > 0 {
				require.Equal(t, time.Hour, time.Since(begun))
			}
			s.left()
		})
	}
}

func TestR5_ContextThatHadEndedOpensNothing(t *testing.T) {
	for _, w := range waiters() {
		t.Run(w.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errCause)
			f := numbers(10)
			p := pool.New(2)
			items, err := w.wait(ctx, p, f.stream(), func(_ context.Context, i int) (int, error) {
				t.Error("a function was called")
				return i, nil
			})
			require.Equal(t, errCause, lastOf(err))
			if !w.once {
				require.Empty(t, items)
			}
			require.Zero(t, f.opened.Load())
			idle(t, p)
		})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCause)
	f := numbers(10)
	_, err := pool.Imap(pool.New(2), f.stream(), same).Open(ctx)
	require.Equal(t, errCause, err)
	sum, err := stage.Run(ctx, pool.Imap(pool.New(2), f.stream(), same), &countingSink{})
	require.ErrorIs(t, err, errCause)
	require.Zero(t, sum.Read)
	require.Zero(t, f.opened.Load())
}

// When the context ends, All yields its cause once and ends; in order, what came
// before is a prefix.
func TestR5_PrefixBeforeTheCause(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		workers, chunk := 1+r.IntN(5), []int{0, 1, 10}[r.IntN(3)]
		after := time.Duration(r.IntN(500)) * time.Millisecond
		unordered := r.IntN(3) == 0
		blocky := r.IntN(3) == 0
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), after, errCause)
			defer cancel()
			s := newSite(t, noEnd)
			in := s.f.stream()
			if blocky {
				in = (&blocks{n: noEnd, lens: func(i int) int { return i % 50 }}).stream()
			}
			var got []int
			var errs []error
			for v, err := range pool.Imap(pool.New(workers), in, func(ctx context.Context, i int) (int, error) {
				if err := s.work(ctx, time.Duration(i*31%19)*time.Millisecond); err != nil {
					return 0, err
				}
				return failing(func(i int) bool { return i%10 == 3 })(ctx, i)
			}, options(unordered, pool.ChunkSize(chunk))...).All(ctx) {
				require.NotEqual(t, errCause, lastOf(errors.Join(errs...)), "seed %d: the cause is last", seed)
				if e, ok := errors.AsType[*stage.ItemError](err); ok {
					require.ErrorIs(t, err, errItem, "seed %d", seed)
					got = append(got, e.Input.(int))
				} else if err == nil {
					got = append(got, v/2)
				} else {
					errs = append(errs, err)
				}
			}
			s.left()
			require.Equal(t, []error{errCause}, errs, "seed %d", seed)
			if !unordered {
				require.Equal(t, ints(len(got)), append([]int{}, got...), "seed %d: a prefix", seed)
			}
		})
	}
}

// The same when the stream is pulled with another context than it was opened
// with: a chunk that was cut off is not taken for a whole one.
func TestR5_PrefixWhenPulledByHand(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 55))
		workers, chunk := 1+r.IntN(5), []int{0, 5, 10}[r.IntN(3)]
		after, naps := r.IntN(300), r.IntN(2) == 0
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := newSite(t, noEnd)
			p, err := pool.Imap(pool.New(workers), s.f.stream(), func(ctx context.Context, i int) (int, error) {
				switch {
				case i == after:
					cancel(errCause) // it goes on, and so may others
				case naps:
					return i, s.work(ctx, time.Duration(i*31%19)*time.Millisecond)
				}
				return i, ctx.Err()
			}, pool.ChunkSize(chunk)).Open(ctx)
			require.NoError(t, err)
			var o outcome[int]
			var c stage.Chunk[int]
			for o.end == nil {
				o.end = p.Pull(context.Background(), &c, stage.Limit{})
				o.add(t, &c)
			}
			require.Equal(t, errCause, o.end, "seed %d", seed)
			require.Equal(t, ints(len(o.events)), append([]int{}, o.items()...), "seed %d: a prefix", seed)
			require.NoError(t, p.Close())
			s.left()
		})
	}
}

// A Pull that is given up by its own context loses nothing: the next goes on.
func TestR5_PullGivenUpLosesNothing(t *testing.T) {
	for _, workers := range []int{1, 4} {
		for _, chunk := range []int{0, 1, 5} {
			for _, what := range []string{"source", "function", "blocks"} {
				for _, order := range orders {
					t.Run(label(workers, chunk, what, order.name), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							s := newSite(t, 100)
							in := s.f.stream()
							switch what {
							case "source":
								s.f.pull = func(ctx context.Context, _ int) error { return nap(ctx, 3*time.Second) }
							case "blocks":
								b := &blocks{n: 100, lens: func(int) int { return 9 }}
								b.fill = func(ctx context.Context, _ int) { _ = nap(ctx, 5*time.Second) }
								in = b.stream()
							}
							p, err := pool.Imap(pool.New(workers), in, func(ctx context.Context, i int) (int, error) {
								return i, s.work(ctx, time.Duration(i%4)*time.Second)
							}, options(order.unordered, pool.ChunkSize(chunk))...).Open(t.Context())
							require.NoError(t, err)
							var o outcome[int]
							var c stage.Chunk[int]
							given := 0
							for o.end == nil {
								ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errPatience)
								err := p.Pull(ctx, &c, stage.Limit{Items: 3})
								cancel()
								o.add(t, &c)
								if err == errPatience {
									given++
								} else {
									o.end = err
								}
							}
							require.Equal(t, io.EOF, o.end)
							require.Positive(t, given)
							requireTokens(t, 100, o.tokens)
							if order.unordered {
								require.ElementsMatch(t, ints(100), o.items())
							} else {
								require.Equal(t, ints(100), o.items())
							}
							require.Zero(t, s.cancelled.Load(), "nothing was cancelled")
							require.NoError(t, p.Close())
							s.left()
						})
					})
				}
			}
		}
	}
}

// The eager verbs have joined everything when they return, whatever ended them.
func TestR5_EagerVerbsJoin(t *testing.T) {
	for _, v := range collecting {
		for _, what := range []string{"failure", "cancel", "Terminate", "source fails", "end"} {
			t.Run(label(v.name, what), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					p := pool.New(4)
					s := newSite(t, noEnd)
					if what == "source fails" || what == "end" {
						s.f.n = 100
					}
					if what == "source fails" {
						s.f.end = errSource
					}
					_, err := v.run(ctx, p, s.f.stream(), func(ctx context.Context, i int) (int, error) {
						if i == 50 {
							switch what {
							case "failure":
								return 0, errItem
							case "cancel":
								cancel(errCause)
							case "Terminate":
								p.Terminate()
							}
						}
						return i, s.work(ctx, time.Duration(i%5)*time.Millisecond)
					})
					if v.name == "MapAsync" || v.name == "StarmapAsync" {
						idle(t, p) // Get may return before the work is joined; Wait does not
					}
					switch what {
					case "failure":
						require.ErrorIs(t, err, errItem)
					case "cancel":
						require.Equal(t, errCause, err)
					case "Terminate":
						require.Equal(t, pool.ErrTerminated, err)
					case "source fails":
						require.ErrorIs(t, err, errSource)
					case "end":
						require.NoError(t, err)
					}
					s.left()
					idle(t, p)
				})
			})
		}
	}
}

// The counters add up when the call ends while a worker has been given a part of
// a chunk and waits for a slot to run it.
func TestR5_SharedPartThatNeverRan(t *testing.T) {
	for round := range 40 { // who is cancelled first is left to chance
		order := orders[round%2]
		synctest.Test(t, func(t *testing.T) {
			const prefix, tail = 8192, 400
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Duration(205+round)*time.Millisecond, errCause)
			defer cancel()
			p := pool.New(2)
			s := newSite(t, prefix+tail)
			var hog *pool.Result[int]
			in := pool.Imap(p, s.f.stream(), func(ctx context.Context, i int) (int, error) {
				if i < prefix {
					return i, nil
				}
				if i == prefix {
					hog = pool.ApplyAsync(t.Context(), p, func(ctx context.Context) (int, error) { return 0, nap(ctx, time.Minute) })
				}
				return i, s.work(ctx, 10*time.Millisecond)
			}, options(order.unordered)...)
			sum, err := stage.Run(ctx, in, &countingSink{most: noEnd})
			require.ErrorIs(t, err, errCause)
			require.NotNil(t, hog)
			<-hog.Done()
			s.left()
			st := sum.Stages[1]
			require.Equal(t, st.In+st.Expanded, st.Out+st.Filtered+st.Failed+st.Merged+st.Abandoned, "%v", sum)
		})
	}
}

// A worker's state is closed when a range is left early, before control returns.
func TestR5_StatesAreClosed(t *testing.T) {
	for _, how := range leaving {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := newSite(t, noEnd)
			var made, closed atomic.Int64
			in := pool.ImapWith(pool.New(3), s.f.stream(),
				func(context.Context) (*state, error) { made.Add(1); return &state{closed: &closed}, nil },
				func(ctx context.Context, _ *state, i int) (int, error) { return i, s.work(ctx, time.Millisecond) },
				pool.RecycleAfter(4))
			require.NoError(t, how.leave(ctx, cancel, in, 30), how.name)
			require.Positive(t, made.Load())
			require.Equal(t, made.Load(), closed.Load(), how.name)
			s.left()
		})
	}
}
