package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
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

	for len(args) > 0 { // files may stand between flags
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprintln(stderr, "Usage: flights [flags] [file ...]")
				fs.SetOutput(stderr)
				fs.PrintDefaults()
			}
			return nil, err
		}
		if args = fs.Args(); len(args) > 0 {
			j.in = append(j.in, args[0])
			args = args[1:]
		}
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
		data, err := january()
		if err != nil {
			return nil, err
		}
		j.in = []string{data}
	}
	return j, nil
}

// data is where the flights of January 2001 are in the repository.
var data = filepath.Join("examples", "flights", "data", "flights-2001-01.csv.zst")

// january finds them: where this file was compiled, or else in the clone around
// the current folder.
func january() (string, error) {
	if _, source, _, ok := runtime.Caller(0); ok {
		root := filepath.Join(filepath.Dir(source), "..", "..")
		if path, found := around(root, data); found {
			return short(path), nil
		}
	}
	folder, err := os.Getwd()
	if path, found := around(folder, data); err == nil && found {
		return short(path), nil
	}
	return "", fmt.Errorf("%s is nowhere around here: name files with -in", data)
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

// short names a file from the current folder if it is below that.
func short(path string) string {
	if folder, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}
