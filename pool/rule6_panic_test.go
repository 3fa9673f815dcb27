package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

var errBang = errors.New("bang")

// explode panics: its name shows in the stack.
func explode(v any) { panic(v) }

// explosives are things to panic with, and what the panic's value is then.
func explosives() map[string]func() {
	return map[string]func(){
		"string":  func() { explode("bang") },
		"error":   func() { explode(errBang) },
		"wrapped": func() { explode(fmt.Errorf("at the stage: %w", errBang)) },
		"number":  func() { explode(42) },
		"nil":     func() { explode(nil) },
		"typed nil": func() {
			var e *stage.ItemError
			explode(e)
		},
		"runtime": func() { explode(make([]int, 0)[:0:0][len(indices(nil))]) },
	}
}

func TestR6_PanicBecomesItemError(t *testing.T) {
	fails := func(i int) bool { return i%10 == 3 }
	for kind, bang := range explosives() {
		for _, verb := range lazyVerbs() {
			for _, workers := range []int{1, 3} {
				for _, chunk := range []int{0, 1, 4, 100} {
					t.Run(fmt.Sprintf("%s/%s/%d workers/chunk %d", kind, verb.name, workers, chunk), func(t *testing.T) {
						p := pool.New(workers)
						s := verb.of(p, countTo(50), func(_ context.Context, i int) (int, error) {
							if fails(i) {
								bang()
							}
							return i, nil
						}, pool.ChunkSize(chunk), pool.Name("boiler"))
						items, failed, end := ranged(t, context.Background(), s)
						require.NoError(t, end)
						slices.SortFunc(failed, func(a, b *stage.ItemError) int { return int(a.Index - b.Index) })
						if !verb.ordered {
							slices.Sort(items)
						}
						assert.Equal(t, integers(50, fails), items, "the siblings are delivered")
						require.Equal(t, []int64{3, 13, 23, 33, 43}, indices(failed))
						for _, e := range failed {
							assert.Equal(t, "boiler", e.Stage)
							if verb.name == "StarImap" {
								assert.Equal(t, stage.Pair[int, int]{First: int(e.Index)}, e.Input)
							} else {
								assert.Equal(t, int(e.Index), e.Input)
							}
							requirePanicked(t, e, nil, "explosives")
							assert.Contains(t, e.Error(), "panic: ")
							if kind == "error" || kind == "wrapped" {
								require.ErrorIs(t, e, errBang, "an error that was panicked with can be found")
							}
						}
						require.NoError(t, p.Wait())
					})
				}
			}
		}
	}
}

// The failures stand where their items were.
func TestR6_PanicKeepsItsPlace(t *testing.T) {
	for _, chunk := range []int{0, 1, 3, 64} {
		s := pool.Imap(pool.New(2), countTo(40), func(_ context.Context, i int) (int, error) {
			if i%7 == 0 {
				panic(i)
			}
			return i, nil
		}, pool.ChunkSize(chunk))
		i := 0
		for v, err := range s.All(context.Background()) {
			if i%7 == 0 {
				var e *stage.ItemError
				require.ErrorAs(t, err, &e)
				assert.EqualValues(t, i, e.Index)
				requirePanicked(t, err, i, "TestR6_PanicKeepsItsPlace")
			} else {
				require.NoError(t, err)
				assert.Equal(t, i, v)
			}
			i++
		}
		assert.Equal(t, 40, i)
	}
}

func TestR6_PanicInMapChunksFailsItsChunk(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { explode(errBang) }, "goexit": goexit} {
		t.Run(name, func(t *testing.T) {
			p := pool.New(2)
			s := pool.MapChunks(p, countTo(30), func(_ context.Context, in []int) ([]int, error) {
				if slices.Contains(in, 12) {
					end()
				}
				return slices.Clone(in), nil
			}, pool.ChunkSize(5))
			items, failed, last := ranged(t, context.Background(), s)
			require.NoError(t, last)
			assert.Equal(t, integers(30, func(i int) bool { return i/5 == 2 }), items)
			require.Equal(t, []int64{10, 11, 12, 13, 14}, indices(failed))
			for _, e := range failed {
				assert.Equal(t, int(e.Index), e.Input)
				if name == "panic" {
					requirePanicked(t, e, errBang, "explode")
				} else {
					require.ErrorIs(t, e, stage.ErrGoexit)
				}
			}
			require.NoError(t, p.Wait())
		})
	}
}

