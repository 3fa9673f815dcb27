package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// R3 Collecting verbs fail fast with the lowest-index error: items after it are
// cancelled and not pulled, items before it finish.

type function = func(context.Context, int) (int, error)

// collecting are the eager verbs, run over the numbers of a stream.
var collecting = []struct {
	name string
	run  func(context.Context, *pool.Pool, stage.Stream[int], function, ...pool.Option) ([]int, error)
}{
	{"Map", pool.Map[int, int]},
	{"MapAsync", func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn function, opts ...pool.Option) ([]int, error) {
		return pool.MapAsync(ctx, p, in, fn, opts...).Get(context.Background())
	}},
	{"Starmap", func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn function, opts ...pool.Option) ([]int, error) {
		return pool.Starmap(ctx, p, twins(in), starred(fn), opts...)
	}},
	{"StarmapAsync", func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn function, opts ...pool.Option) ([]int, error) {
		return pool.StarmapAsync(ctx, p, twins(in), starred(fn), opts...).Get(context.Background())
	}},
	{"Reduce", func(ctx context.Context, p *pool.Pool, in stage.Stream[int], fn function, opts ...pool.Option) ([]int, error) {
		got, err := pool.Reduce(ctx, p, in, func() []int { return []int{} },
			func(ctx context.Context, acc []int, i int) ([]int, error) {
				b, err := fn(ctx, i)
				return append(acc, b), err
			},
			func(a, b []int) ([]int, error) { return append(a, b...), nil }, opts...)
		if err == nil {
			inOrder := make([]int, len(got)) // which worker folds what is left to chance
			for _, i := range got {
				inOrder[i] = i
			}
			got = inOrder
		}
		return got, err
	}},
}

// twins makes pairs of equals; an item that failed passes.
func twins(in stage.Stream[int]) stage.Stream[stage.Pair[int, int]] {
	return stage.Map(in, func(_ context.Context, i int) (stage.Pair[int, int], error) {
		return stage.Pair[int, int]{First: i, Second: i}, nil
	})
}

func starred(fn function) func(context.Context, int, int) (int, error) {
	return func(ctx context.Context, i, twin int) (int, error) {
		if i != twin {
			panic("not a pair of equals")
		}
		return fn(ctx, i)
	}
}

// diary is what a scripted function noted of its items, in fake time.
type diary struct {
	mu    sync.Mutex
	calls map[int]*entry
	pulls []time.Time
}

type entry struct {
	start, end time.Time
	cancelled  bool
}

// script is a job for a collecting verb: how long items take, which fail.
type script struct {
	prefix  int // items before those that take time
	takes   []time.Duration
	fails   map[int]bool
	records map[int]bool // those that fail in the source
	end     error
}

func newScript(r *rand.Rand) *script {
	s := &script{takes: make([]time.Duration, 1+r.IntN(150)), fails: map[int]bool{}, records: map[int]bool{}}
	if r.IntN(2) == 0 {
		s.prefix = 5000
	}
	for i := range s.takes {
		s.takes[i] = time.Millisecond * []time.Duration{0, 1, 10, 100, 1000, 30_000}[r.IntN(6)] //nolint:durationcheck // plain numbers
	}
	for range r.IntN(4) {
		s.fails[s.prefix+r.IntN(len(s.takes))] = true
	}
	if r.IntN(4) == 0 {
		s.records[s.prefix+r.IntN(len(s.takes))] = true
	}
	if r.IntN(4) == 0 {
		s.end = errSource
	}
	return s
}

func (s *script) feed(d *diary) *feed {
	f := numbers(s.prefix + len(s.takes))
	f.end = s.end
	f.fails = func(i int) bool { return s.records[i] }
	f.pull = func(context.Context, int) error {
		d.pulls = append(d.pulls, time.Now())
		return nil
	}
	return f
}

func (s *script) function(d *diary) function {
	return func(ctx context.Context, i int) (int, error) {
		if i < s.prefix {
			return i, ctx.Err()
		}
		e := &entry{start: time.Now()}
		d.mu.Lock()
		d.calls[i] = e
		d.mu.Unlock()
		err := nap(ctx, s.takes[i-s.prefix])
		e.end, e.cancelled = time.Now(), err != nil
		if err == nil && s.fails[i] {
			err = errItem
		}
		return i, err
	}
}

