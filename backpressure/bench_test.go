package backpressure

import (
	"runtime"
	"sync"
	"testing"
)

// measure runs f for b.N requests and reports what one costs. Allocations are a
// float: what a run sets up does not show as one per request.
func measure(b *testing.B, f func(n int)) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	f(b.N)
	b.StopTimer()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "allocs/request")
}

// split runs f in k goroutines, each with its share of n.
func split(k, n int, f func(n int)) {
	var wg sync.WaitGroup
	for i := range k {
		wg.Go(func() { f((n + i) / k) })
	}
	wg.Wait()
}

var kinds = []struct {
	name  string
	limit Cost
	cost  Cost
}{
	{"items", Cost{Chunks: 64, Items: 1024}, Cost{Chunks: 1, Items: 16}},
	{"bytes", Cost{Chunks: 64, Items: 1024, Bytes: 1 << 20}, Cost{Chunks: 1, Items: 16, Bytes: 4096}},
}

// pairs takes c and gives it back n times.
func pairs(b *testing.B, g *Gate, c Cost, n int) {
	b.Helper()
	ctx := b.Context()
	for range n {
		if err := g.Acquire(ctx, c); err != nil {
			b.Error(err)
			return
		}
		g.Release(c)
	}
}

// BenchmarkUncontended is Acquire and Release while there is room.
func BenchmarkUncontended(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			g := New(k.limit)
			measure(b, func(n int) { pairs(b, g, k.cost, n) })
		})
	}
}

// BenchmarkTwo is the same in two goroutines at once: nobody waits, but both
// change the same word.
func BenchmarkTwo(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			g := New(k.limit)
			measure(b, func(n int) { split(2, n, func(n int) { pairs(b, g, k.cost, n) }) })
		})
	}
}

// BenchmarkWaiters has more goroutines than room: each request waits in line.
func BenchmarkWaiters(b *testing.B) {
	b.Run("acquire", func(b *testing.B) {
		g := New(Cost{Items: 1})
		measure(b, func(n int) {
			split(8, n, func(n int) {
				for range n {
					if err := g.Acquire(b.Context(), Cost{Items: 1}); err != nil {
						b.Error(err)
						return
					}
					runtime.Gosched() // let the others come and queue
					g.Release(Cost{Items: 1})
				}
			})
		})
	})
	b.Run("reserve", func(b *testing.B) {
		g := New(Cost{Items: 1})
		measure(b, func(n int) {
			split(8, n, func(n int) {
				var r Reservation
				for range n {
					if !g.Reserve(&r, Cost{Items: 1}) {
						<-r.Ready()
					}
					runtime.Gosched()
					g.Release(Cost{Items: 1})
				}
			})
		})
	})
}

// BenchmarkFull is what it costs to find no room.
func BenchmarkFull(b *testing.B) {
	g := New(Cost{Items: 1})
	g.Add(Cost{Items: 1})
	measure(b, func(n int) {
		for range n {
			if g.TryAcquire(Cost{Items: 1}) {
				b.Error("there was room")
			}
		}
	})
}
