package pool_test

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// R1 Bounded and lazy: items pulled from the source and not yet let go by the
// consumer never exceed the in-flight budget.

// account is a consumer that knows what it has let go: what it was handed
// before its last pull.
type account[T any] struct {
	t             *testing.T
	p             stage.Puller[T]
	c             stage.Chunk[T]
	handed        int64 // items and errors
	chunks        int64
	letGo, letOff atomic.Int64 // items and chunks
}

func openAccount[T any](t *testing.T, s stage.Stream[T]) *account[T] {
	t.Helper()
	p, err := s.Open(t.Context())
	require.NoError(t, err)
	return &account[T]{t: t, p: p}
}

func (a *account[T]) pull(limit int) error {
	a.t.Helper()
	a.letGo.Store(a.handed)
	a.letOff.Store(a.chunks)
	err := a.p.Pull(a.t.Context(), &a.c, stage.Limit{Items: limit})
	a.handed += int64(len(a.c.Items) + len(a.c.Errors))
	a.chunks++
	return err
}

func (a *account[T]) close() {
	a.t.Helper()
	require.NoError(a.t, a.p.Close())
}

// stall lets so much time pass that everything has happened that may happen
// before the next pull.
func stall() {
	time.Sleep(time.Hour)
	synctest.Wait()
}

// slow takes long enough for the automatic chunk to stay at one item.
func slow(ctx context.Context, i int) (int, error) { return i, nap(ctx, time.Millisecond) }

// most keeps the largest value that it was shown.
type most struct{ atomic.Int64 }

func (m *most) see(v int64) {
	for old := m.Load(); v > old && !m.CompareAndSwap(old, v); old = m.Load() {
	}
}

func TestR1_InFlightIsExact(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		for _, budget := range []int{1, 2, 3, 7, 64, 100} {
			for _, chunk := range []int{0, 1, 3, 4, 64, 1000} {
				for _, order := range orders {
					t.Run(label(workers, budget, chunk, order.name), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { inFlightIsExact(t, workers, budget, chunk, order.unordered) })
					})
				}
			}
		}
	}
}

func inFlightIsExact(t *testing.T, workers, budget, chunk int, unordered bool) {
	t.Helper()
	f, peak := numbers(noEnd), most{}
	p := pool.New(workers)
	a := openAccount(t, pool.Imap(p, f.stream(), slow, options(unordered, pool.ChunkSize(chunk), pool.InFlight(budget))...))
	f.took = func(_ stage.Limit, next, n int) { peak.see(int64(next+n) - a.letGo.Load()) }
	size := min(max(1, chunk), budget)
	for range 12 {
		require.NoError(t, a.pull(0))
		stall()
		// What is handed out counts, so that a whole chunk more would not fit.
		require.EqualValues(t, budget/size*size, f.pulled.Load()-a.letGo.Load())
	}
	for range 50 {
		require.NoError(t, a.pull(2))
	}
	require.LessOrEqual(t, peak.Load(), int64(budget), "at every moment")
	a.close()
	idle(t, p)
}

// A source that has less at hand than it is asked for leaves credit for others.
func TestR1_InFlightIsExactWithShortChunks(t *testing.T) {
	for _, order := range orders {
		for _, workers := range []int{1, 3} {
			t.Run(label(workers, order.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, peak := numbers(noEnd), most{}
					f.lens = func(pull int) int { return pull % 4 }
					a := openAccount(t, pool.Imap(pool.New(workers), f.stream(), slow,
						options(order.unordered, pool.ChunkSize(4), pool.InFlight(10))...))
					defer a.close()
					f.took = func(_ stage.Limit, next, n int) { peak.see(int64(next+n) - a.letGo.Load()) }
					for range 40 {
						require.NoError(t, a.pull(0))
						stall()
						out := f.pulled.Load() - a.letGo.Load()
						require.Greater(t, out, int64(10-4), "a full chunk would have fitted")
						require.LessOrEqual(t, out, int64(10))
					}
					require.LessOrEqual(t, peak.Load(), int64(10))
				})
			})
		}
	}
}

func TestR1_InFlightCountsEveryStateOfAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Item 0 runs for long, so that the others wait for their turn behind it.
		f := numbers(noEnd)
		var run gauge
		a := openAccount(t, pool.Imap(pool.New(4), f.stream(), func(ctx context.Context, i int) (int, error) {
			run.enter()
			defer run.leave()
			if i == 0 {
				return i, nap(ctx, 10*time.Hour)
			}
			return slow(ctx, i)
		}, pool.InFlight(16)))
		defer a.close()
		begun := time.Now()
		go func() {
			time.Sleep(5 * time.Hour)
			now, peak, entered := run.read()
			assert.Equal(t, 1, now, "only the slow one runs")
			assert.Equal(t, 4, peak)
			assert.Equal(t, 16, entered, "the others are done, and not a single one more was begun")
			assert.EqualValues(t, 16, f.pulled.Load())
		}()
		for i := range 16 {
			require.NoError(t, a.pull(0))
			require.Equal(t, []int{i}, a.c.Items)
		}
		require.Equal(t, 10*time.Hour, time.Since(begun).Truncate(time.Minute))
	})
}

func TestR1_UnorderedPassesTheSlowItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(100)
		begun := time.Now()
		o := drain(t, pool.ImapUnordered(pool.New(2), f.stream(), func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				return i, nap(ctx, time.Hour)
			}
			return slow(ctx, i)
		}, pool.InFlight(3)), nil)
		items := o.items()
		require.ElementsMatch(t, ints(100), items)
		require.Equal(t, 0, items[99], "everything passes the slow item, since its budget is only one of three")
		require.Equal(t, time.Hour, time.Since(begun))
	})
}

func TestR1_DefaultBudget(t *testing.T) {
	// The larger of 64 items and 4 x workers x the current chunk, at most 4096 x
	// workers; a whole number of chunks fits into that. Credit for small chunks
	// moves in lots, so that some of it may be on its way.
	for _, c := range []struct{ workers, chunk, want int }{
		{1, 1, 64}, {2, 1, 64}, {16, 1, 64}, {17, 1, 68}, {40, 1, 160},
		{1, 16, 64}, {1, 17, 68}, {2, 100, 800}, {3, 50, 600},
		{2, 3000, 6000}, {2, 1024, 8192}, {1, 4096, 4096}, {1, 10_000, 4096}, {3, 10_000, 10_000},
		{2, 0, 64}, {40, 0, 160}, // a slow function keeps chunk 1
		{1, math.MaxInt, 4096},
	} {
		for _, order := range orders {
			t.Run(label(c.workers, c.chunk, order.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := numbers(noEnd)
					a := openAccount(t, pool.Imap(pool.New(c.workers), f.stream(), slow,
						options(order.unordered, pool.ChunkSize(c.chunk), pool.InFlight(0))...))
					defer a.close()
					least := c.want
					if max(1, c.chunk)*c.workers <= 8 {
						least = c.want/2 + 1
					}
					for range 2 + 20/max(1, c.chunk) {
						require.NoError(t, a.pull(0))
						stall()
						out := f.pulled.Load() - a.letGo.Load()
						require.LessOrEqual(t, out, int64(c.want))
						require.GreaterOrEqual(t, out, int64(least))
					}
				})
			})
		}
	}
}

func TestR1_DefaultBudgetFollowsTheAutomaticChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 2
		f := numbers(300_000)
		var peak, largest most
		a := openAccount(t, pool.Imap(pool.New(workers), f.stream(), same))
		defer a.close()
		f.took = func(asked stage.Limit, next, n int) {
			largest.see(int64(asked.Items))
			out := int64(next+n) - a.letGo.Load()
			peak.see(out)
			assert.LessOrEqual(t, out, max(64, 4*workers*2*largest.Load()), "asked %d", asked.Items)
		}
		for err := error(nil); err == nil; {
			err = a.pull(0)
		}
		require.EqualValues(t, 300_000, a.handed)
		require.EqualValues(t, 1024, largest.Load())
		require.Greater(t, peak.Load(), int64(4096))
		require.LessOrEqual(t, peak.Load(), int64(4*workers*1024))
	})
}

