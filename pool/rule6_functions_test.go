package pool_test

import (
	"context"
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

func TestR6_PanicInSequentialStageUpstream(t *testing.T) {
	fails := func(i int) bool { return i%9 == 4 }
	upstream := func() stage.Stream[int] {
		return stage.Map(countTo(50), func(_ context.Context, i int) (int, error) {
			if fails(i) {
				explode(errBang)
			}
			return i, nil
		}).Named("before")
	}
	for _, verb := range lazyVerbs() {
		if verb.name == "StarImap" {
			continue // its pairs are made by another stage
		}
		for _, chunk := range []int{0, 1, 6} {
			p := pool.New(2)
			items, failed, end := ranged(t, context.Background(), verb.of(p, upstream(), identity, pool.ChunkSize(chunk)))
			require.NoError(t, end)
			slices.Sort(items)
			assert.Equal(t, integers(50, fails), items)
			require.Len(t, failed, 6)
			for _, e := range failed {
				assert.Equal(t, "before", e.Stage)
				assert.True(t, fails(int(e.Index)))
				assert.EqualValues(t, e.Index, e.Input)
				requirePanicked(t, e, errBang, "explode")
			}
			require.NoError(t, p.Wait())
		}
	}
	for _, verb := range eagerVerbs() {
		items, err := verb.of(context.Background(), pool.New(2), upstream(), identity)
		assert.Nil(t, items)
		var e *stage.ItemError
		require.ErrorAs(t, err, &e)
		assert.EqualValues(t, 4, e.Index)
		requirePanicked(t, err, errBang, "explode")
	}
}

func TestR6_GoexitInSequentialStageUpstream(t *testing.T) {
	upstream := stage.Map(countTo(50), func(_ context.Context, i int) (int, error) {
		if i == 31 {
			goexit()
		}
		return i, nil
	})
	for _, chunk := range []int{0, 1, 6} {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2)
			items, failed, end := ranged(t, context.Background(), pool.Imap(p, upstream, identity, pool.ChunkSize(chunk)))
			assert.Equal(t, integers(len(items), nil), items)
			assert.LessOrEqual(t, len(items), 31)
			assert.Empty(t, failed)
			require.ErrorIs(t, end, stage.ErrGoexit)
			_, err := pool.Map(context.Background(), p, upstream, identity, pool.ChunkSize(chunk))
			require.ErrorIs(t, err, stage.ErrGoexit)
			requireAllSlots(t, p, 2)
		})
	}
}

func TestR6_PanicInNewState(t *testing.T) {
	for how, end := range endings() {
		for _, chunk := range []int{0, 1, 6} {
			for _, unordered := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/chunk %d/unordered %t", how, chunk, unordered), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(2)
						opts := []pool.Option{pool.ChunkSize(chunk), pool.RecycleAfter(10)}
						if unordered {
							opts = append(opts, pool.Unordered())
						}
						var made atomic.Int64
						s := pool.ImapWith(p, countTo(50), func(context.Context) (int, error) {
							if made.Add(1) == 3 {
								end()
							}
							return 0, nil
						}, func(_ context.Context, _, i int) (int, error) { return i, nil }, opts...)
						items, failed, last := ranged(t, context.Background(), s)
						assert.Empty(t, failed, "no item failed: the call did")
						if !unordered {
							assert.Equal(t, integers(len(items), nil), items)
						}
						assert.Less(t, len(items), 50)
						requireEnded(t, how, last)
						requireAllSlots(t, p, 2)
					})
				})
			}
		}
	}
}

// closing is a state with a Close.
type closing func() error

func (c closing) Close() error { return c() }

func TestR6_PanicInStateClose(t *testing.T) {
	for how, end := range endings() {
		for _, recycle := range []int{0, 7} {
			for _, workers := range []int{1, 3} {
				for _, chunk := range []int{0, 1, 6} {
					t.Run(fmt.Sprintf("%s/recycle %d/%d workers/chunk %d", how, recycle, workers, chunk), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							p := pool.New(workers)
							var made, closed atomic.Int64
							s := pool.ImapWith(p, countTo(50), func(context.Context) (closing, error) {
								made.Add(1)
								return func() error {
									if closed.Add(1) == 1 {
										end()
									}
									return nil
								}, nil
							}, func(_ context.Context, _ closing, i int) (int, error) { return i, nil },
								pool.ChunkSize(chunk), pool.RecycleAfter(recycle))
							items, failed, last := ranged(t, context.Background(), s)
							assert.Empty(t, failed)
							assert.Equal(t, integers(len(items), nil), items)
							if recycle == 0 {
								assert.Len(t, items, 50)
							}
							requireEnded(t, how, last)
							assert.Equal(t, made.Load(), closed.Load(), "each state is closed once")
							requireAllSlots(t, p, workers)
						})
					})
				}
			}
		}
	}
}

