package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock/source"
)

// flightsFile is where the flights are in the repository.
var flightsFile = filepath.Join("examples", "flights", "data", "flights-2001-01.csv.zst")

// lines is a plain file of lines and what is parsed of each.
type lines struct {
	path   string
	n      int
	values []int
}

func (l *lines) value(item int) int { return l.values[item] }

func (l *lines) close() error { return os.RemoveAll(filepath.Dir(l.path)) }

// openFlights writes the flights of January 2001, without the header, to a plain
// temporary file: all, or for a quick run the first 2000.
func openFlights(ctx context.Context, quick bool) (l *lines, err error) {
	compressed, err := findUp(flightsFile)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return nil, err
	}
	l = &lines{path: filepath.Join(dir, "flights.csv")}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	file, err := os.Create(l.path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriter(file)
	header := true
	for line, err := range source.Lines(compressed).All(ctx) {
		if err != nil {
			return nil, err
		}
		if header {
			header = false
			continue
		}
		if quick && l.n == 2000 {
			break
		}
		v, err := parseFlight(ctx, line)
		if err != nil {
			return nil, fmt.Errorf("%s: flight %d: %w", compressed, l.n+1, err)
		}
		l.values = append(l.values, v)
		l.n++
		if _, err := out.WriteString(line + "\n"); err != nil {
			return nil, err
		}
	}
	return l, out.Flush()
}

// findUp finds a path in this folder or one above it.
func findUp(path string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		found := filepath.Join(dir, path)
		if _, err := os.Stat(found); err == nil {
			return found, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", fmt.Errorf("no %s here or above: run this in the repository", path)
		}
		dir = above
	}
}

// parseFlight parses the fields of a line: date, delay, distance, origin and
// destination. The sum that it returns needs all of them.
func parseFlight(_ context.Context, line string) (int, error) {
	var fields [5]string
	rest := line
	for i := range fields {
		field, after, more := strings.Cut(rest, ",")
		if more != (i < len(fields)-1) {
			return 0, fmt.Errorf("wrong number of fields, want %d: %q", len(fields), line)
		}
		fields[i], rest = field, after
	}
	date, err := time.Parse("2006-01-02 15:04", fields[0])
	if err != nil {
		return 0, err
	}
	delay, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0, err
	}
	distance, err := strconv.Atoi(fields[2])
	if err != nil {
		return 0, err
	}
	return int(date.Unix()) + delay + distance + len(fields[3]) + len(fields[4]), nil
}
