package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// noop does nothing, so that what is left is the cost of moving the item.
//
//go:noinline
func noop(_ context.Context, x int) (int, error) { return x, nil }

// spin keeps a core busy for a number of steps, each of which needs the result
// of the one before it. Its result is never 0.
//
//go:noinline
func spin(seed uint64, steps int) uint64 {
	x := seed | 1
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// stepsFor is how many steps of spin take d on a core with nothing else to do:
// the median of many measurements, each long enough for the clock.
func stepsFor(d time.Duration) int {
	const steps, rounds = 200_000, 25
	took := make([]float64, rounds)
	for i := range took {
		start := time.Now()
		if spin(uint64(i), steps) == 0 {
			panic("sweep: xorshift came to 0")
		}
		took[i] = float64(time.Since(start)) / steps
	}
	slices.Sort(took)
	return max(1, int(float64(d)/took[rounds/2]))
}

// spinFor is a function that keeps a core busy for d and returns its argument.
func spinFor(d time.Duration) func(context.Context, int) (int, error) {
	steps := stepsFor(d)
	return func(_ context.Context, x int) (int, error) {
		if spin(uint64(x), steps) == 0 { // so that the result is used
			return -1, nil
		}
		return x, nil
	}
}

// record is what is in a line.
type record struct {
	date   time.Time // the last one
	sum    int64     // of the whole numbers
	fields int
}

// parseLine parses what it can of the fields between a line's commas: dates and
// whole numbers. It never fails, so that any file will do.
func parseLine(_ context.Context, line string) (record, error) {
	var r record
	for field := range strings.SplitSeq(line, ",") {
		r.fields++
		switch {
		case field == "" || field[0] > '9':
		case len(field) == len("2001-01-01 00:00"):
			if date, err := time.Parse("2006-01-02 15:04", field); err == nil {
				r.date = date
			}
		default:
			if n, err := strconv.ParseInt(field, 10, 64); err == nil {
				r.sum += n
			}
		}
	}
	return r, nil
}
