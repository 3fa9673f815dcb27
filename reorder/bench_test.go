package reorder

import (
	"context"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// measure runs f for b.N values and reports what one costs. Allocations are a
// float: what a run sets up does not show as one per value.
func measure(b *testing.B, f func(n uint64)) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	f(uint64(b.N))
	b.StopTimer()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "allocs/item")
}

// BenchmarkAlone is Put and TryNext in one goroutine: what the ring itself costs.
func BenchmarkAlone(b *testing.B) {
	for _, window := range []struct {
		name string
		size int
	}{{"window64", 64}, {"window100", 100}} {
		b.Run(window.name+"/put", func(b *testing.B) {
			buf := New[int](window.size)
			ctx := context.Background()
			measure(b, func(n uint64) {
				for i := range n {
					if err := buf.Put(ctx, i, 1); err != nil {
						b.Fatal(err)
					}
					buf.TryNext()
				}
			})
		})
		b.Run(window.name+"/add", func(b *testing.B) {
			buf := New[int](window.size)
			ctx := context.Background()
			measure(b, func(n uint64) {
				for range n {
					if err := buf.Add(ctx, 1); err != nil {
						b.Fatal(err)
					}
					buf.TryNext()
				}
			})
		})
	}
}

// BenchmarkProducers has producers that draw tickets, and a consumer that waits
// for each value.
func BenchmarkProducers(b *testing.B) {
	for _, bench := range []struct {
		name              string
		producers, window int
		add               bool
	}{
		{"put/1", 1, 1024, false},
		{"put/2", 2, 1024, false},
		{"put/8", 8, 1024, false},
		{"put/8/narrow", 8, 4, false}, // producers wait most of the time
		{"add/1", 1, 1024, true},
		{"add/2", 2, 1024, true},
		{"add/8", 8, 1024, true},
		{"add/8/narrow", 8, 4, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			buf := New[int](bench.window)
			ctx := b.Context()
			measure(b, func(n uint64) {
				buf.CloseAt(n)
				var ticket atomic.Uint64
				var wg sync.WaitGroup
				defer wg.Wait()
				for range bench.producers {
					wg.Go(func() {
						for {
							seq := ticket.Add(1) - 1
							if seq >= n {
								return
							}
							var err error
							if bench.add {
								err = buf.Add(ctx, 1)
							} else {
								err = buf.Put(ctx, seq, 1)
							}
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				for {
					_, err := buf.Next(ctx)
					if err == io.EOF {
						return
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
