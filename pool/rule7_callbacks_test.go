package pool_test

import (
	"context"
	"errors"
	"fmt"
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

// asyncVerb is a verb that returns a result of three integers, or of one
// failure.
type asyncVerb struct {
	name string
	of   func(ctx context.Context, p *pool.Pool, fn func(context.Context, int) (int, error)) *pool.Result[[]int]
}

func asyncVerbs() []asyncVerb {
	type fun = func(context.Context, int) (int, error)
	return []asyncVerb{
		{"ApplyAsync", func(ctx context.Context, p *pool.Pool, fn fun) *pool.Result[[]int] {
			return pool.ApplyAsync(ctx, p, func(ctx context.Context) (out []int, err error) {
				for i := range 3 {
					v, err := fn(ctx, i)
					if err != nil {
						return nil, err
					}
					out = append(out, v)
				}
				return out, nil
			})
		}},
		{"MapAsync", func(ctx context.Context, p *pool.Pool, fn fun) *pool.Result[[]int] {
			return pool.MapAsync(ctx, p, countTo(3), fn)
		}},
		{"StarmapAsync", func(ctx context.Context, p *pool.Pool, fn fun) *pool.Result[[]int] {
			return pool.StarmapAsync(ctx, p, pairsTo(3), func(ctx context.Context, i, _ int) (int, error) { return fn(ctx, i) })
		}},
	}
}

// banging is the function that fails.
func banging(context.Context, int) (int, error) { return 0, errBang }

// calls notes what callbacks are given.
type calls struct {
	mu     sync.Mutex
	values [][]int
	errs   []error
}

func (c *calls) success(v []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values = append(c.values, v)
}

func (c *calls) failure(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

// Each callback runs once, with the outcome, whether it was registered before
// or after that was there; and only those of the right kind.
func TestR7_CallbacksRunOnceEach(t *testing.T) {
	for _, verb := range asyncVerbs() {
		for _, when := range []string{"before", "after"} {
			for _, fails := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/fails %t", verb.name, when, fails), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(1)
						var seen calls
						begin := make(chan struct{})
						fn := func(ctx context.Context, i int) (int, error) {
							<-begin
							if fails {
								return banging(ctx, i)
							}
							return i, nil
						}
						r := verb.of(context.Background(), p, fn)
						if when == "after" {
							close(begin)
							<-r.Done()
						}
						for range 5 {
							r.OnSuccess(seen.success)
							r.OnFailure(seen.failure)
						}
						if when == "before" {
							synctest.Wait()
							assert.Empty(t, seen.values)
							assert.Empty(t, seen.errs)
							close(begin)
						}
						require.NoError(t, p.Wait())
						if fails {
							assert.Empty(t, seen.values)
							require.Len(t, seen.errs, 5)
							for _, err := range seen.errs {
								require.ErrorIs(t, err, errBang)
							}
						} else {
							assert.Equal(t, slices.Repeat([][]int{{0, 1, 2}}, 5), seen.values)
							assert.Empty(t, seen.errs)
						}
						require.NoError(t, p.Wait(), "and never again")
						assert.Len(t, append(seen.errs, make([]error, len(seen.values))...), 5)
					})
				})
			}
		}
	}
}

// A callback that blocks delays neither the result, nor the other callbacks,
// nor the workers.
func TestR7_CallbacksAreOffTheResultsPath(t *testing.T) {
	for _, verb := range asyncVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				stuck := make(chan struct{})
				r := verb.of(context.Background(), p, func(_ context.Context, i int) (int, error) {
					time.Sleep(time.Second)
					return i, nil
				})
				var others atomic.Int64
				r.OnSuccess(func([]int) { <-stuck })
				r.OnSuccess(func([]int) { others.Add(1) })
				v, err := r.Get(context.Background())
				require.NoError(t, err)
				assert.Equal(t, []int{0, 1, 2}, v)
				r.OnSuccess(func([]int) { <-stuck })
				r.OnSuccess(func([]int) { others.Add(1) })
				synctest.Wait()
				assert.EqualValues(t, 2, others.Load())
				v, err = pool.Map(context.Background(), p, countTo(3), identity)
				require.NoError(t, err, "the worker is free")
				assert.Len(t, v, 3)

				waited := make(chan error, 1)
				go func() { waited <- p.Wait() }()
				synctest.Wait()
				assert.Empty(t, waited, "Wait waits for the callbacks")
				close(stuck)
				require.NoError(t, <-waited)
				requireAllSlots(t, p, 1)
			})
		})
	}
}

// A callback may use the pool and its result, and register callbacks.
func TestR7_CallbackUsesThePool(t *testing.T) {
	for _, verb := range asyncVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				var log []string // callbacks of one chain run one after the other
				r := verb.of(context.Background(), p, identity)
				r.OnSuccess(func(v []int) {
					again, err := r.Get(context.Background())
					assert.NoError(t, err)
					assert.Equal(t, v, again)
					assert.True(t, r.Ready())
					assert.True(t, r.Successful())
					n, err := total(context.Background(), pool.Imap(p, countTo(10), identity))
					assert.NoError(t, err)
					assert.Equal(t, 45, n)
					log = append(log, "first")
					verb.of(context.Background(), p, banging).OnFailure(func(err error) {
						assert.ErrorIs(t, err, errBang)
						log = append(log, "second")
						r.OnSuccess(func(v []int) {
							assert.Len(t, v, 3)
							log = append(log, "third")
						})
					})
				})
				require.NoError(t, p.Wait(), "Wait waits for all that callbacks begin")
				assert.Equal(t, []string{"first", "second", "third"}, log)
				requireAllSlots(t, p, 1)
			})
		})
	}
}

