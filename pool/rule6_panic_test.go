package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// ---- sources

// brokenAt is a source that calls end when it is pulled at item n, in the
// middle of a chunk.
func brokenAt(n int, end func()) stage.Stream[int] {
	return handmadeStream(func() handmade[int] {
		next := 0
		return handmade[int]{pull: func(_ context.Context, into *stage.Chunk[int], limit stage.Limit) error {
			for range limit.Room() {
				if next == n {
					end()
				}
				into.Items = append(into.Items, next)
				next++
			}
			return nil
		}}
	})
}

func TestR6_PanicInSource(t *testing.T) {
	for _, verb := range lazyVerbs() {
		for _, chunk := range []int{0, 1, 4} {
			t.Run(fmt.Sprintf("%s/chunk %d", verb.name, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					s := verb.of(p, brokenAt(30, func() { explode(errBang) }), identity, pool.ChunkSize(chunk))
					items, failed, end := ranged(t, context.Background(), s)
					slices.Sort(items)
					assert.Equal(t, integers(30, nil), items, "what came before is delivered")
					assert.Empty(t, failed)
					requirePanicked(t, end, errBang, "brokenAt")
					require.ErrorIs(t, end, errBang)
					assert.Contains(t, end.Error(), "handmade", "the error names the source")
					requireAllSlots(t, p, 2)
				})
			})
		}
	}
	for _, verb := range eagerVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				items, err := verb.of(context.Background(), p, brokenAt(30, func() { explode(errBang) }), identity)
				assert.Nil(t, items)
				requirePanicked(t, err, errBang, "brokenAt")
				requireAllSlots(t, p, 2)
			})
		})
	}
}

func TestR6_GoexitInSource(t *testing.T) {
	for _, workers := range []int{1, 2, 4} {
		for _, opts := range [][]pool.Option{nil, {pool.ChunkSize(1)}, {pool.ChunkSize(3)}, {pool.InFlight(1)}, {pool.InFlight(5)}} {
			for _, verb := range lazyVerbs() {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(workers)
					s := verb.of(p, brokenAt(30, goexit), identity, opts...)
					items, failed, end := ranged(t, context.Background(), s)
					slices.Sort(items)
					assert.Equal(t, integers(len(items), nil), items)
					assert.Empty(t, failed)
					require.ErrorIs(t, end, stage.ErrGoexit, "nothing is cut short in silence")
					requireAllSlots(t, p, workers)
				})
			}
			for _, verb := range eagerVerbs() {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(workers)
					items, err := verb.of(context.Background(), p, brokenAt(30, goexit), identity, opts...)
					assert.Nil(t, items)
					require.ErrorIs(t, err, stage.ErrGoexit)
					requireAllSlots(t, p, workers)
				})
			}
		}
	}
}

// endings are the ways in which user code may not return.
func endings() map[string]func() {
	return map[string]func(){"panic": func() { explode(errBang) }, "goexit": goexit}
}

// requireEnded checks that err tells of one of the endings.
func requireEnded(t *testing.T, how string, err error) {
	t.Helper()
	if how == "panic" {
		requirePanicked(t, err, errBang, "explode")
	} else {
		require.ErrorIs(t, err, stage.ErrGoexit)
	}
}

// ownGoroutine runs fn in a goroutine that may be ended by runtime.Goexit, and
// reports whether it was.
func ownGoroutine(fn func()) (exited bool) {
	exited = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
		exited = false
	}()
	<-done
	return exited
}

// A source that cannot be opened fails the call; a Goexit there ends the
// goroutine that opened it, and leaves nothing of the call behind.
func TestR6_PanicInOpen(t *testing.T) {
	for how, end := range endings() {
		broken := stage.New("broken", func(context.Context) (stage.Puller[int], error) {
			end()
			return nil, errors.New("unreachable")
		})
		for _, verb := range lazyVerbs() {
			t.Run(how+"/"+verb.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					exited := ownGoroutine(func() {
						items, failed, end := ranged(t, context.Background(), verb.of(p, broken, identity))
						assert.Empty(t, items)
						assert.Empty(t, failed)
						requireEnded(t, how, end)
					})
					assert.False(t, exited && how == "panic")
					requireAllSlots(t, p, 2)
				})
			})
		}
		for _, verb := range eagerVerbs() {
			t.Run(how+"/"+verb.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					exited := ownGoroutine(func() {
						_, err := verb.of(context.Background(), p, broken, identity)
						requireEnded(t, how, err)
					})
					assert.False(t, exited && (how == "panic" || strings.HasSuffix(verb.name, "Async")), "an async call resolves")
					requireAllSlots(t, p, 2)
				})
			})
		}
	}
}