func TestR6_PanicInReduce(t *testing.T) {
	sum := func(a, b int) (int, error) { return a + b, nil }
	for how, end := range endings() {
		t.Run(how+"/newAcc", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				_, err := pool.Reduce(context.Background(), p, countTo(50), func() int {
					end()
					return 0
				}, func(_ context.Context, a, i int) (int, error) { return a + i, nil }, sum)
				requireEnded(t, how, err)
				requireAllSlots(t, p, 2)
			})
		})
		t.Run(how+"/newAcc of nothing", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				_, err := pool.Reduce(context.Background(), p, countTo(0), func() int {
					end()
					return 0
				}, func(_ context.Context, a, i int) (int, error) { return a + i, nil }, sum)
				requireEnded(t, how, err)
				requireAllSlots(t, p, 2)
			})
		})
		t.Run(how+"/step", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				_, err := pool.Reduce(context.Background(), p, countTo(50), func() int { return 0 },
					func(_ context.Context, a, i int) (int, error) {
						if i == 20 {
							end()
						}
						return a + i, nil
					}, sum)
				requireEnded(t, how, err)
				var e *stage.ItemError
				require.ErrorAs(t, err, &e)
				assert.EqualValues(t, 20, e.Index)
				requireAllSlots(t, p, 2)
			})
		})
		t.Run(how+"/merge", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				total, err := pool.Reduce(context.Background(), p, countTo(50), func() int { return 0 },
					func(_ context.Context, a, i int) (int, error) {
						time.Sleep(time.Millisecond) // both workers get some
						return a + i, nil
					}, func(a, b int) (int, error) {
						end()
						return a + b, nil
					}, pool.ChunkSize(1))
				assert.Zero(t, total)
				requireEnded(t, how, err)
				requireAllSlots(t, p, 2)
			})
		})
	}
}

func TestR6_PanicInSizeOf(t *testing.T) {
	narrow, wide := stage.Pure(func(i int) int8 { return int8(i) }), stage.Pure(func(v int8) int { return int(v) })
	for how, end := range endings() {
		for _, of := range []string{"input", "output"} {
			size := pool.SizeOf(func(v int8) int {
				if v == 30 {
					end()
				}
				return 1
			})
			for _, chunk := range []int{0, 1, 6} {
				for _, unordered := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/chunk %d/unordered %t", how, of, chunk, unordered), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							p := pool.New(2)
							opts := []pool.Option{pool.ChunkSize(chunk), pool.InFlightBytes(20), size}
							if unordered {
								opts = append(opts, pool.Unordered())
							}
							var items []int
							var failed []*stage.ItemError
							var last, err error
							if of == "input" {
								in := stage.Map(countTo(50), narrow)
								items, failed, last = ranged(t, context.Background(), pool.Imap(p, in, wide, opts...))
								_, err = pool.Map(context.Background(), p, in, wide, opts...)
							} else {
								bytes, f, l := ranged(t, context.Background(), pool.Imap(p, countTo(50), narrow, opts...))
								for _, b := range bytes {
									items = append(items, int(b))
								}
								failed, last = f, l
								_, err = pool.Map(context.Background(), p, countTo(50), narrow, opts...)
							}
							assert.Empty(t, failed)
							if !unordered {
								assert.Equal(t, integers(len(items), nil), items, "a prefix")
							}
							requireEnded(t, how, last)
							requireEnded(t, how, err)
							requireAllSlots(t, p, 2)
						})
					})
				}
			}
		}
	}
}

// A panic, or a Goexit, in the body of a range goes its own way, and leaves
// nothing behind.
func TestR6_PanicInConsumer(t *testing.T) {
	for how, end := range endings() {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				exited := ownGoroutine(func() {
					defer func() {
						v := recover()
						assert.Equal(t, how == "panic", v != nil)
					}()
					for v, err := range pool.Imap(p, endless(), identity).All(context.Background()) {
						assert.NoError(t, err)
						if v == 100 {
							end()
						}
					}
				})
				assert.Equal(t, how == "goexit", exited)
				requireAllSlots(t, p, 2)
			})
		})
	}
}

