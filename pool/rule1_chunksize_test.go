package pool_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// The chunk size, which R1's default budget follows: slow functions keep chunk
// 1, so that laziness is exact where it matters.

// asked notes what a source is asked for. Pulls are serial, so it needs no lock.
type asked []int

func (a *asked) note(l stage.Limit, _, _ int) { *a = append(*a, l.Items) }

// taking is a function that takes so long for each item.
func taking(d time.Duration) func(context.Context, int) (int, error) {
	return func(ctx context.Context, i int) (int, error) {
		if d == 0 {
			return i, nil
		}
		return i, nap(ctx, d)
	}
}

func TestR1_SlowFunctionsKeepChunkOne(t *testing.T) {
	for _, d := range []time.Duration{300 * time.Microsecond, time.Millisecond, time.Second} {
		for _, order := range orders {
			synctest.Test(t, func(t *testing.T) {
				f := numbers(500)
				var sizes asked
				f.took = sizes.note
				drain(t, pool.Imap(pool.New(4), f.stream(), taking(d), options(order.unordered)...), nil)
				require.Equal(t, 1, slices.Max(sizes), d)
			})
		}
	}
}

func TestR1_ChunksGrowAtMostTwofold(t *testing.T) {
	for _, c := range []struct {
		takes time.Duration
		want  int // the largest chunk
	}{
		{0, 1024},
		{time.Microsecond, 300},
		{10 * time.Microsecond, 30},
		{100 * time.Microsecond, 3},
	} {
		for _, order := range orders {
			synctest.Test(t, func(t *testing.T) {
				f := numbers(20_000)
				var sizes asked
				f.took = sizes.note
				drain(t, pool.Imap(pool.New(2), f.stream(), taking(c.takes), options(order.unordered)...), nil)
				require.Equal(t, 1, sizes[0])
				largest := 1
				for _, n := range sizes {
					require.LessOrEqual(t, n, 2*largest)
					largest = max(largest, n)
				}
				require.Equal(t, c.want, largest, "a few hundred microseconds a chunk")
			})
		}
	}
}

func TestR1_ChunksShrinkAfterASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(20_000)
		var sizes asked
		var mu sync.Mutex
		slowFrom, begun := 15_000, 0
		f.took = func(l stage.Limit, next, n int) {
			mu.Lock()
			defer mu.Unlock()
			sizes = append(sizes, l.Items)
			if next+n <= slowFrom {
				begun = len(sizes)
			}
		}
		drain(t, pool.Imap(pool.New(1), f.stream(), func(ctx context.Context, i int) (int, error) {
			if i < slowFrom {
				return i, nil
			}
			return slow(ctx, i)
		}), nil)
		require.Equal(t, 1024, sizes[begun-1])
		require.LessOrEqual(t, sizes[begun+1], 1024)
		for _, n := range sizes[begun+2:] {
			require.Equal(t, 1, n, "one slow chunk is enough")
		}
	})
}

// A slow source counts as well: one that fills what it is asked for, however
// long that takes, is not asked for much.
func TestR1_SlowSourceKeepsChunksSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(2000)
		var sizes asked
		f.took = func(l stage.Limit, next, n int) {
			sizes.note(l, next, n)
			time.Sleep(time.Duration(n) * time.Millisecond)
		}
		drain(t, pool.Imap(pool.New(2), f.stream(), same), nil)
		require.Equal(t, 1, slices.Max(sizes))
	})
}

func TestR1_ChunkIsAtMostTheBudgetDividedByTheWorkers(t *testing.T) {
	for _, c := range []struct{ workers, budget, want int }{
		{1, 100, 100}, {2, 100, 50}, {3, 100, 33}, {4, 3, 1}, {2, 64, 32}, {1, 100_000, 1024},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := numbers(50_000)
			var sizes asked
			f.took = sizes.note
			drain(t, pool.Imap(pool.New(c.workers), f.stream(), same, pool.InFlight(c.budget)), nil)
			require.Equal(t, c.want, slices.Max(sizes), c)
		})
	}
}

func TestR1_ChunkIsAtMostAMegabyte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(2000)
		var sizes asked
		f.took = sizes.note
		var large [8192]byte
		n, err := pool.Imap(pool.New(1), f.stream(), func(context.Context, int) ([8192]byte, error) { return large, nil }).Count(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2000, n)
		require.LessOrEqual(t, slices.Max(sizes), 128)
		require.Greater(t, slices.Max(sizes), 64)
	})
}

func TestR1_ChunksShrinkTowardsAKnownEnd(t *testing.T) {
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			f := numbers(50_000)
			f.sized = true
			var largest int
			f.took = func(l stage.Limit, next, _ int) {
				left := f.n - next
				require.LessOrEqual(t, l.Items, max(1, left/(4*workers)))
				largest = max(largest, l.Items)
			}
			o := drain(t, pool.Imap(pool.New(workers), f.stream(), same), nil)
			require.Equal(t, ints(50_000), o.items())
			require.Equal(t, 1024, largest)
		})
	}
}

func TestR1_FixedChunkStays(t *testing.T) {
	for _, sized := range []bool{false, true} {
		for _, d := range []time.Duration{0, time.Second} {
			synctest.Test(t, func(t *testing.T) {
				f := numbers(1000)
				f.sized = sized
				var sizes asked
				f.took = sizes.note
				drain(t, pool.Imap(pool.New(3), f.stream(), taking(d), pool.ChunkSize(33)), nil)
				require.Len(t, sizes, 31)
				require.Equal(t, 33, slices.Max(sizes))
				require.Equal(t, 33, slices.Min(sizes))
			})
		}
	}
}

// A fast prefix makes large chunks; slow items behind it are not trapped in one,
// since the owner of a long chunk shares it with idle workers.
func TestR1_FastPrefixDoesNotTrapSlowItems(t *testing.T) {
	const prefix, tail, workers, each = 10_000, 100, 4, 20 * time.Millisecond
	fn := func(ctx context.Context, i int) (int, error) {
		if i < prefix {
			return i, nil
		}
		if err := nap(ctx, each); err != nil {
			return 0, err
		}
		if i%10 == 3 {
			return 0, errItem
		}
		return i, nil
	}
	const ideal = tail / workers * each
	for _, order := range orders {
		for _, sized := range []bool{false, true} {
			t.Run(label(order.name, sized), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := numbers(prefix + tail)
					f.sized = sized
					begun := time.Now()
					o := drain(t, pool.Imap(pool.New(workers), f.stream(), fn, options(order.unordered)...), nil)
					require.LessOrEqual(t, time.Since(begun), ideal*12/10)
					require.Len(t, o.items(), prefix+tail-10)
					requireTokens(t, prefix+tail, o.tokens)
					for _, e := range o.errors() {
						require.EqualValues(t, e.Input, e.Index)
						require.Equal(t, e.Index, e.At.Record)
					}
					if order.unordered {
						return
					}
					for i, e := range o.events {
						if i >= prefix && i%10 == 3 {
							require.EqualValues(t, i, e.err.Index)
						} else {
							require.Nil(t, e.err)
							require.Equal(t, i, e.item)
						}
					}
				})
			})
		}
	}
	t.Run("Map", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			got, err := pool.Map(t.Context(), pool.New(workers), numbers(prefix+tail).stream(),
				func(ctx context.Context, i int) (int, error) {
					if i >= prefix {
						return i, nap(ctx, each)
					}
					return i, nil
				})
			require.NoError(t, err)
			require.Equal(t, ints(prefix+tail), got)
			require.LessOrEqual(t, time.Since(begun), ideal*12/10)
		})
	})
}
