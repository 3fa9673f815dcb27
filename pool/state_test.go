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

// garage makes states and watches over them.
type garage struct {
	t *testing.T

	newErr   func(made int) error // fails to make a state
	closeErr func(id int) error

	mu     sync.Mutex
	states []*vehicle
	failed int
}

// vehicle is a state.
type vehicle struct {
	g      *garage
	id     int
	inUse  atomic.Bool
	items  int
	closed int
}

func (g *garage) newState(context.Context) (*vehicle, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := &vehicle{g: g, id: len(g.states)}
	if g.newErr != nil {
		if err := g.newErr(len(g.states) + g.failed); err != nil {
			g.failed++
			return v, err // not to be closed, nor used
		}
	}
	g.states = append(g.states, v)
	return v, nil
}

func (v *vehicle) Close() error {
	v.g.mu.Lock()
	defer v.g.mu.Unlock()
	assert.True(v.g.t, v.inUse.CompareAndSwap(false, true), "closed while in use")
	v.closed++
	if v.g.closeErr != nil {
		return v.g.closeErr(v.id)
	}
	return nil
}

// use enters an item, and says when another one is inside.
func (v *vehicle) use() (leave func()) {
	assert.True(v.g.t, v.inUse.CompareAndSwap(false, true), "two goroutines use a state, or it was closed")
	v.items++
	return func() { v.inUse.Store(false) }
}

// check says that every state was closed once.
func (g *garage) check() {
	g.t.Helper()
	for _, v := range g.states {
		assert.Equal(g.t, 1, v.closed, "state %d was closed", v.id)
	}
}

func drive(ctx context.Context, v *vehicle, i int) (int, error) {
	defer v.use()()
	return i, ctx.Err()
}

func TestStatePerWorker(t *testing.T) {
	for _, workers := range []int{1, 4} {
		for _, chunk := range []int{0, 1, 3, 100} {
			for _, unordered := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d workers/chunk %d/unordered %t", workers, chunk, unordered), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						g := &garage{t: t}
						p := pool.New(workers)
						opts := []pool.Option{pool.ChunkSize(chunk)}
						if unordered {
							opts = append(opts, pool.Unordered())
						}
						s := pool.ImapWith(p, countTo(200), g.newState, func(_ context.Context, v *vehicle, i int) (int, error) {
							defer v.use()()
							time.Sleep(time.Duration(i%3) * time.Millisecond)
							return i, nil
						}, opts...)
						assert.Empty(t, g.states, "none before the first pull")
						items, failed, end := ranged(t, context.Background(), s)
						require.NoError(t, end)
						assert.Empty(t, failed)
						if unordered {
							slices.Sort(items)
						}
						assert.Equal(t, integers(200, nil), items)
						assert.LessOrEqual(t, len(g.states), workers)
						if chunk == 1 {
							assert.Len(t, g.states, workers)
						}
						n := 0
						for _, v := range g.states {
							assert.Positive(t, v.items, "made by who meets an item")
							n += v.items
						}
						assert.Equal(t, 200, n)
						g.check()
						requireAllSlots(t, p, workers)

						first := len(g.states)
						_, err := s.Count(context.Background())
						require.NoError(t, err)
						assert.Greater(t, len(g.states), first, "another run has states of its own")
						g.check()
					})
				})
			}
		}
	}
}

func TestStateOfAnEmptyStream(t *testing.T) {
	g := &garage{t: t}
	items, failed, end := ranged(t, context.Background(), pool.ImapWith(pool.New(2), stage.Stream[int]{}, g.newState, drive))
	require.NoError(t, end)
	assert.Empty(t, items)
	assert.Empty(t, failed)
	assert.Empty(t, g.states)
}

