package pool_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/penstock-go/penstock/internal/benchtest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// benchItems is how many items a round has; what is reported is per item of the
// source. There are more of them than elsewhere, since to start and to end a call
// costs as much as thousands of items: BenchmarkShort shows that. The functions
// do nothing, so that what is left is the engine's share.
const benchItems = 8 * benchtest.Items

// benchWorkers is a fixed number, so that figures from different machines tell
// of the same job.
const benchWorkers = 2

// byChunk calls f for each chunk size, fixed ones and the automatic one, with
// what the name of its sub-benchmark says of it.
func byChunk(f func(label string, size pool.Option)) {
	for _, chunk := range []int{1, 16, 256} {
		f(fmt.Sprintf("/chunk=%d", chunk), pool.ChunkSize(chunk))
	}
	f("/chunk=auto", pool.ChunkSize(0))
}

// lazy has a sub-benchmark for each chunk size that drains a stream which yields
// want items for the benchItems of its source.
func lazy[T any](b *testing.B, name string, want int, stream func(size pool.Option) stage.Stream[T]) {
	b.Helper()
	byChunk(func(label string, size pool.Option) {
		b.Run(name+label, func(b *testing.B) {
			s := stream(size)
			benchtest.PerItem(b, benchItems, func() { benchtest.Drain(b, s, stage.DefaultChunk, want) })
		})
	})
}

// eager is lazy for a verb that runs at once. It reports how many items it got.
func eager(b *testing.B, name string, run func(ctx context.Context, size pool.Option) (items int, err error)) {
	b.Helper()
	byChunk(func(label string, size pool.Option) {
		b.Run(name+label, func(b *testing.B) {
			benchtest.PerItem(b, benchItems, func() {
				if items, err := run(b.Context(), size); err != nil || items != benchItems {
					b.Fatal(items, err)
				}
			})
		})
	})
}

// pooled is a pool that is closed with the benchmark.
func pooled(b *testing.B, workers int) *pool.Pool {
	b.Helper()
	p := pool.New(workers)
	b.Cleanup(p.Close)
	return p
}

// BenchmarkVerb has a row for each verb; verb=none is their source, drained
// without a pool, and verb=nonePairs that of the verbs over pairs.
func BenchmarkVerb(b *testing.B) {
	p := pooled(b, benchWorkers)
	in := source.Range(0, benchItems)
	benchtest.DrainByChunk(b, "verb=none", benchItems, benchItems, func() stage.Stream[int] { return in })
	lazy(b, "verb=Imap", benchItems, func(size pool.Option) stage.Stream[int] { return pool.Imap(p, in, identity, size) })
	lazy(b, "verb=ImapUnordered", benchItems, func(size pool.Option) stage.Stream[int] {
		return pool.ImapUnordered(p, in, identity, size)
	})
	lazy(b, "verb=FilterMap", benchItems/2, func(size pool.Option) stage.Stream[int] {
		return pool.FilterMap(p, in, func(_ context.Context, v int) (int, bool, error) { return v, v&1 == 1, nil }, size)
	})
	lazy(b, "verb=FlatMap", 2*benchItems, func(size pool.Option) stage.Stream[int] {
		return pool.FlatMap(p, in, func(_ context.Context, v int, emit func(int)) error {
			emit(v)
			emit(v)
			return nil
		}, size)
	})
	lazy(b, "verb=MapChunks", benchItems, func(size pool.Option) stage.Stream[int] {
		return pool.MapChunks(p, in, func(_ context.Context, items []int) ([]int, error) { return slices.Clone(items), nil }, size)
	})
	lazy(b, "verb=ImapWith", benchItems, func(size pool.Option) stage.Stream[int] {
		return pool.ImapWith(p, in, func(context.Context) (*int, error) { return new(int), nil },
			func(_ context.Context, calls *int, v int) (int, error) {
				*calls++
				return v, nil
			}, size)
	})
	eager(b, "verb=Map", func(ctx context.Context, size pool.Option) (int, error) {
		out, err := pool.Map(ctx, p, in, identity, size)
		return len(out), err
	})
	eager(b, "verb=Reduce", func(ctx context.Context, size pool.Option) (int, error) {
		return pool.Reduce(ctx, p, in, func() int { return 0 },
			func(_ context.Context, count, _ int) (int, error) { return count + 1, nil },
			func(x, y int) (int, error) { return x + y, nil }, size)
	})

	pairs := source.Slice(make([]stage.Pair[int, int], benchItems))
	first := func(_ context.Context, v, _ int) (int, error) { return v, nil }
	benchtest.DrainByChunk(b, "verb=nonePairs", benchItems, benchItems, func() stage.Stream[stage.Pair[int, int]] { return pairs })
	lazy(b, "verb=StarImap", benchItems, func(size pool.Option) stage.Stream[int] { return pool.StarImap(p, pairs, first, size) })
	eager(b, "verb=Starmap", func(ctx context.Context, size pool.Option) (int, error) {
		out, err := pool.Starmap(ctx, p, pairs, first, size)
		return len(out), err
	})
}

