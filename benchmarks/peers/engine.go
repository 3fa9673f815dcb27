package main

import (
	"math"
	"time"
)

// The competitors, under the names that their rows carry, with what they do not
// do as ours does.
var (
	byLoop      = impl{name: "sequential", kind: plainLoop, run: sequential}
	byIndex     = impl{name: "atomic-index", kind: ideal, run: atomicIndex}
	byRill      = impl{name: rillName, slice: true, run: rillMap, note: rillNote}
	byConc      = impl{name: "conc", run: concStream, note: "no errors: callbacks carry them"}
	byGoStreams = impl{name: goStreamsName, run: goStreamsMap, note: "no errors; keeps the order with one worker only"}
	byPond      = impl{name: "pond", run: pondGroup, note: "no bound: all tasks and results in memory, results at the end"}
	byMap       = impl{name: "errgroup", run: errgroupMap, note: byHandNote}
	byRing      = impl{name: "errgroup-ring", run: errgroupRing, note: byHandNote}
	byAnyOrder  = impl{name: "errgroup", run: errgroupUnordered, note: byHandNote}
)

const (
	rillNote   = "a panic ends the process; drains in the background when stopped early"
	byHandNote = "by hand: the first error ends it; a panic ends the process"
)

// peerWindow is how many items peers may have on their way where they let one say
// it: as many as ours has by default at chunk 1.
const peerWindow = 64

// peerBuffer is the room in go-streams' channels where throughput counts: as much
// as rill has behind a slice.
const peerBuffer = 512

// engine is the suite of the pool and the sequential operators.
func engine() []benchCase {
	const million = 1_000_000
	ordered := []impl{byLoop, penstock, byRill, byConc, byGoStreams, byPond, byMap, byRing}
	unordered := []impl{byLoop, penstock, byRill, byGoStreams, byAnyOrder}
	parallel := append([]impl{byIndex}, ordered...)
	cheap := func(j job) job {
		j.n, j.fn, j.workers, j.window, j.buffer = 200_000, noop, 2, peerWindow, peerBuffer
		return j
	}
	busy := func(d time.Duration, n int) job {
		return job{n: n, fn: spinFor(d), workers: 2, ordered: true, window: peerWindow, buffer: peerBuffer}
	}
	return []benchCase{
		{
			name: "ordered/noop/chunk1", job: cheap(job{ordered: true, chunk: 1}), quickN: 2000, impls: ordered,
			bounds: []bound{vsBestPeer(0.2), noAllocs()},
		},
		{
			name: "unordered/noop/chunk1", job: cheap(job{chunk: 1}), quickN: 2000, impls: unordered,
			bounds: []bound{vsBestPeer(0.4), noAllocs()},
		},
		{
			name: "ordered/noop/auto", job: cheap(job{ordered: true}), quickN: 2000, impls: ordered,
			bounds: []bound{overLoop(6)},
		},
		{
			name: "unordered/noop/auto", job: cheap(job{}), quickN: 2000, impls: unordered,
			bounds: []bound{overLoop(6)},
		},
		{
			name: "ordered/seq-source/auto", job: cheap(job{ordered: true, seq: true}), quickN: 2000, impls: ordered,
			bounds: []bound{nsPerItem(20)},
		},
		{
			name: "ordered/1us/auto", job: busy(time.Microsecond, 50_000), quickN: 2000, impls: parallel,
			bounds: []bound{ofTwiceLoop(0.92)},
		},
		{
			name: "ordered/20us/auto", job: busy(20*time.Microsecond, 5000), quickN: 200, impls: parallel,
			bounds: []bound{ofTwiceLoop(0.95)},
		},
		{
			// The plain loop and go-streams, which keeps the order with one worker
			// only, would sleep for ten seconds.
			name: "ordered/skew", quickN: 200, whole: true,
			job:    job{n: 5000, fn: skewed, workers: 16, ordered: true, window: 2048, inFlight: 2048},
			impls:  []impl{byIndex, penstock, byRill, byConc, byPond, byMap, byRing},
			bounds: []bound{vsIdeal(1.15), vsRill(0.6)},
		},
		{
			name: "prefix", quickN: 10_004, whole: true,
			job:    job{n: 10_100, fn: prefixed(10_000), workers: 4, ordered: true, window: peerWindow},
			impls:  []impl{byIndex, penstock, byRill, byConc, byPond, byMap, byRing},
			bounds: []bound{vsIdeal(1.2)},
		},
		{
			name: "chain5/noop", job: cheap(job{ordered: true}), quickN: 2000,
			impls: []impl{
				{name: "sequential", kind: plainLoop, run: sequentialChain},
				penstockChain,
				{name: rillName, slice: true, run: rillChain, note: rillNote},
				{name: goStreamsName, run: goStreamsChain, note: "no errors"},
				{name: "errgroup", run: errgroupChain, note: byHandNote},
			},
			bounds: []bound{nsPerItem(25)},
		},
		{
			name: "memory", quickN: million, whole: true, probes: []probe{probePeakHeap},
			job:    job{n: 100 * million, fn: noop, workers: 2, ordered: true},
			impls:  []impl{penstock},
			bounds: []bound{{what: "peak heap, MB", limit: 16, figure: peakHeap}},
		},
	}
}

func vsBestPeer(limit float64) bound {
	return bound{what: "time / best peer's", limit: limit, figure: func(rs results) float64 {
		best := rs.fastest(peer)
		if best == nil {
			return math.NaN()
		}
		return rs.ns(ourName) / best.NsPerItem
	}}
}

// noAllocs asks for no allocation per item: what is left of the fixed ones of a
// run must be less than one in a thousand items.
func noAllocs() bound {
	return bound{what: "allocs per item", limit: 0.001, figure: func(rs results) float64 {
		return rs.ours(func(r *row) *float64 { return &r.AllocsPerItem })
	}}
}

func overLoop(limit float64) bound {
	return bound{what: "ns over the loop", limit: limit, figure: func(rs results) float64 {
		return rs.ns(ourName) - rs.ns("sequential")
	}}
}

func nsPerItem(limit float64) bound {
	return bound{what: "ns per item", limit: limit, figure: func(rs results) float64 { return rs.ns(ourName) }}
}

func ofTwiceLoop(limit float64) bound {
	return bound{what: "speed / (2 x the loop's)", atLeast: true, limit: limit, figure: func(rs results) float64 {
		return rs.ns("sequential") / rs.ns(ourName) / 2
	}}
}

func vsRill(limit float64) bound {
	return bound{what: "time / rill's", limit: limit, figure: func(rs results) float64 {
		return rs.ns(ourName) / rs.ns(rillName)
	}}
}

func vsIdeal(limit float64) bound {
	return bound{what: "time / ideal", limit: limit, figure: func(rs results) float64 {
		return rs.ns(ourName) / rs.ns("atomic-index")
	}}
}

func peakHeap(rs results) float64 {
	return rs.ours(func(r *row) *float64 { return r.PeakHeapMB })
}
