package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
)

// row is the result of one implementation in one case. Figures are medians over
// the rounds unless they say otherwise.
type row struct {
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
	// PeakHeapMB is the highest of all rounds, in units of 1,000,000 bytes.
	PeakHeapMB *float64 `json:"peak_heap_mb,omitempty"`

	Seconds float64 `json:"seconds"` // of one run
	NsMin   float64 `json:"ns_min"`  // ns per item of the fastest round
	NsMax   float64 `json:"ns_max"`  // and of the slowest
	Items   int     `json:"items"`
	Rounds  int     `json:"rounds"`

	Bound string `json:"bound,omitempty"` // what must be shown, with the figure that was measured
	Met   *bool  `json:"met,omitempty"`   // whether it was

	kind kind
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
		r := &out[i]
		if loop := out.fastest(plainLoop); loop != nil && r.kind != plainLoop {
			r.VsSequential = ratio(loop.NsPerItem, r.NsPerItem)
		}
		if best := out.fastest(ideal); best != nil && r.kind != ideal {
			r.IdealRatio = ratio(r.NsPerItem, best.NsPerItem)
		}
		if best := out.fastest(peer); best != nil && r.kind == ours {
			r.VsBestPeer, r.BestPeer = ratio(r.NsPerItem, best.NsPerItem), best.Impl
		}
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
	n := float64(p.job.n)
	ns := make([]float64, 0, len(p.samples))
	allocs := make([]float64, 0, len(p.samples))
	var heap uint64
	for _, s := range p.samples {
		ns = append(ns, float64(s.took)/n)
		allocs = append(allocs, float64(s.allocs)/n)
		heap = max(heap, s.heap)
	}
	r := row{
		Case: c.name, Impl: p.name, kind: p.kind,
		NsPerItem: round(median(ns)), AllocsPerItem: round(median(allocs)),
		Seconds: round(median(ns) * n / 1e9), Items: p.job.n, Rounds: len(p.samples),
	}
	r.NsMin, r.NsMax = math.Inf(1), 0
	for _, v := range ns {
		r.NsMin, r.NsMax = min(r.NsMin, round(v)), max(r.NsMax, round(v))
	}
	if heap > 0 {
		mb := round(float64(heap) / 1e6)
		r.PeakHeapMB = &mb
	}
	return r
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
		if rs[i].kind == k && (best == nil || rs[i].NsPerItem < best.NsPerItem) {
			best = &rs[i]
		}
	}
	return best
}

// ns returns the time per item of an implementation, not a number if it has none.
func (rs results) ns(name string) float64 {
	for _, r := range rs {
		if r.Impl == name {
			return r.NsPerItem
		}
	}
	return math.NaN()
}

func ratio(a, b float64) *float64 {
	v := round(a / b)
	return &v
}

// round keeps four digits behind the point.
func round(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// writeJSON writes an object a line.
func writeJSON(w io.Writer, rows []row) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

const tableFormat = "%-24s %-13s %12s %10s %9s %9s %9s %9s  %s\n"

// writeHeader writes the head of the table.
func writeHeader(w io.Writer) error {
	_, err := fmt.Fprintf(w, tableFormat, "case", "impl", "ns/item", "allocs",
		"x loop", "/ ideal", "/ peer", "seconds", "must show (measured)")
	return err
}

// writeTable writes the rows of a case below each other.
func writeTable(w io.Writer, rows []row) error {
	for _, r := range rows {
		verdict := r.Bound
		if r.PeakHeapMB != nil && verdict == "" {
			verdict = fmt.Sprintf("peak heap %.3g MB", *r.PeakHeapMB)
		}
		if r.Met != nil {
			verdict = map[bool]string{true: "met: ", false: "MISSED: "}[*r.Met] + verdict
		}
		line := fmt.Sprintf(tableFormat, r.Case, r.Impl, fmt.Sprintf("%.1f", r.NsPerItem), fmt.Sprintf("%.3f", r.AllocsPerItem),
			cell(r.VsSequential), cell(r.IdealRatio), cell(r.VsBestPeer), fmt.Sprintf("%.3f", r.Seconds), verdict)
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func cell(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.3g", *v)
}
