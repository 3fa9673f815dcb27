package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/penstock-go/penstock/pool"
)

// scale is the suite of more: more workers for functions that wait, and more
// calls at once on one pool.
func scale() []benchCase {
	var cases []benchCase
	anyOrder := byGoStreams // in order it would have one worker
	anyOrder.name, anyOrder.note = "go-streams/unordered", "unordered; no errors"
	anyOrder.set = func(j *job) { j.ordered = false }
	for _, workers := range []int{1, 2, 4, 8, 32} {
		cases = append(cases, benchCase{
			name: fmt.Sprintf("sleep-1ms/workers=%d", workers), quickN: 40, speedup: true,
			job: job{
				n: 100, fn: sleepFor(time.Millisecond), workers: workers, ordered: true,
				window: max(peerWindow, 4*workers), buffer: peerBuffer,
			},
			impls: []impl{byLoop, byIndex, penstock, byRill, byConc, anyOrder, byPond, byMap},
		})
	}
	return append(cases, benchCase{
		name: "20us/live-calls", quickN: 640,
		job: job{n: 10_000, fn: spinFor(20 * time.Microsecond), workers: 4, ordered: true, window: peerWindow},
		impls: []impl{
			{name: "penstock/calls=64", kind: ours, run: penstockCalls(64)},
			{name: "penstock/calls=1", kind: variant, run: penstockCalls(1)},
			{name: "penstock/calls=4", kind: variant, run: penstockCalls(4)},
			{name: "penstock/calls=16", kind: variant, run: penstockCalls(16)},
			{name: "pond/calls=1", run: pondCalls(1)},
			{name: "pond/calls=64", run: pondCalls(64), note: "one pool; results at the end of each call"},
			{name: "rill/calls=1", run: separateCalls(1, rillMap)},
			{name: "rill/calls=64", run: separateCalls(64, rillMap), note: "nothing to share: every call has workers of its own"},
		},
		bounds: []bound{
			{what: "throughput / that of one call", atLeast: true, limit: 0.9, figure: func(rs results) float64 {
				return rs.ns("penstock/calls=1") / rs.ns("penstock/calls=64")
			}},
			{what: "slowest call / fastest", limit: 3, figure: worstSpread},
		},
	})
}

// worstSpread is the worst of all numbers of our calls.
func worstSpread(rs results) float64 {
	worst := math.NaN()
	for _, r := range rs {
		if (r.kind == ours || r.kind == variant) && r.SlowestOverFastest != nil && !(worst >= *r.SlowestOverFastest) {
			worst = *r.SlowestOverFastest
		}
	}
	return worst
}

func penstockCalls(calls int) runner {
	return func(ctx context.Context, j job) (tally, error) {
		p := pool.New(j.workers)
		defer p.Close()
		return liveCalls(ctx, j, calls, penstockOn(p))
	}
}

func pondCalls(calls int) runner {
	return func(ctx context.Context, j job) (tally, error) {
		p := pond.NewResultPool[int](j.workers)
		defer p.StopAndWait()
		return liveCalls(ctx, j, calls, pondOn(p))
	}
}

func separateCalls(calls int, call runner) runner {
	return func(ctx context.Context, j job) (tally, error) {
		j.seq = true // its part of the items
		return liveCalls(ctx, j, calls, call)
	}
}

// liveCalls splits the job into calls that start together, each of which proves
// itself, and notes how far apart the first and the last of them end.
func liveCalls(ctx context.Context, j job, calls int, call runner) (tally, error) {
	var (
		running sync.WaitGroup
		start   = make(chan struct{})
		begun   time.Time
		took    = make([]float64, calls)
		tallies = make([]tally, calls)
		failed  = make([]error, calls)
	)
	for i := range calls {
		running.Go(func() {
			part := j.part(i, calls)
			<-start
			tallies[i], failed[i] = call(ctx, part)
			took[i] = float64(time.Since(begun))
			if want := part.want(); failed[i] == nil && !part.accepts(tallies[i], want) {
				failed[i] = fmt.Errorf("call %d of %d: wrong results", i+1, calls)
			}
		})
	}
	begun = time.Now()
	close(start)
	running.Wait()
	j.sample.SlowestOverFastest = figure(slices.Max(took) / slices.Min(took))
	// The calls' orders were checked each by itself; the order of all is theirs.
	all := j.want()
	all.sum = 0
	for i := range calls {
		if failed[i] != nil {
			return all, failed[i]
		}
		all.sum += tallies[i].sum
	}
	return all, nil
}
