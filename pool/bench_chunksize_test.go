package pool

import (
	"fmt"
	"testing"
	"time"

	"github.com/penstock-go/penstock/internal/benchtest"
)

// An item, in what these benchmarks report, is one chunk whose size is chosen.

// BenchmarkObserve is what the sizer makes of a chunk's times: when the size
// stays, grows and falls.
func BenchmarkObserve(b *testing.B) {
	const size = 64
	settled := chunkTime / size * size
	for _, bench := range []struct {
		name      string
		size, n   int
		pull, run time.Duration
		changes   bool
	}{
		{"settled", size, size, 0, settled, false},
		{"short", size, size / 2, 0, settled / 2, false}, // the source had no more at hand
		{"slowpull", size, size, settled, 0, false},
		{"grows", size, size, 0, settled / 4, true},
		{"falls", size, size, 0, settled * 4, true},
	} {
		for _, k := range []int{1, 2} {
			if k > 1 && bench.changes {
				continue // only the first of two that change it would
			}
			b.Run(fmt.Sprintf("case=%s/goroutines=%d", bench.name, k), func(b *testing.B) {
				var s sizer
				s.init(0, maxChunk)
				s.size.Store(size)
				benchtest.PerItem(b, benchtest.Items, func() {
					benchtest.Split(k, benchtest.Items, func(n int) {
						for range n {
							if s.observe(bench.size, bench.n, bench.pull, bench.run) != bench.changes {
								b.Error("the size changed, or did not, against what is measured here")
								return
							}
							if bench.changes {
								s.size.Store(size)
							}
						}
					})
				})
			})
		}
	}
}

// BenchmarkTimed is the question whether a chunk is worth reading the clock, and
// clock=read what it saves: two readings.
func BenchmarkTimed(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("clock=asked/size=%d", size), func(b *testing.B) {
			var s sizer
			s.init(0, maxChunk)
			benchtest.PerItem(b, benchtest.Items, func() {
				timed := 0
				for ticket := range uint64(benchtest.Items) {
					if s.timed(ticket, size) {
						timed++
					}
				}
				if timed == 0 {
					b.Fatal("no chunk is timed")
				}
			})
		})
	}
	b.Run("clock=read", func(b *testing.B) {
		benchtest.PerItem(b, benchtest.Items, func() {
			for range benchtest.Items {
				if start := time.Now(); time.Since(start) < 0 {
					b.Fatal("the clock runs backwards")
				}
			}
		})
	})
}
