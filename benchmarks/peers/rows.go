package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// row is the result of one implementation in one case. Figures are medians over
// the rounds unless they say otherwise.
type row struct {
	Suite         string  `json:"suite"`
	Case          string  `json:"case"`
	Impl          string  `json:"impl"`
	NsPerItem     float64 `json:"ns_per_item"`
	AllocsPerItem float64 `json:"allocs_per_item"`

	// VsBestPeer is ours divided by the fastest peer of the case, in time; null
	// for all others.
	VsBestPeer *float64 `json:"vs_best_peer"`
	BestPeer   string   `json:"best_peer,omitempty"`
	// VsSequential is how many times as fast as the plain loop this is.
	VsSequential *float64 `json:"vs_sequential,omitempty"`
	// IdealRatio is the time divided by that of the ideal.
	IdealRatio *float64 `json:"ideal_ratio,omitempty"`

	figures //nolint:embeddedstructfieldcheck // an object begins with what names the row

	ChunkSize int     `json:"chunk_size,omitempty"` // of what works in chunks; 0: automatic
	Workers   int     `json:"workers,omitempty"`
	Seconds   float64 `json:"seconds"` // of one run
	NsMin     float64 `json:"ns_min"`  // ns per item of the fastest round
	NsMax     float64 `json:"ns_max"`  // and of the slowest
	Items     int     `json:"items"`   // of one run
	Rounds    int     `json:"rounds"`

	Bound string `json:"bound,omitempty"` // what must be shown, with the figure that was measured
	Met   *bool  `json:"met,omitempty"`   // whether it was
	Note  string `json:"note,omitempty"`  // where it differs from ours, or why there is no figure

	kind kind
}

// figures are what only some cases measure.
type figures struct {
	Speedup     *float64 `json:"speedup,omitempty"`       // times as fast as the plain loop
	OfWorkers   *float64 `json:"of_workers,omitempty"`    // the speedup divided by the number of workers: 1 is ideal
	P50us       *float64 `json:"p50_us,omitempty"`        // from the source to the consumer
	P99us       *float64 `json:"p99_us,omitempty"`        // the same
	FirstItemMs *float64 `json:"first_item_ms,omitempty"` // from the beginning to the first result
	// SlowestOverFastest compares the calls of a run: when the last one ended
	// divided by when the first one did; the worst of all rounds.
	SlowestOverFastest *float64 `json:"slowest_over_fastest,omitempty"`
	// PeakHeapMB and LiveHeapMB are the highest of all rounds, in units of
	// 1,000,000 bytes.
	PeakHeapMB *float64 `json:"peak_heap_mb,omitempty"`
	LiveHeapMB *float64 `json:"live_heap_mb,omitempty"`
	StartupMs  *float64 `json:"startup_ms,omitempty"` // Python: making the Pool, not in the time per item
}

// folds say how figures of rounds become one of a row.
var folds = []struct {
	of func(*figures) **float64
	by func([]float64) float64
}{
	{func(f *figures) **float64 { return &f.P50us }, median},
	{func(f *figures) **float64 { return &f.P99us }, median},
	{func(f *figures) **float64 { return &f.FirstItemMs }, median},
	{func(f *figures) **float64 { return &f.SlowestOverFastest }, slices.Max[[]float64]},
	{func(f *figures) **float64 { return &f.PeakHeapMB }, slices.Max[[]float64]},
	{func(f *figures) **float64 { return &f.LiveHeapMB }, slices.Max[[]float64]},
	{func(f *figures) **float64 { return &f.StartupMs }, median},
}

// fold makes one set of figures of those of all rounds.
func fold(samples []sample) figures {
	var out figures
	for _, rule := range folds {
		var all []float64
		for i := range samples {
			if v := *rule.of(&samples[i].figures); v != nil {
				all = append(all, *v)
			}
		}
		if len(all) > 0 {
			*rule.of(&out) = figure(rule.by(all))
		}
	}
	return out
}

// bound is something that a case must show. Its figure is not a number when an
// implementation that it needs was not run.
type bound struct {
	what    string
	atLeast bool // the figure must not be below the limit; else not above it
	limit   float64
	figure  func(results) float64
}

