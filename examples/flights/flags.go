package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// parse makes a job of the command's arguments. Only help goes to stderr:
// errors are the caller's to print.
func parse(args []string, stderr io.Writer) (*job, error) {
	j := &job{}
	fs := flag.NewFlagSet("flights", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Func("in", "read this `file` or pattern (several: repeat it, or add them behind);\n"+
		"- for standard input (default: the flights of January 2001)", func(s string) error {
		if s == "" {
			return errors.New("want the name of a file")
		}
		j.in = append(j.in, s)
		return nil
	})
	fs.StringVar(&j.out, "out", "flights.db", "the `database`; its table flights is replaced")
	fs.IntVar(&j.workers, "workers", 0, "check rows in so `many` goroutines; 0: one for each processor")
	fs.IntVar(&j.chunk, "chunk", 0, "hand so many `rows` at a time to a worker; 0: automatic")
	fs.BoolVar(&j.unordered, "unordered", false, "write rows in the order in which they are ready")
	fs.IntVar(&j.limit, "limit", 0, "read only the first so many `rows`; 0: all")
	fs.IntVar(&j.minDelay, "min-delay", minDelay, "leave out flights that were less than so many `minutes` late")
	fs.BoolVar(&j.verbose, "v", false, "print what each stage did")

	err := command.Parse(fs, args, "Usage: flights [flags] [file ...]", stderr, func(file string) { j.in = append(j.in, file) })
	if err != nil {
		return nil, err
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"workers", j.workers}, {"chunk", j.chunk}, {"limit", j.limit}} {
		if n.value < 0 {
			return nil, fmt.Errorf("-%s is %d, want 0 or more", n.name, n.value)
		}
	}
	if j.out == "" {
		return nil, errors.New("-out is empty, want the name of a file")
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
