package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// parse makes a job of the command's arguments. Only help goes to stderr:
// errors are the caller's to print.
func parse(args []string, stderr io.Writer) (*job, error) {
	j := &job{}
	fs := flag.NewFlagSet("groupby", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&j.by, "by", "origin", "make a group of the rows that have the same value in this `column`")
	fs.StringVar(&j.of, "of", "delay", "take the mean of this `column`, a number")
	fs.IntVar(&j.top, "top", 10, "print the `groups` with the most rows; 0: all")
	fs.IntVar(&j.workers, "workers", 0, "use so `many` goroutines; 0: one for each processor")
	fs.IntVar(&j.skipBad, "skip-bad", 0, "pass over up to so many `rows` whose value is no number")
	fs.BoolVar(&j.csv, "csv", false, "print the groups as CSV, and the rest to standard error")

	err := command.Parse(fs, args, "Usage: groupby [flags] [file ...]\n"+
		"A file may be a pattern, a folder or - for standard input; gzip and zstd are recognised.\n"+
		"Without files: the flights of January 2001.", stderr, func(file string) { j.in = append(j.in, file) })
	if err != nil {
		return nil, err
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"top", j.top}, {"workers", j.workers}, {"skip-bad", j.skipBad}} {
		if n.value < 0 {
			return nil, fmt.Errorf("-%s is %d, want 0 or more", n.name, n.value)
		}
	}
	switch j.by {
	case "":
		return nil, errors.New("-by is empty, want the name of a column")
	case j.of:
		return nil, fmt.Errorf("-by and -of are both %s, want two columns", j.by)
	}
	if j.of == "" {
		return nil, errors.New("-of is empty, want the name of a column")
	}
	if slices.Contains(j.in, "") {
		return nil, errors.New("a file's name is empty")
	}
	if len(j.in) == 0 {
		data, err := command.Data(data)
		if err != nil {
			return nil, err
		}
		j.in = []string{data}
	}
	return j, nil
}

// data is where the flights of January 2001 are in the repository.
const data = "examples/flights/data/flights-2001-01.csv.zst"