// A panic of a callback is reported by Wait, and changes neither the result nor
// what other callbacks do.
func TestR7_CallbackPanicIsReportedByWait(t *testing.T) {
	for _, verb := range asyncVerbs() {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/fails %t", verb.name, fails), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					fn := identity
					if fails {
						fn = banging
					}
					r := verb.of(context.Background(), p, fn)
					var others atomic.Int64
					ends := []func(){func() { explode(errBang) }, func() { explode("bang") }, goexit, func() {}}
					for _, end := range ends {
						r.OnSuccess(func([]int) {
							others.Add(1)
							end()
						})
						r.OnFailure(func(error) {
							others.Add(1)
							end()
						})
					}
					v, err := r.Get(context.Background())
					werr := p.Wait()
					assert.EqualValues(t, len(ends), others.Load())
					require.ErrorIs(t, werr, errBang)
					require.ErrorIs(t, werr, stage.ErrGoexit)
					assert.Contains(t, werr.Error(), "callback")
					assert.Contains(t, werr.Error(), "panic: bang")
					joined, isJoined := werr.(interface{ Unwrap() []error })
					require.True(t, isJoined)
					assert.Len(t, joined.Unwrap(), 3, "each is reported")
					for _, e := range joined.Unwrap() {
						if !errors.Is(e, stage.ErrGoexit) {
							requirePanicked(t, e, nil, "explode")
						}
					}
					again, err2 := r.Get(context.Background())
					assert.Equal(t, v, again, "the result stays")
					assert.Equal(t, err, err2)
					if fails {
						require.ErrorIs(t, err, errBang)
					} else {
						require.NoError(t, err)
						assert.Equal(t, []int{0, 1, 2}, v)
					}
					require.NoError(t, p.Wait(), "once")
					requireAllSlots(t, p, 2)
				})
			})
		}
	}
}

// Whatever ends a call without a value is a failure for callbacks.
func TestR7_CallbacksOfCallsThatDidNotRun(t *testing.T) {
	cause := errors.New("changed my mind")
	for _, verb := range asyncVerbs() {
		for name, c := range map[string]struct {
			end  func(p *pool.Pool, cancel context.CancelCauseFunc)
			want error
		}{
			"cancelled":  {func(_ *pool.Pool, cancel context.CancelCauseFunc) { cancel(cause) }, cause},
			"terminated": {func(p *pool.Pool, _ context.CancelCauseFunc) { p.Terminate() }, pool.ErrTerminated},
		} {
			for _, running := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/running %t", verb.name, name, running), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(1)
						ctx, cancel := context.WithCancelCause(context.Background())
						defer cancel(nil)
						hold := make(chan struct{})
						if !running { // nothing of the call runs while this does
							pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) {
								<-hold
								return 0, nil
							})
							synctest.Wait()
						}
						r := verb.of(ctx, p, func(ctx context.Context, _ int) (int, error) {
							<-ctx.Done()
							return 0, ctx.Err()
						})
						var seen calls
						r.OnSuccess(seen.success)
						r.OnFailure(seen.failure)
						synctest.Wait()
						c.end(p, cancel)
						synctest.Wait()
						assert.True(t, r.Ready(), "it resolves at once")
						r.OnFailure(seen.failure)
						close(hold)
						require.NoError(t, p.Wait())
						assert.Empty(t, seen.values)
						require.Len(t, seen.errs, 2)
						for _, err := range seen.errs {
							require.ErrorIs(t, err, c.want)
						}
					})
				})
			}
		}
		for name, shut := range map[string]func(*pool.Pool){"closed": (*pool.Pool).Close, "terminated": (*pool.Pool).Terminate} {
			t.Run(verb.name+"/was "+name, func(t *testing.T) {
				p := pool.New(1)
				shut(p)
				var seen calls
				r := verb.of(context.Background(), p, identity)
				assert.True(t, r.Ready())
				r.OnSuccess(seen.success)
				r.OnFailure(seen.failure)
				require.NoError(t, p.Wait())
				assert.Empty(t, seen.values)
				require.Len(t, seen.errs, 1)
			})
		}
	}
}

// Callbacks of calls on the shared pool.
func TestR7_CallbacksOfANilPool(t *testing.T) {
	var p *pool.Pool
	done := make(chan []int)
	pool.MapAsync(context.Background(), p, countTo(3), identity).OnSuccess(func(v []int) { done <- v })
	assert.Equal(t, []int{0, 1, 2}, <-done)
}

// Registering races with the outcome: each callback still runs once.
func TestR7_RegisteringWhileItResolves(t *testing.T) {
	p := pool.New(4)
	var ran atomic.Int64
	var wg sync.WaitGroup
	const results, registrars, each = 50, 4, 10
	for range results {
		r := pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) { return 1, nil })
		for range registrars {
			wg.Go(func() {
				for range each {
					r.OnSuccess(func(v int) { ran.Add(int64(v)) })
					r.OnFailure(func(error) { ran.Add(1000) })
				}
			})
		}
	}
	wg.Wait()
	require.NoError(t, p.Wait())
	assert.EqualValues(t, results*registrars*each, ran.Load())
}