// lowest is the first record that fails, or -1.
func (s *script) lowest() int {
	for i := range s.prefix + len(s.takes) {
		if s.fails[i] || s.records[i] {
			return i
		}
	}
	return -1
}

func TestR3_LowestIndexWins(t *testing.T) {
	for _, verb := range collecting {
		t.Run(verb.name, func(t *testing.T) {
			for seed := range seeds(verb.name) {
				r := rand.New(rand.NewPCG(seed, 3))
				workers := 1 + r.IntN(6)
				opts := []pool.Option{pool.ChunkSize([]int{0, 0, 1, 3, 20}[r.IntN(5)]), pool.InFlight([]int{0, 0, 5, 100}[r.IntN(4)])}
				s := newScript(r)
				synctest.Test(t, func(t *testing.T) {
					d := &diary{calls: map[int]*entry{}}
					p := pool.New(workers)
					f := s.feed(d)
					got, err := verb.run(t.Context(), p, f.stream(), s.function(d), opts...)
					returned := time.Now()
					idle(t, p)
					require.EqualValues(t, 1, f.closed.Load())
					s.check(t, d, got, err, returned, "seed "+strconv.FormatUint(seed, 10))
				})
			}
		})
	}
}

// check compares what a verb returned, and what it ran, with the script.
func (s *script) check(t *testing.T, d *diary, got []int, err error, returned time.Time, seed string) {
	t.Helper()
	lowest := s.lowest()
	var e *stage.ItemError
	switch {
	case lowest < 0 && s.end == nil:
		require.NoError(t, err, seed)
		require.Equal(t, ints(s.prefix+len(s.takes)), got, seed)
		return
	case lowest < 0:
		require.ErrorIs(t, err, errSource, seed)
		require.NotErrorAs(t, err, &e, seed)
		lowest = s.prefix + len(s.takes)
	case s.records[lowest]:
		require.ErrorIs(t, err, errRecord, seed)
	default:
		require.ErrorIs(t, err, errItem, seed)
	}
	require.Nil(t, got, "with an error there is no result: %s", seed)
	if lowest < s.prefix+len(s.takes) {
		require.ErrorAs(t, err, &e, seed)
		require.EqualValues(t, lowest, e.At.Record, seed)
		require.EqualValues(t, lowest, e.Index, seed) // nothing failed in the source before it
	}
	for i := s.prefix; i < lowest; i++ {
		require.NotNil(t, d.calls[i], "%s: item %d before the failure did not run", seed, i)
		require.False(t, d.calls[i].cancelled, "%s: item %d before the failure was cancelled", seed, i)
	}
	for fail, failed := range d.calls {
		if !s.fails[fail] || failed.cancelled {
			continue
		}
		for i, call := range d.calls {
			if i <= fail {
				continue
			}
			require.False(t, call.start.After(failed.end), "%s: item %d began after item %d had failed", seed, i, fail)
			require.False(t, call.end.After(failed.end), "%s: item %d went on after item %d had failed", seed, i, fail)
		}
		for _, pull := range d.pulls {
			require.False(t, pull.After(failed.end), "%s: pulled after item %d had failed", seed, fail)
		}
	}
	for _, call := range d.calls {
		require.False(t, call.end.After(returned), "%s: something ran on", seed)
	}
}

// A worker whose items were cancelled may help with items before the failure:
// they must run as if nothing had happened.
func TestR3_CancelledWorkersHelpWithItemsBefore(t *testing.T) {
	for _, verb := range collecting {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const prefix = 8192 // makes the chunk large: the items behind are pulled in one
				p := pool.New(3)
				ran := map[int]error{}
				var mu sync.Mutex
				_, err := verb.run(t.Context(), p, numbers(prefix+400).stream(), func(ctx context.Context, i int) (int, error) {
					if i < prefix {
						return i, nil
					}
					err := nap(ctx, 10*time.Millisecond)
					mu.Lock()
					ran[i-prefix] = err
					mu.Unlock()
					if k := i - prefix; err == nil && (k == 199 || k >= 300) {
						err = errItem
					}
					return i, err
				})
				var e *stage.ItemError
				require.ErrorAs(t, err, &e)
				require.ErrorIs(t, err, errItem)
				require.EqualValues(t, prefix+199, e.Index)
				for k := range 200 {
					require.Contains(t, ran, k)
					require.NoError(t, ran[k])
				}
			})
		})
	}
}

