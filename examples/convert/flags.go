package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// What is converted without arguments, and to what.
const (
	data     = "examples/flights/data/flights-2001-01.csv.zst"
	fallback = "flights.parquet"
)

// usage is the first line of the help.
const usage = "Usage: convert [flags] INPUT... OUTPUT"

// parse makes a job of the command's arguments. Only help goes to stderr: errors
// are the caller's to print.
func parse(args []string, stderr io.Writer) (*job, error) {
	j := &job{}
	var from, to string
	fs := flag.NewFlagSet("convert", flag.ContinueOnError)
	fs.StringVar(&from, "from", "", "the `format` of the inputs: csv, tsv, ndjson, jsonl, json (an array) or parquet;\n"+
		"without it their extensions say; compression is found by itself")
	fs.StringVar(&to, "to", "", "the `format` of the output: csv, ndjson, jsonl or parquet; without it its\n"+
		"extension says; with -by also csv.gz, ndjson.zst and so on")
	fs.IntVar(&j.workers, "workers", 0, "read and format in so `many` goroutines; 0: one for each processor")
	fs.IntVar(&j.chunk, "chunk", 0, "hand so many `rows` at a time to a worker; 0: automatic")
	fs.BoolVar(&j.unordered, "unordered", false, "write rows in the order in which they are ready")
	fs.IntVar(&j.level, "level", 0, "compress so `hard`: 1 to 9 for .gz, 1 to 22 for .zst; 0: 6 and 3")
	fs.Int64Var(&j.maxSize, "max-size", 0, "split the text output into files of so many `bytes`, counted before\n"+
		"compression: x-00001.csv and so on for x.csv; 0: one file")
	fs.StringVar(&j.by, "by", "", "a text file for each value of a `column`, origin or destination; OUTPUT is\n"+
		"the folder, which gets origin=LAS/part-00001.csv and so on; needs -to")
	fs.Int64Var(&j.rowGroup, "row-group", 0, "`bytes` of a Parquet row group, compressed; 0: 16 MiB")
	fs.IntVar(&j.skipBad, "skip-bad", 0, "leave out up to so many bad `rows`, and say which; 0: the first one\n"+
		"fails the run")

	var paths []string
	if err := command.Parse(fs, args, usage, stderr, func(path string) { paths = append(paths, path) }); err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		in, err := command.Data(data)
		if err != nil {
			return nil, err
		}
		paths = []string{in, fallback}
	}
	if len(paths) == 1 {
		return nil, fmt.Errorf("there is only %q, want INPUT... OUTPUT", paths[0])
	}
	j.in, j.out = paths[:len(paths)-1], paths[len(paths)-1]
	if slices.Contains(paths, "") {
		return nil, errors.New("a file's name is empty")
	}
	if err := j.inputs(from); err != nil {
		return nil, err
	}
	if err := j.output(to); err != nil {
		return nil, err
	}
	return j, j.check()
}

// inputs finds the files, and what they are.
func (j *job) inputs(from string) (err error) {
	if j.files, err = expand(j.in); err != nil {
		return err
	}
	if from != "" {
		f, ok := extensions["."+from]
		if !ok {
			return fmt.Errorf("-from is %q, want csv, tsv, ndjson, jsonl, json or parquet", from)
		}
		j.from = f
	}
	for _, file := range j.files {
		switch {
		case file == standard && j.from == "":
			return errors.New("standard input has no extension: -from must say what it is")
		case file == standard && j.from == parquet:
			return errors.New("standard input cannot be Parquet, which is read from its end")
		case from != "":
			continue
		}
		f, _, err := formatOf(file)
		if err != nil {
			return err
		}
		if j.from != "" && f != j.from {
			return fmt.Errorf("%s is %s, and what comes before it %s: convert one after the other", file, f, j.from)
		}
		j.from = f
	}
	return nil
}

// output finds what the output is to be.
func (j *job) output(to string) (err error) {
	switch {
	case to != "":
		kind, compression, _ := strings.Cut(to, ".")
		f, ok := extensions["."+kind]
		if compression != "" {
			compression = "." + compression
		}
		if !ok || compression != "" && (j.by == "" || compressionOf(compression) != compression) {
			return fmt.Errorf("-to is %q, want csv, ndjson, jsonl or parquet, and with -by perhaps .gz or .zst behind it", to)
		}
		j.to, j.compression = f, compression
		if j.by == "" {
			j.compression = compressionOf(j.out)
		}
	case j.by != "":
		return errors.New("-by makes a folder: -to must say what its files are")
	case j.out == standard:
		return errors.New("standard output has no extension: -to must say what it is to be")
	default:
		if j.to, j.compression, err = formatOf(j.out); err != nil {
			return err
		}
	}
	switch j.to {
	case tsv, json:
		return fmt.Errorf("%s is only read: write csv, ndjson or parquet", j.to)
	case parquet:
		if j.out == standard {
			return errors.New("standard output cannot be Parquet, which is a file")
		}
		if j.compression != "" {
			return fmt.Errorf("%s: Parquet is compressed inside, and cannot be inside of %s", j.out, j.compression)
		}
	default:
	}
	return nil
}

// check looks at the numbers, and at what does not go together.
func (j *job) check() error {
	for _, n := range []struct {
		name  string
		value int64
		most  int64
	}{
		{"workers", int64(j.workers), math.MaxInt32}, {"chunk", int64(j.chunk), math.MaxInt32},
		{"level", int64(j.level), map[string]int64{".gz": 9, ".zst": 22, "": math.MaxInt32}[j.compression]},
		{"max-size", j.maxSize, math.MaxInt64}, {"row-group", j.rowGroup, math.MaxInt32},
		{"skip-bad", int64(j.skipBad), math.MaxInt32},
	} {
		if n.value < 0 || n.value > n.most {
			return fmt.Errorf("-%s is %d, want 0 to %d", n.name, n.value, n.most)
		}
	}
	if j.level > 0 && j.compression == "" {
		return fmt.Errorf("-level is %d, want 0: only .gz and .zst have it", j.level)
	}
	_, known := columns[j.by]
	switch text := j.to != parquet; {
	case j.by != "" && !known:
		return fmt.Errorf("-by is %q, want origin or destination", j.by)
	case j.by != "" && !text:
		return errors.New("-by is for text")
	case j.by != "" && j.out == standard:
		return errors.New("-by makes a folder, and cannot go to standard output")
	case j.maxSize > 0 && !text:
		return errors.New("-max-size is for text: -row-group divides a Parquet file")
	case j.maxSize > 0 && j.out == standard:
		return errors.New("-max-size makes files, and cannot go to standard output")
	case j.rowGroup > 0 && text:
		return errors.New("-row-group is for Parquet")
	}
	return nil
}
