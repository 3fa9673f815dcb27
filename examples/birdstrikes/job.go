package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"

	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/examples/internal/letters"
)

// job is what the flags ask for.
type job struct {
	in      []string // files, patterns or "-"
	out     string   // the Parquet file
	workers int      // 0: one per core
	maxBad  int      // rows that may break a rule; 0: any number
	verbose bool
}

// result is what a run did. It is complete as far as the run came, also when
// the run failed.
type result struct {
	stage.Summary
	found     found // in the file that was written
	elapsed   time.Duration
	published bool // the new files took the place of the old ones
}

// run runs the pipeline into files of its own, reads them back, and puts them in
// the place of the old ones when everything adds up. Otherwise the old ones stay
// as they were.
func (j *job) run(ctx context.Context, seen func(Strike)) (res result, err error) {
	start := time.Now()
	out, err := openOutputs(j.out, letters.File(j.out))
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(command.Because(ctx, err), out.close()) }()
	p := pool.New(j.workers)
	defer p.Close()
	strikes, rejected := out.fresh(0), out.fresh(1)

	var cost int64
	rows := source.CSV[Row](j.in[0], source.Paths(j.in[1:]...)) // decoded in the workers
	clean := pool.Imap(p, rows, rulesOf(time.Now()).check, pool.Name("clean")).
		Tap(func(s Strike) { cost += s.CostTotal; seen(s) })
	res.Summary, err = stage.Run(ctx, clean,
		parquet.Sink[Strike](strikes, parquet.Compression(parquet.Zstd)),
		stage.DeadLetter(letters.Sink(rejected, Row.String), j.maxBad))
	if err != nil {
		return res, err
	}

	if res.found, err = look(ctx, strikes, rejected); err != nil {
		return res, err
	}
	if err = res.check(cost); err != nil {
		return res, err
	}
	err = out.publish()
	res.published = err == nil
	res.elapsed = time.Since(start)
	return res, err
}

// check checks that every row that was read is in one of the files, as these say
// themselves, and that they hold all the cost that was written.
func (r *result) check(cost int64) error {
	switch f := r.found; {
	case r.Read != r.Written+r.DeadLettered:
		return fmt.Errorf("the rows do not add up: read %d, written %d, dead-lettered %d", r.Read, r.Written, r.DeadLettered)
	case f.strikes != r.Written || f.cost != cost:
		return fmt.Errorf("the Parquet file has %d rows of %d, that cost $%d of $%d", f.strikes, r.Written, f.cost, cost)
	case f.rejected != r.DeadLettered:
		return fmt.Errorf("the dead-letter file has %d rows of %d", f.rejected, r.DeadLettered)
	}
	return nil
}