// Items of blocks fail at their index in the stream, whoever filled and ran
// them, and a block that cannot be filled fails at its place.
func TestR3_LowestIndexWinsForBlocks(t *testing.T) {
	for _, verb := range collecting {
		t.Run(verb.name, func(t *testing.T) {
			for seed := range seeds(verb.name) {
				r := rand.New(rand.NewPCG(seed, 33))
				const n = 400
				b := &blocks{n: n, lens: func(block int) int { return (block*7 + int(seed)) % 60 }}
				fails, bad, broken := map[int]bool{}, -1, n
				for range r.IntN(3) {
					fails[r.IntN(n)] = true
				}
				if r.IntN(3) == 0 {
					bad = r.IntN(n)
				}
				if r.IntN(3) == 0 {
					broken = r.IntN(n)
				}
				b.fails = func(i int) bool { return i == bad }
				b.broken = func(i int) bool { return i == broken }
				opts := []pool.Option{pool.InFlight([]int{0, 0, 50}[r.IntN(3)])}
				workers := 1 + r.IntN(5)
				synctest.Test(t, func(t *testing.T) {
					b.fill = func(ctx context.Context, i int) { _ = nap(ctx, time.Duration(i*i%7)*time.Millisecond) }
					got, err := verb.run(t.Context(), pool.New(workers), b.stream(), func(ctx context.Context, i int) (int, error) {
						if err := nap(ctx, time.Duration(i*i%17)*time.Millisecond); err != nil {
							return 0, err
						}
						if fails[i] {
							return 0, errItem
						}
						return i, nil
					}, opts...)
					want := min(broken, n)
					for i := range fails {
						want = min(want, i)
					}
					if bad >= 0 {
						want = min(want, bad)
					}
					var e *stage.ItemError
					switch want {
					case n:
						require.NoError(t, err)
						require.Equal(t, ints(n), got)
					case bad:
						require.ErrorIs(t, err, errRecord)
						require.ErrorAs(t, err, &e)
						require.EqualValues(t, want, e.Index, "seed %d", seed)
					case broken:
						require.ErrorIs(t, err, errSource)
						require.NotErrorAs(t, err, &e)
					default:
						require.ErrorIs(t, err, errItem)
						require.ErrorAs(t, err, &e)
						require.EqualValues(t, want, e.Index, "seed %d", seed)
					}
				})
			}
		})
	}
}

// A block behind the failure that is being filled is given up, and none of its
// items is begun.
func TestR3_BlocksBehindTheFailureAreGivenUp(t *testing.T) {
	for _, verb := range collecting {
		if verb.name == "Starmap" || verb.name == "StarmapAsync" {
			continue // their test's pairs are made under the lock, and so are the items
		}
		synctest.Test(t, func(t *testing.T) {
			b := &blocks{n: 100, lens: func(int) int { return 10 }}
			b.fill = func(ctx context.Context, i int) {
				if i > 0 {
					_ = nap(ctx, time.Minute)
				}
			}
			begun := time.Now()
			_, err := verb.run(t.Context(), pool.New(4), b.stream(), func(ctx context.Context, i int) (int, error) {
				assert.Less(t, i, 10)
				if i == 5 {
					return 0, errItem
				}
				return i, nap(ctx, time.Millisecond)
			})
			require.ErrorIs(t, err, errItem, verb.name)
			require.Equal(t, 5*time.Millisecond, time.Since(begun), verb.name)
		})
	}
}

func TestR3_WhatIsCancelledIsToldWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told error
		_, err := pool.Map(t.Context(), pool.New(2), numbers(2).stream(), func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				return 0, errors.Join(nap(ctx, time.Second), errItem)
			}
			<-ctx.Done()
			told = context.Cause(ctx)
			return 0, ctx.Err()
		})
		require.ErrorIs(t, err, errItem)
		require.ErrorIs(t, told, errItem)
	})
}

