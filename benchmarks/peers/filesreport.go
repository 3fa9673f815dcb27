package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// fileRow is the result of one implementation in one case of the suite files.
type fileRow struct {
	Suite   string  `json:"suite"`
	Case    string  `json:"case"`
	Impl    string  `json:"impl"`
	Seconds float64 `json:"seconds"` // of the process, from start to end; the median of the rounds
	// MBPerS counts the bytes of the input after decompression, in MB of 1,000,000.
	MBPerS float64 `json:"mb_per_s"`
	// PeakRSSMB is the most memory of the process, or of one of its children; the
	// highest of all rounds.
	PeakRSSMB float64  `json:"peak_rss_mb"`
	Ratio     *float64 `json:"ratio"` // the time of ours divided by that of this one
	OutMB     *float64 `json:"out_mb,omitempty"`
	Answer    string   `json:"answer,omitempty"` // of what a file holds
	Rounds    int      `json:"rounds"`
	Bound     string   `json:"bound,omitempty"`
	Met       *bool    `json:"met,omitempty"`
	Note      string   `json:"note,omitempty"`
}

func (r *fileRow) judge(what string, got, limit float64) {
	met := got <= limit
	r.Bound, r.Met = fmt.Sprintf("%s (%.3g)", what, got), &met
}

func (p *printer) filesHead(suite string) error {
	if p.json {
		return nil
	}
	p.said = map[string]bool{}
	return p.fileLine("suite "+suite, "impl", "seconds", "MB/s", "peak MB", "ours /", "must show (measured), notes")
}

func (p *printer) fileRows(rows []*fileRow) error {
	enc := json.NewEncoder(p.w)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if p.json {
			if err := enc.Encode(r); err != nil {
				return err
			}
			continue
		}
		said := row{Impl: r.Impl, Note: r.Note, Bound: r.Bound, Met: r.Met}
		cells := [4]string{"-", "-", "-", cell(r.Ratio, "%.3f")}
		if r.Rounds > 0 {
			cells[0], cells[1], cells[2] = cell(&r.Seconds, "%.3f"), cell(&r.MBPerS, "%.0f"), cell(&r.PeakRSSMB, "%.1f")
		}
		remark := p.remark(&said)
		if r.OutMB != nil {
			remark = fmt.Sprintf("writes %.1f MB (%s). ", *r.OutMB, r.Answer) + remark
		}
		if err := p.fileLine(r.Case, r.Impl, cells[0], cells[1], cells[2], cells[3], remark); err != nil {
			return err
		}
	}
	if p.json {
		return nil
	}
	_, err := fmt.Fprintln(p.w)
	return err
}

func (p *printer) fileLine(name, impl, seconds, speed, peak, ratio, remark string) error {
	line := fmt.Sprintf("%-20s %-25s %8s %8s %8s %8s  %s", name, impl, seconds, speed, peak, ratio, remark)
	_, err := fmt.Fprintln(p.w, strings.TrimRight(line, " "))
	return err
}