// BenchmarkWorkers is Imap with few and many workers, whatever the number of
// processors is.
func BenchmarkWorkers(b *testing.B) {
	in := source.Range(0, benchItems)
	for _, workers := range []int{1, 2, 8} {
		p := pooled(b, workers)
		name := fmt.Sprintf("workers=%d/mode=", workers)
		lazy(b, name+"ordered", benchItems, func(size pool.Option) stage.Stream[int] { return pool.Imap(p, in, identity, size) })
		lazy(b, name+"unordered", benchItems, func(size pool.Option) stage.Stream[int] {
			return pool.Imap(p, in, identity, size, pool.Unordered())
		})
	}
}

// BenchmarkFrom is Imap over sources of several kinds: an iter.Seq costs a
// coroutine switch per chunk, an operator in front a loop under the pull lock.
func BenchmarkFrom(b *testing.B) {
	p := pooled(b, benchWorkers)
	for _, in := range []struct {
		name   string
		stream stage.Stream[int]
	}{
		{"Range", source.Range(0, benchItems)},
		{"Slice", source.Slice(make([]int, benchItems))},
		{"Seq", source.Seq(func(yield func(int) bool) {
			for v := range benchItems {
				if !yield(v) {
					return
				}
			}
		})},
		{"stage.Map", stage.Map(source.Range(0, benchItems), identity)},
	} {
		lazy(b, "in="+in.name, benchItems, func(size pool.Option) stage.Stream[int] {
			return pool.Imap(p, in.stream, identity, size)
		})
	}
}

// BenchmarkBudget is Imap under budgets other than the default.
func BenchmarkBudget(b *testing.B) {
	p := pooled(b, benchWorkers)
	in := source.Range(0, benchItems)
	for _, budget := range []struct {
		name string
		opt  pool.Option
	}{
		{"default", pool.InFlight(0)},
		{"8items", pool.InFlight(8)},
		{"64items", pool.InFlight(64)},
		{"1024items", pool.InFlight(1024)},
		{"1MiB", pool.InFlightBytes(1 << 20)},
	} {
		lazy(b, "budget="+budget.name, benchItems, func(size pool.Option) stage.Stream[int] {
			return pool.Imap(p, in, identity, size, budget.opt)
		})
	}
}

// BenchmarkStages is one stage of a pool behind another of the same pool.
func BenchmarkStages(b *testing.B) {
	p := pooled(b, benchWorkers)
	for _, stages := range []int{1, 2, 4} {
		lazy(b, fmt.Sprintf("stages=%d", stages), benchItems, func(size pool.Option) stage.Stream[int] {
			s := source.Range(0, benchItems)
			for range stages {
				s = pool.Imap(p, s, identity, size)
			}
			return s
		})
	}
}

// BenchmarkApply is a single call at a time, and calls of which some are under
// way at any time; call=go is a goroutine that answers on a channel, which is
// what a program without a pool would write. An item is one call.
func BenchmarkApply(b *testing.B) {
	const calls = 1 << 10
	p := pooled(b, benchWorkers)
	answer := func(context.Context) (int, error) { return 42, nil }
	b.Run("call=Apply", func(b *testing.B) {
		benchtest.PerItem(b, calls, func() {
			for range calls {
				if v, err := pool.Apply(b.Context(), p, answer); v != 42 || err != nil {
					b.Fatal(v, err)
				}
			}
		})
	})
	for _, ahead := range []int{1, 64} {
		b.Run(fmt.Sprintf("call=ApplyAsync/ahead=%d", ahead), func(b *testing.B) {
			results := make([]*pool.Result[int], ahead)
			benchtest.PerItem(b, calls, func() {
				for range calls / ahead {
					for i := range results {
						results[i] = pool.ApplyAsync(b.Context(), p, answer)
					}
					for _, r := range results {
						if v, err := r.Get(b.Context()); v != 42 || err != nil {
							b.Fatal(v, err)
						}
					}
				}
			})
		})
		b.Run(fmt.Sprintf("call=go/ahead=%d", ahead), func(b *testing.B) {
			results := make([]chan int, ahead)
			benchtest.PerItem(b, calls, func() {
				for range calls / ahead {
					for i := range results {
						ch := make(chan int, 1)
						results[i] = ch
						go func() { ch <- 42 }()
					}
					for _, ch := range results {
						if v := <-ch; v != 42 {
							b.Fatal(v)
						}
					}
				}
			})
		})
	}
}

// BenchmarkShort is a whole call over few items: what it costs to start and to
// end one, per item.
func BenchmarkShort(b *testing.B) {
	p := pooled(b, benchWorkers)
	for _, n := range []int{1, 10, 100, 1000} {
		in := source.Range(0, n)
		b.Run(fmt.Sprintf("verb=Imap/items=%d", n), func(b *testing.B) {
			s := pool.Imap(p, in, identity)
			benchtest.PerItem(b, n, func() { benchtest.Drain(b, s, stage.DefaultChunk, n) })
		})
		b.Run(fmt.Sprintf("verb=Map/items=%d", n), func(b *testing.B) {
			benchtest.PerItem(b, n, func() {
				if out, err := pool.Map(b.Context(), p, in, identity); err != nil || len(out) != n {
					b.Fatal(len(out), err)
				}
			})
		})
	}
}
