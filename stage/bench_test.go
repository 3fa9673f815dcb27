package stage

import (
	"context"
	"io"
	"runtime"
	"testing"
)

// counting is a source of 0, 1, 2... without end.
func counting() Stream[int] {
	return New("counting", func(context.Context) (Puller[int], error) { return &counter{}, nil })
}

type counter struct{ next int }

func (c *counter) Pull(_ context.Context, into *Chunk[int], max Limit) error {
	into.Reset()
	for range max.Room() {
		into.Items = append(into.Items, c.next)
		c.next++
	}
	return nil
}

func (*counter) Close() error { return nil }

// bench pulls n items of the stream for each iteration of b and reports what an
// item costs.
func bench[T any](b *testing.B, s Stream[T], chunk int) {
	b.Helper()
	ctx := b.Context()
	p, err := s.Open(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close() //nolint:errcheck // a source of ours
	var c Chunk[T]
	items := 0
	done := perItem(b, &items)
	for b.Loop() {
		for n := 0; n < 1<<14; n += len(c.Items) {
			if err := p.Pull(ctx, &c, Limit{Items: chunk}); err != nil && err != io.EOF {
				b.Fatal(err)
			}
			items += len(c.Items)
		}
	}
	done()
}

// perItem starts to measure; the function that it returns reports.
func perItem(b *testing.B, items *int) (done func()) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	return func() {
		runtime.ReadMemStats(&after)
		n := float64(*items)
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/item")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/item")
	}
}

func inc(_ context.Context, v int) (int, error) { return v + 1, nil }
func odd(v int) bool                            { return v&1 == 1 }

func BenchmarkSource(b *testing.B) { bench(b, counting(), 256) }
func BenchmarkMap(b *testing.B)    { bench(b, Map(counting(), inc), 256) }
func BenchmarkFilter(b *testing.B) { bench(b, counting().Filter(odd), 256) }
func BenchmarkTap(b *testing.B)    { bench(b, counting().Tap(func(int) {}), 256) }
func BenchmarkTakeWhile(b *testing.B) {
	bench(b, counting().TakeWhile(func(int) bool { return true }), 256)
}
func BenchmarkSkipWhile(b *testing.B) {
	bench(b, counting().SkipWhile(func(int) bool { return false }), 256)
}
func BenchmarkSkip(b *testing.B)      { bench(b, counting().Skip(100), 256) }
func BenchmarkEnumerate(b *testing.B) { bench(b, Enumerate(counting()), 256) }
func BenchmarkConcat(b *testing.B)    { bench(b, Concat(counting()), 256) }
func BenchmarkZip(b *testing.B)       { bench(b, Zip(counting(), counting()), 256) }
func BenchmarkBatch(b *testing.B)     { bench(b, Batch(counting(), 100), 256) }
func BenchmarkUnbatch(b *testing.B)   { bench(b, Unbatch(Batch(counting(), 100)), 256) }
func BenchmarkScan(b *testing.B) {
	bench(b, Scan(counting(), 0, func(_ context.Context, acc, v int) (int, error) { return acc + v, nil }), 256)
}
func BenchmarkFilterMap(b *testing.B) {
	bench(b, FilterMap(counting(), func(_ context.Context, v int) (int, bool, error) { return v, odd(v), nil }), 256)
}
func BenchmarkFlatMap(b *testing.B) {
	bench(b, FlatMap(counting(), func(_ context.Context, v int, emit func(int)) error {
		emit(v)
		emit(v)
		return nil
	}), 256)
}

// BenchmarkChain is map, map, filter, map, by chunk size.
func BenchmarkChain(b *testing.B) {
	chain := Map(Map(Map(counting(), inc), inc).Filter(odd), inc)
	b.Run("chunk1", func(b *testing.B) { bench(b, chain, 1) })
	b.Run("chunk16", func(b *testing.B) { bench(b, chain, 16) })
	b.Run("chunk256", func(b *testing.B) { bench(b, chain, 256) })
	b.Run("chunk1024", func(b *testing.B) { bench(b, chain, 1024) })
}

// BenchmarkChainAll is map, map, filter, map of a million numbers, and a range
// over it; per item of the source.
func BenchmarkChainAll(b *testing.B) {
	const n = 1 << 20
	chain := Map(Map(Map(counting().Take(n), inc), inc).Filter(odd), inc)
	total, items := 0, 0
	done := perItem(b, &items)
	for b.Loop() {
		items += n
		for v, err := range chain.All(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			total += v
		}
	}
	done()
}
