package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock/benchmarks/sweep/sweep"
)

// settings are what the flags ask for.
type settings struct {
	jobs    []builtin
	out     string // the directory of the report
	in      string // the file of the job lines
	chunks  []int  // nil: the package's default
	workers []int
	modes   []sweep.Mode
	rounds  int
	items   int // 0: each job's own number
	budget  time.Duration
	quick   bool
	json    bool
}

// parse makes settings of the command's arguments. Only help goes to stderr: errors
// are the caller's to print.
func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{jobs: builtins()}
	var rounds, items *int
	fs := flag.NewFlagSet("sweep", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&s.out, "out", "sweep-report", "write the report into this `directory`")
	fs.Func("jobs", "sweep these `jobs` only: "+strings.Join(jobNames(), ", ")+", between commas", func(v string) (err error) {
		s.jobs, err = jobsOf(v)
		return err
	})
	fs.StringVar(&s.in, "in", "", "the `file` of the job lines, gzip and zstd included\n(default: the flights of January 2001)")
	fs.Func("chunks", "fixed chunk `sizes`, between commas; the automatic size is always measured\n"+
		"(default 1,4,16,64,256,1024,4096)", func(v string) (err error) {
		s.chunks, err = numbers(v, 0)
		return err
	})
	fs.Func("workers", "`numbers` of workers, between commas; 0: GOMAXPROCS (default 1,0)", func(v string) (err error) {
		s.workers, err = numbers(v, 0)
		return err
	})
	fs.Func("modes", "`modes`, between commas: ordered, unordered, eager (default ordered,unordered)", func(v string) (err error) {
		s.modes, err = modesOf(v)
		return err
	})
	fs.Func("rounds", "timed `rounds`, after one to warm up (default 5)", number(&rounds, 1))
	fs.Func("items", "the first so many `items` of each job only; 0: the job's own number", number(&items, 0))
	fs.DurationVar(&s.budget, "budget", 50*time.Second,
		"begin no round that would end later than so much `time` after the job's start; 0: no bound")
	fs.BoolVar(&s.quick, "quick", false, "small sizes and one round: checks that everything runs")
	fs.BoolVar(&s.json, "json", false, "print JSON objects instead of tables and advice")

	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stderr, "Usage: sweep [flags]")
			fs.SetOutput(stderr)
			fs.PrintDefaults()
		}
		return s, err
	}
	switch {
	case fs.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case s.out == "":
		return s, errors.New("-out is empty, want the name of a directory")
	case s.budget < 0:
		return s, fmt.Errorf("-budget is %v, want 0 or more", s.budget)
	}
	s.settle(rounds, items)
	if s.in == "" && slices.ContainsFunc(s.jobs, func(j builtin) bool { return j.reads }) {
		path, err := january()
		if err != nil {
			return s, err
		}
		s.in = path
	}
	return s, nil
}

// settle fills in what was not asked for.
func (s *settings) settle(rounds, items *int) {
	s.rounds = 5
	if s.quick {
		s.rounds, s.items = 1, quickItems
		if s.chunks == nil {
			s.chunks = []int{1, 64, 1024}
		}
	}
	if rounds != nil {
		s.rounds = *rounds
	}
	if items != nil {
		s.items = *items
	}
}

// options are the settings as the package knows them.
func (s *settings) options() []sweep.Option {
	opts := []sweep.Option{sweep.Rounds(s.rounds), sweep.Budget(s.budget)}
	if s.chunks != nil {
		opts = append(opts, sweep.ChunkSizes(s.chunks...))
	}
	if s.workers != nil {
		opts = append(opts, sweep.Workers(s.workers...))
	}
	if s.modes != nil {
		opts = append(opts, sweep.Modes(s.modes...))
	}
	return opts
}

// number parses a flag's value into a new *into, at least so much.
func number(into **int, least int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		switch {
		case err != nil:
			return errors.New("want a number")
		case n < least:
			return fmt.Errorf("want %d or more", least)
		}
		*into = &n
		return nil
	}
}

// numbers parses numbers between commas, each at least so much.
func numbers(v string, least int) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(v, ",") {
		var n *int
		if err := number(&n, least)(strings.TrimSpace(word)); err != nil {
			return nil, err
		}
		all = append(all, *n)
	}
	return all, nil
}

func modesOf(v string) ([]sweep.Mode, error) {
	var all []sweep.Mode
	for word := range strings.SplitSeq(v, ",") {
		var m sweep.Mode
		if m.UnmarshalText([]byte(strings.TrimSpace(word))) != nil || m == sweep.Sequential {
			return nil, errors.New("want ordered, unordered or eager")
		}
		all = append(all, m)
	}
	return all, nil
}