func TestR6_PanicDropsWhatFlatMapEmitted(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { explode("bang") }, "goexit": goexit} {
		t.Run(name, func(t *testing.T) {
			s := pool.FlatMap(pool.New(2), countTo(9), func(_ context.Context, i int, emit func(int)) error {
				emit(10 * i)
				emit(10*i + 1)
				if i%3 == 1 {
					end()
				}
				emit(10*i + 2)
				return nil
			}, pool.ChunkSize(4))
			items, failed, last := ranged(t, context.Background(), s)
			require.NoError(t, last)
			assert.Equal(t, []int{0, 1, 2, 20, 21, 22, 30, 31, 32, 50, 51, 52, 60, 61, 62, 80, 81, 82}, items)
			assert.Equal(t, []int64{1, 4, 7}, indices(failed))
		})
	}
}

func TestR6_GoexitBecomesItemError(t *testing.T) {
	fails := func(i int) bool { return i%10 >= 8 } // two in a row
	for _, verb := range lazyVerbs() {
		for _, workers := range []int{1, 3} {
			for _, chunk := range []int{0, 1, 4, 100} {
				t.Run(fmt.Sprintf("%s/%d workers/chunk %d", verb.name, workers, chunk), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(workers)
						s := verb.of(p, countTo(50), func(_ context.Context, i int) (int, error) {
							if fails(i) {
								goexit()
							}
							return i, nil
						}, pool.ChunkSize(chunk))
						items, failed, end := ranged(t, context.Background(), s)
						require.NoError(t, end)
						slices.SortFunc(failed, func(a, b *stage.ItemError) int { return int(a.Index - b.Index) })
						if !verb.ordered {
							slices.Sort(items)
						}
						assert.Equal(t, integers(50, fails), items)
						require.Equal(t, []int64{8, 9, 18, 19, 28, 29, 38, 39, 48, 49}, indices(failed))
						for _, e := range failed {
							require.ErrorIs(t, e, stage.ErrGoexit)
						}
						requireAllSlots(t, p, workers)
					})
				})
			}
		}
	}
}

func TestR6_PanicEndsEagerCall(t *testing.T) {
	for _, verb := range eagerVerbs() {
		for kind, bang := range explosives() {
			for _, chunk := range []int{0, 1, 7} {
				t.Run(fmt.Sprintf("%s/%s/chunk %d", verb.name, kind, chunk), func(t *testing.T) {
					p := pool.New(2)
					items, err := verb.of(context.Background(), p, countTo(100), func(_ context.Context, i int) (int, error) {
						if i >= 33 {
							bang()
						}
						return i, nil
					}, pool.ChunkSize(chunk))
					assert.Nil(t, items)
					var e *stage.ItemError
					require.ErrorAs(t, err, &e)
					assert.EqualValues(t, 33, e.Index)
					assert.Equal(t, verb.name, e.Stage)
					requirePanicked(t, err, nil, "explosives")
					require.NoError(t, p.Wait())
				})
			}
		}
	}
}

func TestR6_GoexitEndsEagerCall(t *testing.T) {
	for _, verb := range eagerVerbs() {
		for _, chunk := range []int{0, 1, 7} {
			t.Run(fmt.Sprintf("%s/chunk %d", verb.name, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					items, err := verb.of(context.Background(), p, countTo(100), func(_ context.Context, i int) (int, error) {
						if i >= 33 {
							goexit()
						}
						return i, nil
					}, pool.ChunkSize(chunk))
					assert.Nil(t, items)
					var e *stage.ItemError
					require.ErrorAs(t, err, &e)
					assert.EqualValues(t, 33, e.Index)
					require.ErrorIs(t, err, stage.ErrGoexit)
					requireAllSlots(t, p, 2)
				})
			})
		}
	}
}

