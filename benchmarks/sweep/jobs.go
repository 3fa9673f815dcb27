package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/penstock-go/penstock/benchmarks/sweep/sweep"
	"github.com/penstock-go/penstock/source"
)

// builtin is a job that comes with the command.
type builtin struct {
	name  string // as -jobs has it
	reads bool   // the file of -in
	run   func(context.Context, settings, []sweep.Option) (*sweep.Report, error)
}

// How many items the jobs have: so many that the fastest runs last some 10 ms and
// a sweep half a minute.
const (
	noopItems  = 3_000_000
	cpuItems   = 24_000
	quickItems = 10_000 // of each, with -quick
)

// builtins are the jobs of the command, in the order in which they run.
func builtins() []builtin {
	return []builtin{
		{name: "noop", run: func(ctx context.Context, s settings, opts []sweep.Option) (*sweep.Report, error) {
			return sweep.Run(ctx, sweep.Job[int, int]{
				Name: "no-op", Description: "A function that does nothing, on integers: what is left is the cost of moving an item.",
				Source: source.Range(0, s.number(noopItems)), Func: noop,
			}, opts...)
		}},
		{name: "cpu", run: func(ctx context.Context, s settings, opts []sweep.Option) (*sweep.Report, error) {
			return sweep.Run(ctx, sweep.Job[int, int]{
				Name: "5 µs CPU", Description: "A function that keeps a core busy for 5 µs, on integers.",
				Source: source.Range(0, s.number(cpuItems)), Func: spinFor(5 * time.Microsecond),
			}, opts...)
		}},
		{name: "lines", reads: true, run: func(ctx context.Context, s settings, opts []sweep.Option) (*sweep.Report, error) {
			if s.items > 0 {
				opts = append(opts, sweep.Items(s.items))
			}
			return sweep.Run(ctx, sweep.Job[string, record]{
				Name: "parse lines",
				Description: "The dates and numbers of each line of " + filepath.Base(s.in) +
					" are parsed; decompressing and reading are part of a run.",
				Source: source.Lines(s.in), Func: parseLine,
			}, opts...)
		}},
	}
}

// number is how many items a job has that has n by itself.
func (s *settings) number(n int) int {
	if s.items > 0 {
		return s.items
	}
	return n
}

func jobNames() []string {
	all := builtins()
	names := make([]string, 0, len(all))
	for _, j := range all {
		names = append(names, j.name)
	}
	return names
}

// jobsOf are the jobs that v names, in their own order.
func jobsOf(v string) ([]builtin, error) {
	wanted := map[string]bool{}
	for word := range strings.SplitSeq(v, ",") {
		wanted[strings.TrimSpace(word)] = true
	}
	var jobs []builtin
	for _, j := range builtins() {
		if wanted[j.name] {
			jobs = append(jobs, j)
		}
		delete(wanted, j.name)
	}
	if len(wanted) > 0 {
		return nil, errors.New("want some of " + strings.Join(jobNames(), ", "))
	}
	return jobs, nil
}

// data is where the flights of January 2001 are in the repository.
var data = filepath.Join("examples", "flights", "data", "flights-2001-01.csv.zst")

// january finds them: in the clone around the current folder, or else where this
// file was compiled.
func january() (string, error) {
	folder, err := os.Getwd()
	if err == nil {
		if path, found := around(folder, data); found {
			return path, nil
		}
	}
	if _, here, _, ok := runtime.Caller(0); ok {
		if path, found := around(filepath.Dir(here), data); found {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is nowhere around here: run from the repository, name another file with -in, "+
		"or leave the job lines out with -jobs", data)
}

// around looks for path in the folder and those that it is in.
func around(folder, path string) (string, bool) {
	for {
		here := filepath.Join(folder, path)
		if _, err := os.Stat(here); err == nil {
			return here, true
		}
		up := filepath.Dir(folder)
		if up == folder {
			return "", false
		}
		folder = up
	}
}