func TestR1_FixedChunkIsCutToTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(95)
		var asked []int
		f.took = func(l stage.Limit, _, _ int) { asked = append(asked, l.Items) }
		var sizes []int
		s := pool.MapChunks(pool.New(4), f.stream(), func(_ context.Context, in []int) ([]int, error) {
			sizes = append(sizes, len(in)) // one call at a time: the budget has room for no more
			return in, nil
		}, pool.ChunkSize(1000), pool.InFlight(10))
		got, err := s.Collect(t.Context())
		require.NoError(t, err)
		require.Equal(t, ints(95), got)
		require.Equal(t, []int{10, 10, 10, 10, 10, 10, 10, 10, 10, 5}, sizes, "cut to the budget, not divided by the workers")
		for _, n := range asked {
			require.Equal(t, 10, n)
		}
	})
}

func TestR1_HugeArguments(t *testing.T) {
	for _, opts := range [][]pool.Option{
		{pool.ChunkSize(math.MaxInt)},
		{pool.InFlight(math.MaxInt)},
		{pool.ChunkSize(math.MaxInt), pool.InFlight(math.MaxInt)},
		{pool.InFlightBytes(math.MaxInt64)},
		{pool.ChunkSize(math.MaxInt), pool.InFlight(math.MaxInt), pool.InFlightBytes(math.MaxInt64)},
	} {
		f := numbers(5000)
		f.lens = func(int) int { return 100 }
		got, err := pool.Imap(pool.New(2), f.stream(), same, opts...).Collect(t.Context())
		require.NoError(t, err)
		require.Equal(t, ints(5000), got)
	}
}

func TestR1_NothingRunsBeforeTheFirstPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(3)
		f, b := numbers(1000), &blocks{n: 1000}
		var calls atomic.Int64
		fn := func(_ context.Context, i int) (int, error) { calls.Add(1); return i, nil }
		var plans []stage.Stream[int]
		for _, in := range []stage.Stream[int]{f.stream(), b.stream()} {
			plans = append(plans,
				pool.Imap(p, in, fn),
				pool.ImapUnordered(p, in, fn),
				pool.Imap(p, pool.Imap(p, in, fn), fn),
				pool.ImapWith(p, in, func(context.Context) (int, error) { calls.Add(1); return 0, nil },
					func(ctx context.Context, _, i int) (int, error) { return fn(ctx, i) }),
				pool.FlatMap(p, in, func(ctx context.Context, i int, emit func(int)) error { emit(i); _, err := fn(ctx, i); return err }),
				pool.FilterMap(p, in, func(ctx context.Context, i int) (int, bool, error) { _, err := fn(ctx, i); return i, true, err }),
				pool.MapChunks(p, in, func(_ context.Context, in []int) ([]int, error) { calls.Add(1); return in, nil }),
				pool.Imap(p, stage.Map(in, fn), fn).Filter(func(int) bool { calls.Add(1); return true }),
			)
		}
		for _, s := range plans {
			seq := s.All(t.Context())
			stall()
			require.Zero(t, f.opened.Load()+b.opened.Load(), "a plan opens nothing")

			q, err := s.Open(t.Context())
			require.NoError(t, err)
			stall()
			require.EqualValues(t, 1, f.opened.Load()+b.opened.Load())
			require.Zero(t, f.pulls.Load(), "nothing is pulled before the first pull")
			require.Zero(t, calls.Load())
			require.NoError(t, q.Close())
			require.EqualValues(t, 1, f.closed.Load()+b.closed.Load())
			require.Zero(t, f.pulls.Load())
			require.Zero(t, calls.Load())

			n := 0
			for _, err := range seq {
				require.NoError(t, err)
				n++
			}
			require.Equal(t, 1000, n, "a plan can be run after all")
			f.opened.Store(0)
			b.opened.Store(0)
			f.closed.Store(0)
			b.closed.Store(0)
			f.pulls.Store(0)
			calls.Store(0)
		}
		idle(t, p)
	})
}

