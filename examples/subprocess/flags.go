package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// data is where the bird strikes are in the repository.
const data = "examples/birdstrikes/data/birdstrikes.csv.zst"

// The functions that can be asked.
const (
	python = "python3"
	itself = "itself"
)

// parse makes a job of the command's arguments. Only help goes to stderr: errors are
// the caller's to print.
func parse(args []string, stderr io.Writer) (*job, error) {
	j := &job{}
	fs := flag.NewFlagSet("subprocess", flag.ContinueOnError)
	fs.StringVar(&j.function, "function", "", "ask `python3` or itself; without the flag python3 if there is one")
	fs.IntVar(&j.workers, "workers", 0, "start so `many` processes; 0: one for each processor")
	fs.IntVar(&j.pipeline, "pipeline", 64, "write up to so many `lines` before the first is answered")
	files := 0
	err := command.Parse(fs, args, "Usage: subprocess [flags] [file]\n"+
		"A file may be a pattern, a folder or - for standard input; gzip and zstd are recognised.\n"+
		"Without one: 10,000 bird strikes.", stderr, func(file string) { j.in = file; files++ })
	switch {
	case err != nil:
		return nil, err
	case files > 1:
		return nil, fmt.Errorf("%d files, want one", files)
	case files == 1 && j.in == "":
		return nil, errors.New("the file's name is empty")
	case j.workers < 0:
		return nil, fmt.Errorf("-workers is %d, want 0 or more", j.workers)
	case j.pipeline < 1:
		return nil, fmt.Errorf("-pipeline is %d, want 1 or more", j.pipeline)
	}
	if j.function == "" {
		j.function = itself
		if _, err := exec.LookPath(python); err == nil {
			j.function = python
		}
	}
	if j.in == "" {
		if j.in, err = command.Data(data); err != nil {
			return nil, err
		}
	}
	switch j.function {
	case python:
		j.args = []string{python, "-c", script}
	case itself:
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		j.args = []string{exe, asFunction}
	default:
		return nil, fmt.Errorf("-function is %q, want python3 or itself", j.function)
	}
	return j, nil
}
