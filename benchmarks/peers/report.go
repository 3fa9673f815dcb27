package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// printer writes rows, as a table or an object a line.
type printer struct {
	w    io.Writer
	json bool
	said map[string]bool // the notes that a table has had
}

// column is a column of a table, between those that every table has.
type column struct {
	head string
	of   func(*row) *float64
}

// The columns that suites choose from.
var (
	loopColumn      = column{"x loop", func(r *row) *float64 { return r.VsSequential }}
	idealColumn     = column{"/ ideal", func(r *row) *float64 { return r.IdealRatio }}
	peerColumn      = column{"/ peer", func(r *row) *float64 { return r.VsBestPeer }}
	chunkColumn     = column{"chunk", chunkSize}
	p50Column       = column{"p50 us", func(r *row) *float64 { return r.P50us }}
	p99Column       = column{"p99 us", func(r *row) *float64 { return r.P99us }}
	firstColumn     = column{"first ms", func(r *row) *float64 { return r.FirstItemMs }}
	speedupColumn   = column{"speedup", func(r *row) *float64 { return r.Speedup }}
	ofWorkersColumn = column{"/ workers", func(r *row) *float64 { return r.OfWorkers }}
	spreadColumn    = column{"slow/fast", func(r *row) *float64 { return r.SlowestOverFastest }}
	peakColumn      = column{"peak MB", func(r *row) *float64 { return r.PeakHeapMB }}
	liveColumn      = column{"live MB", func(r *row) *float64 { return r.LiveHeapMB }}
	startupColumn   = column{"start ms", func(r *row) *float64 { return r.StartupMs }}
)

func chunkSize(r *row) *float64 {
	if r.ChunkSize == 0 {
		return nil
	}
	return figure(float64(r.ChunkSize))
}

// head writes the head of a suite's table.
func (p *printer) head(s suite) error {
	if p.json {
		return nil
	}
	p.said = map[string]bool{}
	heads := make([]string, 0, len(s.columns))
	for _, c := range s.columns {
		heads = append(heads, c.head)
	}
	return p.line("suite "+s.name, "impl", "ns/item", "allocs", heads, "seconds", "must show (measured), notes")
}

// rows writes the rows of a case below each other.
func (p *printer) rows(s suite, rows []row) error {
	enc := json.NewEncoder(p.w)
	enc.SetEscapeHTML(false)
	for i := range rows {
		r := &rows[i]
		r.Suite = s.name
		var err error
		if p.json {
			err = enc.Encode(r)
		} else {
			err = p.row(s, r)
		}
		if err != nil {
			return err
		}
	}
	if p.json {
		return nil
	}
	_, err := fmt.Fprintln(p.w)
	return err
}

func (p *printer) row(s suite, r *row) error {
	cells := make([]string, 0, len(s.columns))
	for _, c := range s.columns {
		cells = append(cells, cell(c.of(r), "%.3g"))
	}
	var ns, allocs, seconds *float64
	if r.Rounds > 0 {
		ns, allocs, seconds = &r.NsPerItem, &r.AllocsPerItem, &r.Seconds
	}
	return p.line(r.Case, r.Impl, cell(ns, "%.1f"), cell(allocs, "%.3f"), cells, cell(seconds, "%.3f"), p.remark(r))
}

// line writes a line of the table.
func (p *printer) line(name, impl, ns, allocs string, cells []string, seconds, remark string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-29s %-20s %12s %8s", name, impl, ns, allocs)
	for _, c := range cells {
		fmt.Fprintf(&b, " %9s", c)
	}
	fmt.Fprintf(&b, " %8s  %s", seconds, remark)
	_, err := fmt.Fprintln(p.w, strings.TrimRight(b.String(), " "))
	return err
}

// remark is what a line ends with: the verdict and, the first time, the note.
func (p *printer) remark(r *row) string {
	var parts []string
	switch {
	case r.Met == nil:
	case *r.Met:
		parts = append(parts, "met: "+r.Bound)
	default:
		parts = append(parts, "MISSED: "+r.Bound)
	}
	if said := r.Impl + r.Note; r.Note != "" && !p.said[said] {
		p.said[said] = true
		parts = append(parts, r.Note)
	}
	return strings.Join(parts, ". ")
}

func cell(v *float64, format string) string {
	if v == nil {
		return "-"
	}
	if *v >= 1000 {
		format = "%.0f" // no exponents
	}
	return fmt.Sprintf(format, *v)
}