func TestR1_BatchLargerThanTheBudget(t *testing.T) {
	for _, opts := range [][]pool.Option{
		{pool.InFlight(64)},
		{pool.InFlight(1)},
		{pool.InFlight(64), pool.ChunkSize(64)},
		{pool.InFlight(64), pool.ChunkSize(7), pool.Unordered()},
		{pool.InFlightBytes(64)},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := numbers(1050)
			got, err := stage.Batch(pool.Imap(pool.New(3), f.stream(), slow, opts...), 100).Collect(t.Context())
			require.NoError(t, err)
			require.Len(t, got, 11)
			var all []int
			for _, b := range got {
				all = append(all, b...)
			}
			require.ElementsMatch(t, ints(1050), all)
		})
	}
}

// A chunk without items takes a place in the ring all the same.
func TestR1_EmptyChunksCount(t *testing.T) {
	for _, order := range orders {
		for _, budget := range []int{1, 4, 0} {
			t.Run(label(order.name, budget), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, peak := numbers(300), most{}
					f.lens = func(pull int) int { return pull % 10 / 9 } // nine of ten have nothing at hand
					a := openAccount(t, pool.Imap(pool.New(3), f.stream(), slow,
						options(order.unordered, pool.InFlight(budget))...))
					defer a.close()
					f.took = func(stage.Limit, int, int) { peak.see(f.pulls.Load() - a.letOff.Load()) }
					want, least := budget, budget
					if budget == 0 {
						want, least = 64, 33 // credit moves in lots by default
					}
					var o outcome[int]
					for round := 0; o.end == nil; round++ {
						o.end = a.pull(0)
						o.add(t, &a.c)
						if round < 200 {
							stall()
							require.GreaterOrEqual(t, f.pulls.Load()-a.letOff.Load(), int64(least), "chunks in flight")
						}
					}
					require.LessOrEqual(t, peak.Load(), int64(want), "chunks in flight")
					require.ElementsMatch(t, ints(300), o.items())
					requireTokens(t, 300, o.tokens)
				})
			})
		}
	}
}

// Chunks whose items were all dropped still carry their tokens, and hold the
// budget until the consumer moves on.
func TestR1_EmptiedChunksCount(t *testing.T) {
	for _, order := range orders {
		synctest.Test(t, func(t *testing.T) {
			f := numbers(50_000)
			a := openAccount(t, pool.FilterMap(pool.New(3), f.stream(), func(_ context.Context, i int) (int, bool, error) {
				return i, i%1000 == 999, nil
			}, options(order.unordered, pool.ChunkSize(5), pool.InFlight(23))...))
			defer a.close()
			var o outcome[int]
			for o.end == nil {
				o.end = a.pull(0)
				o.add(t, &a.c)
				require.LessOrEqual(t, f.pulls.Load()-a.letOff.Load(), int64(4+3), "23/5 chunks in flight, and workers about to look")
			}
			require.Len(t, o.items(), 50)
			requireTokens(t, 50_000, o.tokens)
		})
	}
}

func TestR1_SourceThatReturnsMoreThanAsked(t *testing.T) {
	for _, order := range orders {
		for _, chunk := range []int{0, 1, 3, 10} {
			synctest.Test(t, func(t *testing.T) {
				f := numbers(3000)
				f.lens, f.over = func(pull int) int { return 100 * (pull % 4) }, true
				f.fails = func(i int) bool { return i%50 == 7 }
				var run gauge
				var peak most
				var a *account[int]
				a = openAccount(t, pool.Imap(pool.New(3), f.stream(), func(_ context.Context, i int) (int, error) {
					run.enter()
					defer run.leave()
					_, _, entered := run.read()
					peak.see(int64(entered) - a.letGo.Load())
					return i, nil
				}, options(order.unordered, pool.ChunkSize(chunk), pool.InFlight(10))...))
				defer a.close()
				var o outcome[int]
				for o.end == nil {
					o.end = a.pull(0)
					a.handed -= int64(len(a.c.Errors)) // those never entered
					o.add(t, &a.c)
				}
				require.LessOrEqual(t, peak.Load(), int64(10))
				require.Len(t, o.items(), 2940)
				require.Len(t, o.errors(), 60)
				requireTokens(t, 3000, o.tokens)
			})
		}
	}
}

