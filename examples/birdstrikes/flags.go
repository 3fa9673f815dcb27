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
	fs := flag.NewFlagSet("birdstrikes", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	add := func(s string) error {
		if s == "" {
			return errors.New("want the name of a file")
		}
		j.in = append(j.in, s)
		return nil
	}
	fs.Func("in", "read this `file` or pattern (several: repeat it, or add them behind);\n"+
		"- for standard input (default: reports of 1990 to 2002)", add)
	fs.StringVar(&j.out, "out", "birdstrikes.parquet", "the `file` to write; bad rows go to its name with -rejected.ndjson")
	fs.IntVar(&j.workers, "workers", 0, "check rows in so `many` goroutines; 0: one for each processor")
	fs.IntVar(&j.maxBad, "max-bad", 0, "fail if more than so many `rows` break a rule; 0: no limit")
	fs.BoolVar(&j.verbose, "v", false, "print what each stage did")

	var failed error
	err := command.Parse(fs, args, "Usage: birdstrikes [flags] [file ...]", stderr, func(file string) {
		failed = errors.Join(failed, add(file))
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"workers", j.workers}, {"max-bad", j.maxBad}} {
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

// data is where the reports are in the repository.
const data = "examples/birdstrikes/data/birdstrikes.csv.zst"
