package sweep

import (
	"runtime"
	"testing"
)

// Benchmark runs the job in every combination of the options, each as a
// sub-benchmark: mode=sequential, the baseline, and for instance
// mode=ordered/workers=2/chunk=16, with chunk=auto for Automatic. benchstat reads
// these names as configuration (benchstat -col /chunk).
//
//	func BenchmarkParse(b *testing.B) {
//		sweep.Benchmark(b, sweep.Job[string, Event]{Source: lines, Func: parse}, sweep.Workers(4))
//	}
//
// An iteration, and so ns/op, is a run of the whole source. Beside it stand
// ns/item, items/s, allocs/item and, if bytes are counted, MB/s; the collection of
// garbage is on the clock as in any benchmark. Combinations come one after the
// other, not in rounds: use -count for several samples, and Run for interleaved
// ones. Rounds, Budget and Progress have no effect.
//
// A run that fails, or delivers another number of results than the first one,
// fails its sub-benchmark. Benchmark panics as Run does.
func Benchmark[A, B any](b *testing.B, job Job[A, B], opts ...Option) {
	b.Helper()
	cfg := newConfig("Benchmark", opts)
	d := newDriver("Benchmark", job, cfg)
	var err error
	if d.bytes, err = d.job.bytes(b.Context(), cfg.keepGoing); err != nil {
		b.Fatal(err)
	}
	for _, c := range cfg.combinations() {
		b.Run(c.String(), func(b *testing.B) { d.benchmark(b, c) })
	}
}

func (d *driver[A, B]) benchmark(b *testing.B, c Combination) {
	b.Helper()
	var before, after runtime.MemStats
	var items int64
	b.SetBytes(d.bytes)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		out, err := d.run(b.Context(), c, false)
		if err != nil {
			b.Fatal(err)
		}
		items += out.results + out.failed
	}
	elapsed := b.Elapsed()
	runtime.ReadMemStats(&after)
	n := float64(items)
	b.ReportMetric(float64(elapsed.Nanoseconds())/n, "ns/item")
	b.ReportMetric(n/elapsed.Seconds(), "items/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/item")
}
