// Package benchtest is what the benchmarks of the engine's packages share: they
// report what an item costs, whatever a round of the benchmark holds, beside
// what it costs to drain the source alone.
//
// The names of sub-benchmarks are key=value pairs, so that benchstat can put
// the values of one key into columns:
//
//	go test -run='^$' -bench=Operator -count=10 ./stage | benchstat -row /op -col /chunk -
//
// Nothing here is for programs; benchmarks/sweep measures a user's own job.
package benchtest

import (
	"runtime"
	"sync"
	"testing"
)

// Items is how many items a round has where nothing else asks for a number: so
// many that what a round sets up does not show, so few that a single round
// (-benchtime=1x) is over in a moment.
const Items = 1 << 14

// PerItem runs f, which handles n items, as often as b asks, and reports the
// time and the allocations of one item as ns/item and allocs/item, instead of
// ns/op. Both are fractions: what f sets up once shows as its share of an item.
// Allocations are those of the whole process, so that the ones of f's
// goroutines count too.
func PerItem(b *testing.B, n int, f func()) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		f()
	}
	runtime.ReadMemStats(&after)
	items := float64(n) * float64(b.N)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/items, "ns/item")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/items, "allocs/item")
	b.ReportMetric(0, "ns/op") // not printed then
}

// Split runs f in k goroutines, each with its share of n, and waits for them.
// With one it calls f.
func Split(k, n int, f func(n int)) {
	if k == 1 {
		f(n)
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range k {
		wg.Go(func() { f((n + i) / k) })
	}
}