// What panics in a nested call fails the outer item with the inner place.
func TestR6_PanicInNestedCall(t *testing.T) {
	p := pool.New(1)
	_, err := pool.Map(context.Background(), p, countTo(10), func(ctx context.Context, i int) (int, error) {
		inner, err := pool.Map(ctx, p, countTo(10), func(_ context.Context, k int) (int, error) {
			if i == 4 && k == 7 {
				explode(errBang)
			}
			return k, nil
		}, pool.Name("inner"))
		return len(inner), err
	}, pool.Name("outer"))
	var e *stage.ItemError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "outer", e.Stage)
	assert.EqualValues(t, 4, e.Index)
	require.ErrorAs(t, e.Err, &e)
	assert.Equal(t, "inner", e.Stage)
	assert.EqualValues(t, 7, e.Index)
	requirePanicked(t, err, errBang, "explode")
	require.NoError(t, p.Wait())
}

// Goexits in many workers at once: the race detector looks on.
func TestR6_ManyAtOnce(t *testing.T) {
	p := pool.New(8)
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			s := pool.ImapUnordered(p, countTo(500), func(_ context.Context, i int) (int, error) {
				switch i % 5 {
				case 0:
					explode("bang")
				case 1:
					goexit()
				}
				return i, nil
			}, pool.ChunkSize(c))
			items, failed, end := ranged(t, context.Background(), s)
			assert.NoError(t, end)
			assert.Len(t, items, 300)
			assert.Len(t, failed, 200)
		})
	}
	wg.Wait()
	require.NoError(t, p.Wait())
}

// incomparable is an error of a type that == panics for.
type incomparable []string

func (e incomparable) Error() string { return e[0] }

// oddErrors are errors that are hard to look at.
func oddErrors() map[string]error {
	var e *stage.ItemError
	return map[string]error{"nil pointer": e, "not comparable": incomparable{"bang"}}
}

// No error that a user's function or source returns makes the engine panic.
func TestR6_OddErrors(t *testing.T) {
	for name, odd := range oddErrors() {
		fails := func(i int) bool { return i%10 == 3 }
		fn := func(_ context.Context, i int) (int, error) {
			if fails(i) {
				return 0, odd
			}
			return i, nil
		}
		ending := handmadeStream(func() handmade[int] {
			return handmade[int]{pull: func(_ context.Context, into *stage.Chunk[int], _ stage.Limit) error {
				into.Items = append(into.Items, 0, 1, 2)
				return odd
			}}
		})
		for _, verb := range lazyVerbs() {
			t.Run(name+"/"+verb.name, func(t *testing.T) {
				p := pool.New(2)
				items, failed, end := ranged(t, context.Background(), verb.of(p, countTo(50), fn))
				require.NoError(t, end)
				slices.Sort(items)
				assert.Equal(t, integers(50, fails), items)
				require.Len(t, failed, 5)
				for _, e := range failed {
					assert.Equal(t, odd, e.Err)
				}
				var got []int
				ended := false
				for v, err := range verb.of(p, ending, identity).All(context.Background()) {
					if err != nil {
						assert.False(t, ended, "once")
						ended = true
						end = err
						continue
					}
					got = append(got, v)
				}
				slices.Sort(got)
				assert.Equal(t, []int{0, 1, 2}, got)
				assert.Equal(t, odd, end)
				require.NoError(t, p.Wait())
			})
		}
		for _, verb := range eagerVerbs() {
			t.Run(name+"/"+verb.name, func(t *testing.T) {
				p := pool.New(2)
				_, err := verb.of(context.Background(), p, countTo(50), fn)
				e, isItem := err.(*stage.ItemError) //nolint:errorlint // its cause cannot be looked into
				require.True(t, isItem)
				assert.EqualValues(t, 3, e.Index)
				assert.Equal(t, odd, e.Err)
				_, err = verb.of(context.Background(), p, ending, identity)
				assert.Equal(t, odd, err)
				require.NoError(t, p.Wait())
			})
		}
		t.Run(name+"/Apply", func(t *testing.T) {
			p := pool.New(2)
			_, err := pool.Apply(context.Background(), p, func(context.Context) (int, error) { return 0, odd })
			assert.Equal(t, odd, err)
			ctx, cancel := context.WithCancel(context.Background())
			_, err = pool.Apply(ctx, p, func(context.Context) (int, error) {
				cancel()
				return 0, odd
			})
			assert.Equal(t, odd, err)
			require.NoError(t, p.Wait())
		})
	}
}
