package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// suite is a set of cases that are measured together and print one table.
type suite struct {
	name    string
	apart   bool     // -suite all leaves it out
	columns []column // of its table, between those that all have
	open    func(ctx context.Context, set settings) (*plan, error)
	// run, if it is not nil, measures in a way of its own.
	run func(ctx context.Context, set settings, cases *regexp.Regexp, p *printer, stderr io.Writer) (int, error)
}

// plan is a suite that is ready to run: functions are calibrated, files and
// processes are there.
type plan struct {
	cases   []benchCase
	warning string       // what could not be had
	close   func() error // nil: nothing to close
}

// suites are the suites in the order in which all runs them: what suffers most
// from a noisy machine first.
var suites = []suite{
	{name: "engine", columns: []column{loopColumn, idealColumn, peerColumn}, open: calibrated(engine)},
	{name: "chunks", columns: []column{chunkColumn}, open: openChunks},
	{name: "latency", columns: []column{p50Column, p99Column, firstColumn}, open: calibrated(latency)},
	{name: "scale", columns: []column{speedupColumn, ofWorkersColumn, idealColumn, spreadColumn}, open: calibrated(scale)},
	{name: "memory", columns: []column{peakColumn, liveColumn}, open: calibrated(memory)},
	{name: "python", columns: []column{chunkColumn, peerColumn, startupColumn}, open: openPython},
	{name: "operators", columns: []column{peerColumn}, open: calibrated(operators)},
	{name: "files", apart: true, run: runFiles},
	{name: "delivery", apart: true, run: runDelivery},
}

// allSuites is the name under which they run one after another.
const allSuites = "all"

// calibrated opens a suite that needs nothing but time to calibrate.
func calibrated(cases func() []benchCase) func(context.Context, settings) (*plan, error) {
	return func(context.Context, settings) (*plan, error) { return &plan{cases: cases()}, nil }
}

func suiteNames() string {
	names := make([]string, 0, len(suites)+1)
	for _, s := range suites {
		names = append(names, s.name)
	}
	return strings.Join(append(names, allSuites), ", ")
}

// suitesNamed returns the suite of that name, or all of them.
func suitesNamed(name string) []suite {
	return slices.DeleteFunc(slices.Clone(suites), func(s suite) bool {
		return s.name != name && (name != allSuites || s.apart)
	})
}

// measure measures the cases that match and prints each as soon as it is known.
// It returns how many there were.
func (s suite) measure(ctx context.Context, set settings, cases *regexp.Regexp, p *printer, stderr io.Writer) (n int, err error) {
	if s.run != nil {
		return s.run(ctx, set, cases, p, stderr)
	}
	ready, err := s.open(ctx, set)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.name, err)
	}
	if ready.close != nil {
		defer func() { err = errors.Join(err, ready.close()) }()
	}
	for _, c := range ready.cases {
		if !cases.MatchString(c.name) {
			continue
		}
		if n == 0 {
			if ready.warning != "" {
				fmt.Fprintf(stderr, "peers: %s: %s\n", s.name, ready.warning)
			}
			if err := p.head(s); err != nil {
				return n, err
			}
		}
		n++
		got, err := measure(ctx, c, set)
		if err != nil {
			return n, fmt.Errorf("%s: %w", s.name, err)
		}
		if err := p.rows(s, got); err != nil {
			return n, err
		}
	}
	return n, nil
}
