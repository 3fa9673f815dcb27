package sweep

import (
	"context"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"
)

// sample is what one timed run gave.
type sample struct {
	outcome
	took           time.Duration
	allocs, memory uint64 // allocations, and their bytes
}

// contestant is a combination with its samples.
type contestant struct {
	Combination
	warm    outcome // of the round to warm up
	heap    int64   // peak, there
	samples []sample
}

// timed runs the combination once and measures it.
func (d *driver[A, B]) timed(ctx context.Context, c Combination) (sample, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	out, err := d.run(ctx, c, false)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	return sample{
		outcome: out, took: max(1, took),
		allocs: after.Mallocs - before.Mallocs, memory: after.TotalAlloc - before.TotalAlloc,
	}, err
}

// warmUp runs the combination once and samples the heap: bytes beyond what was in
// use before.
func (d *driver[A, B]) warmUp(ctx context.Context, c Combination) (out outcome, heap int64, err error) {
	runtime.GC()
	stop := sampleHeap()
	out, err = d.run(ctx, c, true)
	return out, stop(), err
}

// sampleHeap samples the bytes of heap in use, garbage and free room in used spans
// included, every millisecond. The function that it returns ends that and returns
// by how much the peak was above the beginning.
func sampleHeap() (stop func() int64) {
	read := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}
	used := func() int64 {
		metrics.Read(read)
		return int64(read[0].Value.Uint64() + read[1].Value.Uint64())
	}
	begin := used()
	done, peak := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		highest := begin
		for {
			select {
			case <-tick.C:
				highest = max(highest, used())
			case <-done:
				peak <- max(highest, used())
				return
			}
		}
	}()
	return func() int64 {
		close(done)
		return <-peak - begin
	}
}

// row sums the samples up.
func (c *contestant) row(bytes int64) Row {
	n := len(c.samples)
	took := durations(c.samples, func(s *sample) time.Duration { return s.took })
	items := float64(c.warm.results + c.warm.failed)
	seconds := quantile(took, 0.5) / float64(time.Second)
	typical := func(of func(*sample) float64) float64 {
		values := make([]float64, n)
		for i := range c.samples {
			values[i] = of(&c.samples[i])
		}
		slices.Sort(values)
		return quantile(values, 0.5)
	}
	wait := func(of func(*sample) time.Duration) time.Duration {
		return time.Duration(quantile(durations(c.samples, of), 0.5))
	}
	r := Row{
		Combination: c.Combination,
		Median:      time.Duration(quantile(took, 0.5)),
		Min:         time.Duration(took[0]), Q1: time.Duration(quantile(took, 0.25)),
		Q3: time.Duration(quantile(took, 0.75)), Max: time.Duration(took[n-1]),
		Spread:            (quantile(took, 0.75) - quantile(took, 0.25)) / quantile(took, 0.5),
		NsPerItem:         seconds * 1e9 / items,
		ItemsPerSecond:    items / seconds,
		BytesPerSecond:    float64(bytes) / seconds,
		AllocsPerItem:     typical(func(s *sample) float64 { return float64(s.allocs) }) / items,
		AllocBytesPerItem: typical(func(s *sample) float64 { return float64(s.memory) }) / items,
		PeakHeap:          c.heap,
		SourceWait:        wait(func(s *sample) time.Duration { return s.stage.PullWait }),
		CreditWait:        wait(func(s *sample) time.Duration { return s.stage.CreditWait }),
		ConsumerWait:      wait(func(s *sample) time.Duration { return s.stage.ConsumerWait }),
		FirstItem:         wait(func(s *sample) time.Duration { return s.first }),
		Settled:           int64(typical(func(s *sample) float64 { return float64(s.stage.ChunkSize) })),
	}
	if c.Mode == Eager && c.automatic() {
		r.Settled = c.warm.stage.ChunkSize
	}
	for i := range c.samples {
		r.PeakInFlight = max(r.PeakInFlight, c.samples[i].stage.PeakInFlight)
	}
	return r
}

// durations are the samples' values in ascending order.
func durations(samples []sample, of func(*sample) time.Duration) []float64 {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = float64(of(&samples[i]))
	}
	slices.Sort(values)
	return values
}

// quantile is the value below which the share q of the sorted values lies,
// between two of them in proportion.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}
