package main

import "time"

// latency is the suite of how long an item is on its way: from when it is taken
// from the source to when the consumer has its result. Where the source is faster
// than the workers that is above all how many items are on their way, which is
// what a budget is for; where it is slower it is the hand-off.
//
// Pond, which delivers all results at the end, is only among the first items.
// Conc keeps the order always.
func latency() []benchCase {
	const fn = 20 * time.Microsecond
	all := func(ordered bool, impls ...impl) []impl {
		out := []impl{penstock, penstock.chunk(1), penstock.chunk(64)}
		out = append(out, penstock.with("inflight=4", func(j *job) { j.inFlight = 4 }))
		rill := byRill
		rill.slice = false // a slice could not say when an item is taken
		out = append(out, rill)
		if ordered {
			return append(append(out, byConc, byGoStreams, byMap, byRing), impls...)
		}
		return append(append(out, byGoStreams, byAnyOrder), impls...)
	}
	busy := func(name string, ordered bool, n int, pace time.Duration) benchCase {
		return benchCase{
			name: name, quickN: 50, impls: all(ordered), probes: []probe{probeLatency},
			job: job{n: n, fn: spinFor(fn), workers: 2, ordered: ordered, seq: true, pace: pace, window: peerWindow},
		}
	}
	return []benchCase{
		busy("20us/ordered", true, 5000, 0),
		busy("20us/unordered", false, 5000, 0),
		busy("20us/paced-1ms/ordered", true, 50, time.Millisecond),
		busy("20us/paced-1ms/unordered", false, 50, time.Millisecond),
		{
			name: "first-item/10ms", quickN: 4, whole: true, probes: []probe{probeFirst},
			job:    job{n: 20, fn: sleepFor(10 * time.Millisecond), workers: 2, ordered: true, seq: true, window: peerWindow},
			impls:  all(true, byPond),
			bounds: []bound{firstVsChunk1(1.2)},
		},
	}
}

func firstVsChunk1(limit float64) bound {
	return bound{what: "first item / chunk 1's", limit: limit, figure: func(rs results) float64 {
		one := rs.named("penstock/chunk=1")
		if one == nil || one.FirstItemMs == nil {
			return rs.ns("") // not a number
		}
		return rs.ours(func(r *row) *float64 { return r.FirstItemMs }) / *one.FirstItemMs
	}}
}