// When the context ends, the verbs return its cause and nothing else.
func TestR3_TheCauseIsReported(t *testing.T) {
	for _, verb := range collecting {
		for _, what := range []string{"running", "before", "in the source", "deadline"} {
			t.Run(label(verb.name, what), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					f := numbers(noEnd)
					switch what {
					case "before":
						cancel(errCause)
					case "in the source":
						f.pull = func(ctx context.Context, next int) error {
							if next > 10 {
								return nap(ctx, noEnd)
							}
							return nil
						}
					case "deadline":
						var stop context.CancelFunc
						ctx, stop = context.WithTimeoutCause(ctx, time.Minute, errCause)
						defer stop()
					}
					time.AfterFunc(time.Minute, func() { cancel(errCause) })
					p := pool.New(3)
					got, err := verb.run(ctx, p, f.stream(), func(ctx context.Context, i int) (int, error) {
						if i%5 == 4 && what != "in the source" {
							<-ctx.Done()
							return 0, ctx.Err() // bare: the verb knows better
						}
						return i, nil
					})
					require.Nil(t, got)
					require.Equal(t, errCause, err)
					idle(t, p)
					if what == "before" {
						require.Zero(t, f.opened.Load())
					} else {
						require.EqualValues(t, 1, f.closed.Load())
					}
				})
			})
		}
	}
}

// A genuine failure is not hidden by the cancellation that it causes elsewhere.
func TestR3_FailureIsNotHiddenByCancellation(t *testing.T) {
	for _, verb := range collecting {
		synctest.Test(t, func(t *testing.T) {
			_, err := verb.run(t.Context(), pool.New(8), numbers(noEnd).stream(), func(ctx context.Context, i int) (int, error) {
				if i == 3 {
					return 0, errors.Join(nap(ctx, time.Second), errItem)
				}
				if i > 3 {
					return i, nap(ctx, time.Hour)
				}
				return i, nap(ctx, time.Minute)
			})
			var e *stage.ItemError
			require.ErrorAs(t, err, &e, verb.name)
			require.ErrorIs(t, err, errItem, verb.name)
			require.NotErrorIs(t, err, context.Canceled, verb.name)
			require.EqualValues(t, 3, e.Index)
		})
	}
}

func TestR3_NothingIsAnEmptySlice(t *testing.T) {
	for _, in := range []stage.Stream[int]{{}, numbers(0).stream(), numbers(10).stream().Filter(func(int) bool { return false })} {
		for _, verb := range collecting {
			got, err := verb.run(t.Context(), pool.New(2), in, same)
			require.NoError(t, err, verb.name)
			require.NotNil(t, got, verb.name)
			require.Empty(t, got, verb.name)
		}
	}
	for _, verb := range collecting {
		f := numbers(0)
		f.end = errSource
		got, err := verb.run(t.Context(), pool.New(2), f.stream(), same)
		require.ErrorIs(t, err, errSource, verb.name)
		require.Nil(t, got, verb.name)
	}
}

// A source that cannot be opened fails the call; nothing is left open.
func TestR3_SourceThatCannotBeOpened(t *testing.T) {
	in := stage.New("numbers", func(context.Context) (stage.Puller[int], error) { return nil, errSource })
	p := pool.New(2)
	for _, verb := range collecting {
		got, err := verb.run(t.Context(), p, in, same)
		require.ErrorIs(t, err, errSource, verb.name)
		require.Nil(t, got)
	}
	idle(t, p)
}

func TestR3_MergeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := pool.Reduce(t.Context(), pool.New(2), numbers(10).stream(), func() []int { return nil },
			func(ctx context.Context, acc []int, i int) ([]int, error) {
				return append(acc, i), nap(ctx, time.Millisecond)
			},
			func(a, b []int) ([]int, error) { return append(a, b...), errItem })
		require.ErrorIs(t, err, errItem)
		require.Nil(t, got)
	})
}

// seeds is how many random jobs a verb is tried with. The verbs share all but a
// few lines with Map.
func seeds(verb string) uint64 {
	if verb == "Map" {
		return 150
	}
	return 30
}