// However a run ends, each state is closed once, before control returns.
func TestStateIsClosedOnce(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, recycle := range []int{0, 1, 7} {
			for _, chunk := range []int{0, 1, 5} {
				for _, how := range []string{
					"end", "break", "cancel", "terminate", "close", "item fails", "panic", "goexit", "source fails", "new state fails",
					"close fails", "given up",
				} {
					t.Run(fmt.Sprintf("%s/%d workers/recycle %d/chunk %d", how, workers, recycle, chunk), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							g := &garage{t: t}
							p := pool.New(workers)
							ctx, cancel := context.WithCancel(context.Background())
							defer cancel()
							in := countTo(100)
							switch how {
							case "source fails":
								in = brokenAt(50, func() { explode(errBang) })
							case "new state fails":
								g.newErr = func(made int) error {
									if made == 2 {
										return errBang
									}
									return nil
								}
							case "close fails":
								g.closeErr = func(int) error { return errBang }
							}
							s := pool.ImapWith(p, in, g.newState, func(ctx context.Context, v *vehicle, i int) (int, error) {
								defer v.use()()
								time.Sleep(time.Duration(1+i%3) * time.Millisecond)
								if i == 40 {
									switch how {
									case "cancel":
										cancel()
									case "terminate":
										p.Terminate()
									case "close":
										p.Close()
									case "item fails":
										return 0, errBang
									case "panic":
										panic(errBang)
									case "goexit":
										goexit()
									}
								}
								return i, ctx.Err()
							}, pool.ChunkSize(chunk), pool.RecycleAfter(recycle))
							if how == "given up" {
								opened, err := s.Open(ctx)
								require.NoError(t, err)
								var c stage.Chunk[int]
								require.NoError(t, opened.Pull(ctx, &c, stage.Limit{}))
								synctest.Wait()
								require.NoError(t, opened.Close())
								g.check()
								return
							}
							var end error
							for v, err := range s.All(ctx) {
								var e *stage.ItemError
								if err != nil && !errors.As(err, &e) {
									end = err
								}
								if how == "break" && v == 30 {
									break
								}
							}
							g.check()
							assert.NotEmpty(t, g.states)
							switch how {
							case "end", "break", "item fails", "panic", "goexit":
								assert.NoError(t, end)
							case "cancel":
								assert.ErrorIs(t, end, context.Canceled)
							case "terminate":
								assert.ErrorIs(t, end, pool.ErrTerminated)
							case "close":
								if recycle == 0 || end != nil { // all may have been pulled
									assert.True(t, end == nil || errors.Is(end, pool.ErrClosed), end)
								}
							case "new state fails":
								if len(g.states) >= 2 && g.failed > 0 {
									assert.ErrorIs(t, end, errBang)
								}
							default:
								assert.ErrorIs(t, end, errBang)
							}
							if how != "terminate" && how != "close" {
								requireAllSlots(t, p, workers)
							}
						})
					})
				}
			}
		}
	}
}

// A state that cannot be made ends the stream with the error, behind the items
// before it; it is not an item's error. What newState returned beside the error
// is nobody's.
func TestStateThatCannotBeMade(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, chunk := range []int{0, 1, 5} {
			for _, unordered := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d workers/chunk %d/unordered %t", workers, chunk, unordered), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						g := &garage{t: t, newErr: func(made int) error {
							if made == 4 {
								return errBang
							}
							return nil
						}}
						p := pool.New(workers)
						opts := []pool.Option{pool.ChunkSize(chunk), pool.RecycleAfter(10)}
						if unordered {
							opts = append(opts, pool.Unordered())
						}
						s := pool.ImapWith(p, countTo(100), g.newState, drive, opts...)
						items, failed, end := ranged(t, context.Background(), s)
						assert.Empty(t, failed)
						require.ErrorIs(t, end, errBang)
						assert.Less(t, len(items), 100)
						if unordered {
							assert.GreaterOrEqual(t, len(items), 40-10*(workers-1), "every result of what was run")
						} else {
							assert.Equal(t, integers(len(items), nil), items)
						}
						if workers == 1 {
							assert.Equal(t, integers(40, nil), items)
						}
						assert.Equal(t, 1, g.failed, "it is not tried again")
						g.check()
						requireAllSlots(t, p, workers)
					})
				})
			}
		}
	}
	t.Run("the first", func(t *testing.T) {
		g := &garage{t: t, newErr: func(int) error { return errBang }}
		p := pool.New(1)
		items, failed, end := ranged(t, context.Background(), pool.ImapWith(p, countTo(100), g.newState, drive))
		assert.Empty(t, items)
		assert.Empty(t, failed)
		require.ErrorIs(t, end, errBang)
		assert.Empty(t, g.states)
		require.NoError(t, p.Wait())
	})
}

func TestRecycleAfter(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, recycle := range []int{1, 2, 7, 100} {
			for _, chunk := range []int{0, 1, 5, 50} {
				t.Run(fmt.Sprintf("%d workers/after %d/chunk %d", workers, recycle, chunk), func(t *testing.T) {
					g := &garage{t: t}
					p := pool.New(workers)
					s := pool.ImapWith(p, countTo(60), g.newState, func(_ context.Context, v *vehicle, i int) (int, error) {
						defer v.use()()
						open := 0
						g.mu.Lock()
						for _, v := range g.states {
							open += 1 - v.closed
						}
						g.mu.Unlock()
						assert.LessOrEqual(t, open, workers, "the old state is closed before the new one is made")
						if i%4 == 3 {
							return 0, errBang // a failed item is an item
						}
						return i, nil
					}, pool.ChunkSize(chunk), pool.RecycleAfter(recycle))
					items, failed, end := ranged(t, context.Background(), s)
					require.NoError(t, end)
					assert.Len(t, failed, 15)
					assert.Equal(t, integers(60, func(i int) bool { return i%4 == 3 }), items)
					n := 0
					for _, v := range g.states {
						assert.Positive(t, v.items)
						assert.LessOrEqual(t, v.items, recycle)
						n += v.items
					}
					assert.Equal(t, 60, n)
					if workers == 1 {
						assert.Len(t, g.states, (60+recycle-1)/recycle)
						for _, v := range g.states[:len(g.states)-1] {
							assert.Equal(t, recycle, v.items)
						}
					}
					g.check()
					require.NoError(t, p.Wait())
				})
			}
		}
	}
}

