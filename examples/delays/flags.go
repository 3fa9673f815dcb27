package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// Where the data is in the repository.
const (
	flightsData  = "examples/flights/data/flights-2001-01.csv.zst"
	airportsData = "examples/delays/data/airports.csv"
)

// parse makes a job of the command's arguments. Only help goes to stderr: errors are
// the caller's to print.
func parse(args []string, stderr io.Writer) (*job, error) {
	j := &job{}
	fs := flag.NewFlagSet("delays", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&j.out, "out", "delays-by-state", "the `folder` of the Parquet files")
	fs.StringVar(&j.airports, "airports", "", "the `file` of the airports (default: the one beside this program)")
	fs.DurationVar(&j.window, "window", time.Hour, "the `length` of a window")
	fs.DurationVar(&j.disorder, "disorder", 0, "how much `earlier` than the row before it a row may be")
	fs.IntVar(&j.workers, "workers", 0, "use so many `goroutines`; 0: one for each processor")
	err := command.Parse(fs, args, "Usage: delays [flags] [file ...]\n"+
		"A file may be a pattern or a folder; gzip and zstd are recognised.\n"+
		"Without files: the flights of January 2001.", stderr, func(file string) { j.in = append(j.in, file) })
	switch {
	case err != nil:
		return nil, err
	case j.out == "":
		return nil, errors.New("-out is empty, want the name of a folder")
	case j.window < time.Minute:
		return nil, fmt.Errorf("-window is %v, want a minute or more", j.window)
	case j.disorder < 0:
		return nil, fmt.Errorf("-disorder is %v, want 0 or more", j.disorder)
	case j.workers < 0:
		return nil, fmt.Errorf("-workers is %d, want 0 or more", j.workers)
	case slices.Contains(j.in, ""):
		return nil, errors.New("a file's name is empty")
	}
	if len(j.in) == 0 {
		data, err := command.Data(flightsData)
		if err != nil {
			return nil, err
		}
		j.in = []string{data}
	}
	if j.airports == "" {
		if j.airports, err = command.Data(airportsData); err != nil {
			return nil, err
		}
	}
	return j, nil
}
