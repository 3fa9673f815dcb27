package main

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"time"
)

// benchCase is one row of the table of what must be shown: a job, and the
// implementations that it is given to.
type benchCase struct {
	name    string
	job     job // n is the least number of items of a measured run
	quickN  int // items of a warm-up run, and of the run under -quick
	impls   []impl
	bounds  []bound
	whole   bool    // the job's total time counts: it runs once with n items
	most    int     // items of a run are not scaled beyond this; the job is repeated instead. 0: maxItems
	split   int     // rounds are as many times more, and shorter: for close contests. 0: 1
	speedup bool    // the rows say how much faster than the plain loop the workers are
	probes  []probe // what is watched besides time and allocations
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
	targetRun = 200 * time.Millisecond
	maxItems  = 50_000_000
)

// sample is what one run of one implementation gave. A run may write what it
// measured itself, its time included.
type sample struct {
	figures
	took   time.Duration
	start  time.Time
	allocs uint64
}

// contestant is an implementation in a case, with its samples.
type contestant struct {
	impl
	job     job
	times   int // how often a run does the job
	want    tally
	samples []sample
}

// measure runs a case: each implementation once to warm up and to see how many
// items it should get, then in rounds, each implementation once a round, every
// round beginning with another. Wrong results are an error.
func measure(ctx context.Context, c benchCase, set settings) ([]row, error) {
	var field, here []*contestant
	for _, im := range c.impls {
		if set.impls != nil && !set.impls.MatchString(im.name) {
			continue
		}
		p := &contestant{impl: im}
		field = append(field, p)
		if im.absent {
			continue
		}
		if err := p.enter(ctx, c, set.quick); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.name, im.name, err)
		}
		here = append(here, p)
	}
	for round := range set.rounds * c.parts(set.quick) {
		for i := range here {
			p := here[(i+round)%len(here)]
			s, err := p.once(ctx, c.probes)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.name, p.name, err)
			}
			p.samples = append(p.samples, s)
		}
	}
	return rows(c, field, set), nil
}

// parts is how many measured runs there are for a round.
func (c benchCase) parts(quick bool) int {
	if quick {
		return 1
	}
	return max(1, c.split)
}

// enter warms the implementation up, unless it is only checked, and settles how
// much it does in a run.
func (p *contestant) enter(ctx context.Context, c benchCase, quick bool) error {
	p.give(c.job, c.quickN)
	if quick {
		return nil
	}
	if _, err := p.once(ctx, nil); err != nil {
		return err
	}
	p.give(c.job, c.job.n)
	if c.whole {
		return nil
	}
	most := cmp.Or(c.most, maxItems)
	for {
		s, err := p.once(ctx, nil)
		if err != nil {
			return err
		}
		scale := float64(targetRun) / float64(s.took) / float64(c.parts(false))
		if scale <= 1 {
			return nil
		}
		before := p.job.n
		if n := min(most, int(float64(before)*scale)); n > before {
			p.give(c.job, n)
		}
		if c.most > 0 {
			p.times = max(1, int(scale*float64(before)/float64(p.job.n)))
		}
		if scale < 4 || p.job.n == most {
			return nil
		}
		// That was too short to tell: starting up is in it.
	}
}

// give sets the contestant's job to n items, once a run.
func (p *contestant) give(j job, n int) {
	j.n = n
	if p.set != nil {
		p.set(&j)
	}
	if p.slice {
		j.slice = make([]int, n)
		for i := range j.slice {
			j.slice[i] = j.first + i
		}
	}
	p.job, p.times, p.want = j, 1, j.want()
}

// once does the job after a garbage collection, which is not on the clock.
func (p *contestant) once(ctx context.Context, probes []probe) (sample, error) {
	var (
		s             sample
		before, after runtime.MemStats
		got           = make([]tally, 0, p.times)
		j             = p.job
	)
	runtime.GC()
	j.sample = &s
	finish := make([]func(), 0, len(probes))
	for _, watch := range probes {
		finish = append(finish, watch(&j))
	}
	runtime.ReadMemStats(&before)
	s.start = time.Now()
	var err error
	for range p.times {
		var t tally
		if t, err = p.run(ctx, j); err != nil {
			break
		}
		got = append(got, t)
	}
	if took := time.Since(s.start); s.took == 0 {
		s.took = took
	}
	runtime.ReadMemStats(&after)
	s.allocs = after.Mallocs - before.Mallocs
	for _, f := range finish {
		f()
	}
	for _, t := range got {
		if !j.accepts(t, p.want) {
			return s, fmt.Errorf("wrong results: sums %d, %d, want %d, %d", t.sum, t.order, p.want.sum, p.want.order)
		}
	}
	return s, err
}

// median returns the middle of the values, or the mean of the two in the middle.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}