// The default of a pool whose calls are ImapWith.
func TestRecycleAfterAsADefault(t *testing.T) {
	g := &garage{t: t}
	p := pool.New(1, pool.RecycleAfter(10))
	_, err := pool.ImapWith(p, countTo(60), g.newState, drive).Count(context.Background())
	require.NoError(t, err)
	assert.Len(t, g.states, 6)
	_, err = pool.ImapWith(p, countTo(60), g.newState, drive, pool.RecycleAfter(0)).Count(context.Background())
	require.NoError(t, err)
	assert.Len(t, g.states, 7, "0 means never")
	g.check()
}

// What closing the states reports comes last, after all items.
func TestStateCloseErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		each := []error{errors.New("flat tyre"), errors.New("no fuel")}
		g := &garage{t: t, closeErr: func(id int) error { return each[id] }}
		p := pool.New(2)
		s := pool.ImapWith(p, countTo(20), g.newState, func(_ context.Context, v *vehicle, i int) (int, error) {
			defer v.use()()
			time.Sleep(time.Millisecond)
			return i, nil
		}, pool.ChunkSize(1))
		items, failed, end := ranged(t, context.Background(), s)
		assert.Equal(t, integers(20, nil), items)
		assert.Empty(t, failed)
		for _, err := range each {
			require.ErrorIs(t, end, err)
		}
		g.check()

		g.states = nil
		opened, err := s.Open(context.Background())
		require.NoError(t, err)
		var c stage.Chunk[int]
		for range 5 {
			require.NoError(t, opened.Pull(context.Background(), &c, stage.Limit{}))
		}
		err = opened.Close()
		require.ErrorIs(t, err, each[0], "closing early reports it as well")
		require.NoError(t, opened.Close(), "once")
		g.check()
		requireAllSlots(t, p, 2)
	})
}

// A source's own error and those of the states are reported together.
func TestStateCloseErrorBesideTheSources(t *testing.T) {
	flat := errors.New("flat tyre")
	g := &garage{t: t, closeErr: func(int) error { return flat }}
	in := brokenAt(10, func() { explode(errBang) })
	items, _, end := ranged(t, context.Background(), pool.ImapWith(pool.New(1), in, g.newState, drive))
	assert.Equal(t, integers(10, nil), items)
	require.ErrorIs(t, end, errBang)
	require.ErrorIs(t, end, flat)
	g.check()
}

// A state that cannot be closed when it is recycled ends the stream there.
func TestStateCloseErrorWhenRecycled(t *testing.T) {
	flat := errors.New("flat tyre")
	for _, chunk := range []int{1, 4, 50} {
		g := &garage{t: t, closeErr: func(id int) error {
			if id == 2 {
				return flat
			}
			return nil
		}}
		p := pool.New(1)
		items, failed, end := ranged(t, context.Background(),
			pool.ImapWith(p, countTo(100), g.newState, drive, pool.ChunkSize(chunk), pool.RecycleAfter(10)))
		assert.Equal(t, integers(30, nil), items)
		assert.Empty(t, failed)
		require.ErrorIs(t, end, flat)
		g.check()
		require.NoError(t, p.Wait())
	}
}

// States that are no closers, or no values at all.
func TestStateWithoutClose(t *testing.T) {
	n, err := total(context.Background(), pool.ImapWith(pool.New(2), countTo(10),
		func(context.Context) (int, error) { return 1, nil },
		func(_ context.Context, one, i int) (int, error) { return i + one, nil }, pool.RecycleAfter(2)))
	require.NoError(t, err)
	assert.Equal(t, 55, n)
	n, err = total(context.Background(), pool.ImapWith(pool.New(2), countTo(10),
		func(context.Context) (any, error) { return nil, nil }, //nolint:nilnil // a state may be nothing
		func(_ context.Context, _ any, i int) (int, error) { return i, nil }, pool.RecycleAfter(2)))
	require.NoError(t, err)
	assert.Equal(t, 45, n)
}

// The context of newState is that of the run's functions.
func TestStateContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		contexts := make(chan context.Context, 1)
		s := pool.ImapWith(p, countTo(100), func(ctx context.Context) (context.Context, error) {
			contexts <- ctx
			return ctx, ctx.Err()
		}, func(_ context.Context, made context.Context, i int) (int, error) { return i, made.Err() })
		for _, err := range s.All(context.Background()) {
			require.NoError(t, err)
			break
		}
		require.Error(t, (<-contexts).Err(), "it ends with the run")

		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Second, func() { cancel(errHasty) })
		_, _, end := ranged(t, ctx, pool.ImapWith(p, countTo(100), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, func(_ context.Context, _, i int) (int, error) { return i, nil }))
		require.ErrorIs(t, end, errHasty)
		requireAllSlots(t, p, 1)
	})
}