func TestR6_PanicInApply(t *testing.T) {
	apply := map[string]func(*pool.Pool, func(context.Context) (int, error)) (int, error){
		"Apply": func(p *pool.Pool, fn func(context.Context) (int, error)) (int, error) {
			return pool.Apply(context.Background(), p, fn)
		},
		"ApplyAsync": func(p *pool.Pool, fn func(context.Context) (int, error)) (int, error) {
			return pool.ApplyAsync(context.Background(), p, fn).Get(context.Background())
		},
		"claimed by a task": func(p *pool.Pool, fn func(context.Context) (int, error)) (int, error) {
			return pool.Apply(context.Background(), p, func(ctx context.Context) (int, error) {
				return pool.ApplyAsync(ctx, p, fn).Get(ctx)
			})
		},
	}
	for name, apply := range apply {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				for _, bang := range explosives() {
					v, err := apply(p, func(context.Context) (int, error) {
						bang()
						return 7, nil
					})
					assert.Zero(t, v)
					requirePanicked(t, err, nil, "explosives")
				}
				v, err := apply(p, func(context.Context) (int, error) {
					goexit()
					return 7, nil
				})
				assert.Zero(t, v)
				require.ErrorIs(t, err, stage.ErrGoexit)
				v, err = apply(p, func(context.Context) (int, error) { return 7, nil })
				require.NoError(t, err, "the worker lives on")
				assert.Equal(t, 7, v)
				requireAllSlots(t, p, 1)
			})
		})
	}
}

// A worker that met a panic goes on with the same state; so does one whose
// function ended its goroutine.
func TestR6_WorkerLivesOn(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { explode("bang") }, "goexit": goexit} {
		for _, chunk := range []int{0, 1, 8} {
			t.Run(fmt.Sprintf("%s/chunk %d", name, chunk), func(t *testing.T) {
				var made int
				s := pool.ImapWith(pool.New(1), countTo(40), func(context.Context) (*int, error) {
					made++
					return new(int), nil
				}, func(_ context.Context, calls *int, i int) (int, error) {
					*calls++
					if i%2 == 0 {
						end()
					}
					return *calls, nil
				}, pool.ChunkSize(chunk))
				items, failed, last := ranged(t, context.Background(), s)
				require.NoError(t, last)
				assert.Len(t, failed, 20)
				assert.Equal(t, integers(41, func(i int) bool { return i == 0 || i%2 == 1 }), items, "one state saw all 40 calls")
				assert.Equal(t, 1, made)
			})
		}
	}
}

// While one worker's function panics over and over, the others go on, and the
// call has all of its workers to the end.
func TestR6_PanicCostsNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 4
		for _, end := range []func(){func() { explode("bang") }, goexit} {
			var gauge runGauge
			begun := time.Now()
			s := pool.ImapUnordered(pool.New(workers), countTo(400), func(_ context.Context, i int) (int, error) {
				defer gauge.enter()()
				time.Sleep(time.Millisecond)
				if i%4 != 0 {
					end()
				}
				return i, nil
			}, pool.ChunkSize(1))
			items, failed, last := ranged(t, context.Background(), s)
			require.NoError(t, last)
			assert.Len(t, items, 100)
			assert.Len(t, failed, 300)
			assert.EqualValues(t, workers, gauge.peak.Load())
			assert.Less(t, time.Since(begun), 102*time.Millisecond, "400 items of 1 ms by 4 workers")
		}
	})
}

// A chunk that is shared between workers keeps the places of its failures.
func TestR6_PanicInSharedChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) { // a deadline is for the real clock
			workers := rapid.IntRange(1, 4).Draw(t, "workers")
			quick := rapid.IntRange(0, 300).Draw(t, "quick")
			slow := rapid.IntRange(1, 60).Draw(t, "slow")
			every := rapid.IntRange(2, 9).Draw(t, "every")
			end := rapid.SampledFrom([]func(){func() { explode("bang") }, goexit}).Draw(t, "end")
			s := pool.Imap(pool.New(workers), countTo(quick+slow), func(_ context.Context, i int) (int, error) {
				if i >= quick {
					time.Sleep(20 * time.Millisecond)
				}
				if i%every == 1 {
					end()
				}
				return i, nil
			})
			items, failed, last := ranged(t, context.Background(), s)
			require.NoError(t, last)
			require.Equal(t, integers(quick+slow, func(i int) bool { return i%every == 1 }), items)
			for k, e := range failed {
				require.EqualValues(t, 1+k*every, e.Index)
				require.Equal(t, 1+k*every, e.Input)
			}
			require.Len(t, failed, quick+slow-len(items))
		})
	})
}