// A source whose Close does not return fails the call that had gone well.
func TestR6_PanicInClose(t *testing.T) {
	for how, end := range endings() {
		broken := handmadeStream(func() handmade[int] {
			return handmade[int]{
				pull: func(_ context.Context, into *stage.Chunk[int], _ stage.Limit) error {
					into.Items = append(into.Items, 1, 2, 3)
					return io.EOF
				},
				close: func() error {
					end()
					return nil
				},
			}
		})
		for _, verb := range lazyVerbs() {
			t.Run(how+"/"+verb.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					exited := ownGoroutine(func() {
						items, failed, end := ranged(t, context.Background(), verb.of(p, broken, identity))
						slices.Sort(items)
						assert.Equal(t, []int{1, 2, 3}, items)
						assert.Empty(t, failed)
						requireEnded(t, how, end)
					})
					assert.False(t, exited && how == "panic")
					requireAllSlots(t, p, 2)
				})
			})
		}
		for _, verb := range eagerVerbs() {
			t.Run(how+"/"+verb.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					exited := ownGoroutine(func() {
						_, err := verb.of(context.Background(), p, broken, identity)
						requireEnded(t, how, err)
					})
					assert.False(t, exited && (how == "panic" || strings.HasSuffix(verb.name, "Async")), "an async call resolves")
					requireAllSlots(t, p, 2)
				})
			})
		}
	}
}

// fours is a Filler: each pull takes a block of four numbers, and fill makes
// items of them.
type fours struct {
	next, n int
	fill    func(first int)
}

func (b *fours) Pull(_ context.Context, into *stage.Chunk[int], _ stage.Limit) error {
	into.Reset()
	if b.next >= b.n {
		return io.EOF
	}
	into.Block = []byte{byte(b.next), byte(b.next + 1), byte(b.next + 2), byte(b.next + 3)}
	into.Tokens = append(into.Tokens, stage.Token{At: stage.Position{Record: int64(b.next)}, First: int64(b.next), N: 4})
	b.next += 4
	return nil
}

func (b *fours) Fill(_ context.Context, c *stage.Chunk[int]) error {
	b.fill(int(c.Block[0]))
	for _, v := range c.Block {
		c.Items = append(c.Items, int(v))
	}
	return nil
}

func (b *fours) Close() error { return nil }

// A block that cannot be filled ends the stream at its place.
func TestR6_PanicInFill(t *testing.T) {
	for how, end := range endings() {
		in := stage.New("blocks", func(context.Context) (stage.Puller[int], error) {
			return &fours{n: 100, fill: func(first int) {
				if first == 40 {
					end()
				}
			}}, nil
		})
		for _, workers := range []int{1, 3} {
			for _, verb := range lazyVerbs() {
				t.Run(fmt.Sprintf("%s/%d workers/%s", how, workers, verb.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(workers)
						items, failed, end := ranged(t, context.Background(), verb.of(p, in, func(_ context.Context, i int) (int, error) {
							if i == 3 || i == 50 {
								return 0, errBang
							}
							return i, nil
						}))
						requireEnded(t, how, end)
						if verb.ordered {
							assert.Equal(t, integers(40, func(i int) bool { return i == 3 }), items)
							assert.Equal(t, []int64{3}, indices(failed))
						} else {
							slices.Sort(items)
							assert.Subset(t, items, integers(40, func(i int) bool { return i == 3 }))
							for i := 40; i < 44; i++ {
								assert.NotContains(t, items, i)
							}
						}
						requireAllSlots(t, p, workers)
					})
				})
			}
			for _, verb := range eagerVerbs() {
				t.Run(fmt.Sprintf("%s/%d workers/%s", how, workers, verb.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(workers)
						items, err := verb.of(context.Background(), p, in, identity)
						assert.Nil(t, items)
						requireEnded(t, how, err)
						requireAllSlots(t, p, workers)
					})
				})
			}
		}
	}
}

// measured is a source that is asked how long it is.
type measured struct {
	stage.Puller[int]
	remaining func() (int64, bool)
}

func (s measured) Remaining() (int64, bool) { return s.remaining() }

func TestR6_PanicInRemaining(t *testing.T) {
	in := stage.New("sized", func(ctx context.Context) (stage.Puller[int], error) {
		up, err := countTo(2000).Open(ctx)
		return measured{up, func() (int64, bool) { panic("bang") }}, err
	})
	items, failed, end := ranged(t, context.Background(), pool.Imap(pool.New(2), in, identity))
	require.NoError(t, end, "the length is only a hint")
	assert.Empty(t, failed)
	assert.Equal(t, integers(2000, nil), items)
}

// ---- the other functions that a user may give

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
