package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// job is what the flags ask for.
type job struct {
	in      []string // files, patterns, folders or "-"
	by, of  string   // columns
	top     int      // groups to print; 0: all
	workers int      // 0: one per core
	skipBad int      // rows whose value may be no number
	csv     bool
}

// result is what a run found.
type result struct {
	groups  []*group // most rows first, then by key
	rows    int64    // those in groups
	missing int64    // of these, those without a value
	skipped int64    // rows whose value is no number
	first   error    // what is wrong with the first of these, and where
	bytes   int64    // read, after decompression; see table.sample
	elapsed time.Duration
}

// run is the whole pipeline. seen counts the rows while it goes on.
func (j *job) run(ctx context.Context, seen *atomic.Int64) (res result, err error) {
	start := time.Now()
	p := pool.New(j.workers)
	defer p.Close()

	// Rows arrive as blocks that the workers split, so that a row never leaves its
	// worker. With Borrow the memory of a block is used again: what a row says is
	// ours only during step.
	rows := source.Records(j.in[0], source.Paths(j.in[1:]...), source.Columns(j.by, j.of), source.Borrow())

	var bad atomic.Int64 // in all workers
	step := func(_ context.Context, t *table, r source.Record) (*table, error) {
		t.rows++
		if t.rows%sampling == 0 {
			t.sample(r)
			seen.Add(sampling)
		}
		if err := t.add(r); err != nil {
			err = fmt.Errorf("%s: %w", j.of, err)
			if n := bad.Add(1); n > int64(j.skipBad) {
				if j.skipBad > 0 {
					err = fmt.Errorf("one bad row more than -skip-bad %d allows: %w", j.skipBad, err)
				}
				return t, err
			}
			t.skip(r, err)
		}
		return t, nil
	}
	t, err := pool.Reduce(ctx, p, rows, newTable, step, (*table).merge)
	if err != nil {
		return res, err
	}
	return t.result(time.Since(start)), nil
}

// result puts the groups in order.
func (t *table) result(elapsed time.Duration) result {
	res := result{rows: t.rows - t.skipped, skipped: t.skipped, elapsed: elapsed}
	if t.skipped > 0 {
		res.first = t.first
	}
	for _, g := range t.groups {
		res.missing += g.missing
		res.groups = append(res.groups, g)
	}
	for _, n := range t.bytes {
		res.bytes += n
	}
	slices.SortFunc(res.groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.rows, a.rows), cmp.Compare(a.key, b.key))
	})
	return res
}