// results are the rows of one case.
type results []row

// rows makes the rows of a case, its comparisons and its verdict.
func rows(c benchCase, field []*contestant, set settings) []row {
	out := make(results, len(field))
	for i, p := range field {
		out[i] = p.row(c)
	}
	for i := range out {
		out[i].compare(c, out)
	}
	if set.quick {
		return out // too little was run to judge
	}
	for i := range out {
		if out[i].kind == ours {
			out[i].judge(c.bounds, out)
		}
	}
	return out
}

func (p *contestant) row(c benchCase) row {
	r := row{Case: c.name, Impl: p.name, kind: p.kind, Note: p.note}
	if p.absent {
		return r
	}
	items := p.job.n * p.times
	n := float64(items)
	ns := make([]float64, 0, len(p.samples))
	allocs := make([]float64, 0, len(p.samples))
	for _, s := range p.samples {
		ns = append(ns, float64(s.took)/n)
		allocs = append(allocs, float64(s.allocs)/n)
	}
	r.NsPerItem, r.AllocsPerItem = round(median(ns)), round(median(allocs))
	r.Seconds, r.Items, r.Rounds = round(median(ns)*n/1e9), items, len(p.samples)
	r.NsMin, r.NsMax = round(slices.Min(ns)), round(slices.Max(ns))
	r.Workers = p.job.workers
	if p.chunks {
		r.ChunkSize = p.job.chunk
	}
	r.figures = fold(p.samples)
	return r
}

// compare compares the row with the others of its case.
func (r *row) compare(c benchCase, all results) {
	if r.Rounds == 0 {
		return
	}
	if loop := all.fastest(plainLoop); loop != nil && r.kind != plainLoop {
		r.VsSequential = figure(loop.NsPerItem / r.NsPerItem)
		if c.speedup {
			r.Speedup = r.VsSequential
			r.OfWorkers = figure(loop.NsPerItem / r.NsPerItem / float64(r.Workers))
		}
	}
	if best := all.fastest(ideal); best != nil && r.kind != ideal {
		r.IdealRatio = figure(r.NsPerItem / best.NsPerItem)
	}
	if best := all.fastest(peer); best != nil && r.kind == ours {
		r.VsBestPeer, r.BestPeer = figure(r.NsPerItem/best.NsPerItem), best.Impl
	}
}

// judge compares the row with the bounds of its case.
func (r *row) judge(bounds []bound, all results) {
	var said []string
	met := true
	for _, b := range bounds {
		got := b.figure(all)
		if math.IsNaN(got) {
			return // not everything that it takes was run
		}
		sign := "<="
		ok := got <= b.limit
		if b.atLeast {
			sign, ok = ">=", got >= b.limit
		}
		met = met && ok
		said = append(said, fmt.Sprintf("%s %s %g (%.3g)", b.what, sign, b.limit, got))
	}
	if len(said) > 0 {
		r.Bound, r.Met = strings.Join(said, "; "), &met
	}
}

// fastest returns the row of a kind that takes the least time, or nil.
func (rs results) fastest(k kind) *row {
	var best *row
	for i := range rs {
		if rs[i].kind == k && rs[i].Rounds > 0 && (best == nil || rs[i].NsPerItem < best.NsPerItem) {
			best = &rs[i]
		}
	}
	return best
}

// named returns the row of an implementation, or nil.
func (rs results) named(name string) *row {
	for i := range rs {
		if rs[i].Impl == name && rs[i].Rounds > 0 {
			return &rs[i]
		}
	}
	return nil
}

// ns returns the time per item of an implementation, not a number if it has none.
func (rs results) ns(name string) float64 {
	if r := rs.named(name); r != nil {
		return r.NsPerItem
	}
	return math.NaN()
}

// ours returns a figure of our row, not a number if there is none.
func (rs results) ours(of func(*row) *float64) float64 {
	if r := rs.fastest(ours); r != nil {
		if v := of(r); v != nil {
			return *v
		}
	}
	return math.NaN()
}

func figure(v float64) *float64 {
	v = round(v)
	return &v
}

// round keeps four digits behind the point.
func round(v float64) float64 { return math.Round(v*1e4) / 1e4 }
