package main

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"
)

// benchCase is one row of the table of what must be shown: a job, and the
// implementations that it is given to.
type benchCase struct {
	name   string
	job    job // n is the least number of items of a measured run
	quickN int // items of a warm-up run, and of every run under -quick
	impls  []impl
	bounds []bound
	whole  bool // the job's total time counts: n is not scaled
	heap   bool // sample the heap of ours
}

// settings are how a suite is run.
type settings struct {
	rounds int
	quick  bool
	impls  *regexp.Regexp // nil: all
}

// Every run of a case that may be scaled lasts about this long, so that set-up
// and the clock vanish.
const (
	targetRun = 300 * time.Millisecond
	maxItems  = 50_000_000
)

// sample is what one run of one implementation gave.
type sample struct {
	took   time.Duration
	allocs uint64
	heap   uint64 // peak bytes, if sampled
}

// contestant is an implementation in a case, with its samples.
type contestant struct {
	impl
	job     job
	want    tally
	samples []sample
}

// measure runs a case: each implementation once to warm up and to see how many
// items it should get, then in rounds, each implementation once a round, every
// round beginning with another. Wrong results are an error.
func measure(ctx context.Context, c benchCase, set settings) ([]row, error) {
	var field []*contestant
	for _, im := range c.impls {
		if set.impls != nil && !set.impls.MatchString(im.name) {
			continue
		}
		p := &contestant{impl: im}
		if err := p.enter(ctx, c, set.quick); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.name, im.name, err)
		}
		field = append(field, p)
	}
	for round := range set.rounds {
		for i := range field {
			p := field[(i+round)%len(field)]
			s, err := p.once(ctx, c.heap && p.kind == ours)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.name, p.name, err)
			}
			p.samples = append(p.samples, s)
		}
	}
	return rows(c, field, set), nil
}

// enter warms the implementation up and settles its number of items.
func (p *contestant) enter(ctx context.Context, c benchCase, quick bool) error {
	p.give(c.job, c.quickN)
	if _, err := p.once(ctx, false); err != nil || quick {
		return err
	}
	if c.whole {
		p.give(c.job, c.job.n)
		return nil
	}
	p.give(c.job, c.job.n)
	s, err := p.once(ctx, false)
	if err != nil {
		return err
	}
	if scale := float64(targetRun) / float64(s.took); scale > 1 {
		p.give(c.job, min(maxItems, int(float64(c.job.n)*scale)))
	}
	return nil
}

// give sets the contestant's job to n items.
func (p *contestant) give(j job, n int) {
	j.n = n
	if p.slice {
		j.slice = make([]int, n)
		for i := range j.slice {
			j.slice[i] = i
		}
	}
	p.job, p.want = j, want(n)
}

// once runs the job after a garbage collection, which is not on the clock.
func (p *contestant) once(ctx context.Context, heap bool) (sample, error) {
	var before, after runtime.MemStats
	runtime.GC()
	stop := func() uint64 { return 0 }
	if heap {
		stop = sampleHeap()
	}
	runtime.ReadMemStats(&before)
	start := time.Now()
	got, err := p.run(ctx, p.job)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	s := sample{took: took, allocs: after.Mallocs - before.Mallocs, heap: stop()}
	if err == nil && !p.job.accepts(got, p.want) {
		err = fmt.Errorf("wrong results: tally %+v, want %+v", got, p.want)
	}
	return s, err
}

// sampleHeap samples the bytes of heap in use, garbage and free room in used
// spans included, every millisecond. The function that it returns ends that and
// returns the peak.
func sampleHeap() func() uint64 {
	read := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		var highest uint64
		for {
			metrics.Read(read)
			highest = max(highest, read[0].Value.Uint64()+read[1].Value.Uint64())
			select {
			case <-tick.C:
			case <-done:
				peak <- highest
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-peak
	}
}

// median returns the middle of the values, or the mean of the two in the middle.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}