// With InFlight, a source of blocks fills under the lock, since a block's items
// are known only then.
func TestR1_InFlightIsExactForBlocks(t *testing.T) {
	for _, order := range orders {
		for _, chunk := range []int{0, 4, 1000} {
			t.Run(label(order.name, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := &blocks{n: 5000, lens: func(int) int { return 250 }}
					var filling, run gauge
					b.fill = func(ctx context.Context, _ int) {
						filling.enter()
						defer filling.leave()
						assert.NoError(t, nap(ctx, time.Second))
						assert.Zero(t, b.pulling.Load())
					}
					a := openAccount(t, pool.Imap(pool.New(4), b.stream(), func(ctx context.Context, i int) (int, error) {
						run.enter()
						defer run.leave()
						return slow(ctx, i)
					}, options(order.unordered, pool.ChunkSize(chunk), pool.InFlight(10))...))
					defer a.close()
					size := min(max(chunk, 1), 10)
					for range 100 {
						require.NoError(t, a.pull(0))
						stall()
						_, _, entered := run.read()
						require.LessOrEqual(t, int64(entered)-a.letGo.Load(), int64(10))
						if entered%250 >= 10 && entered%250 < 240 { // not at a block's end
							require.Greater(t, int64(entered)-a.letGo.Load(), int64(10-size))
						}
					}
					_, peak, _ := filling.read()
					require.Equal(t, 1, peak, "one block at a time")
				})
			})
		}
	}
}

func TestR1_BlocksAreFilledByManyWorkersWithoutInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &blocks{n: 1000, lens: func(int) int { return 10 }}
		var filling gauge
		b.fill = func(ctx context.Context, _ int) {
			filling.enter()
			defer filling.leave()
			assert.NoError(t, nap(ctx, time.Second))
		}
		begun := time.Now()
		got, err := pool.Imap(pool.New(4), b.stream(), same).Collect(t.Context())
		require.NoError(t, err)
		require.Equal(t, ints(1000), got)
		_, peak, _ := filling.read()
		require.Equal(t, 4, peak)
		require.Equal(t, 25*time.Second, time.Since(begun), "100 blocks, four at a time")
	})
}

// Hand-off is a swap: what a consumer takes out of a chunk is its own.
func TestR1_TakenItemsStay(t *testing.T) {
	for _, order := range orders {
		for _, limit := range []int{0, 3} {
			f := numbers(2000)
			f.fails = func(i int) bool { return i%7 == 6 }
			a := openAccount(t, pool.Imap(pool.New(3), f.stream(), failing(func(i int) bool { return i%5 == 4 }),
				options(order.unordered, pool.ChunkSize(8))...))
			var taken [][]int
			var failed [][]*stage.ItemError
			var copies []int
			for err := error(nil); err == nil; {
				err = a.pull(limit)
				copies = append(copies, a.c.Items...)
				taken, failed = append(taken, a.c.Items), append(failed, a.c.Errors)
				a.c.Items, a.c.Errors = nil, nil
			}
			a.close()
			var items []int
			for _, part := range taken {
				items = append(items, part...)
			}
			require.Equal(t, copies, items)
			seen := map[int64]bool{}
			for _, part := range failed {
				for _, e := range part {
					seen[e.At.Record] = true
				}
			}
			require.Len(t, seen, 2000-len(items))
		}
	}
}

// A plan can be run many times, also at the same time: each run is its own.
func TestR1_PlanRunsManyTimes(t *testing.T) {
	f := numbers(500)
	p := pool.New(3)
	s := pool.Imap(p, pool.ImapUnordered(p, f.stream(), same, pool.ChunkSize(1), pool.InFlight(1)), same, pool.InFlight(10))
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			got, err := s.Collect(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, ints(500), got)
		}()
	}
	for range 4 {
		<-done
	}
	require.EqualValues(t, 4, f.opened.Load())
	require.EqualValues(t, 4, f.closed.Load())
	idle(t, p)
}
