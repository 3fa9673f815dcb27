package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"

	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/examples/internal/letters"
)

// job is what the flags ask for.
type job struct {
	in        []string // files, patterns or "-"
	out       string   // the database
	workers   int      // 0: one per core
	chunk     int      // 0: automatic
	unordered bool
	limit     int // rows to read; 0: all
	minDelay  int // minutes
	verbose   bool
}

// result is what a run did. It is complete as far as the run came, also when
// the run failed.
type result struct {
	stage.Summary
	filtered int64
	routes   []*route      // the busiest
	elapsed  time.Duration // from the first byte read to the last one committed
	swapped  bool          // the new rows took the place of the old ones
}

// flights is the pipeline: it reads rows, checks and enriches them in the
// workers, and leaves out those that nobody asked for. seen is called, in one
// goroutine, for each flight that keeps to the rules.
func (j *job) flights(p *pool.Pool, seen func(Flight)) stage.Stream[Flight] {
	rows := source.CSV[Row](j.in[0], source.Paths(j.in[1:]...))
	if j.limit > 0 {
		rows = head(rows, j.limit)
	}
	options := []pool.Option{pool.Name("check"), pool.ChunkSize(j.chunk)}
	if j.unordered {
		options = append(options, pool.Unordered())
	}
	return pool.Imap(p, rows, rulesOf(time.Now()).check, options...).
		Tap(seen).
		Filter(func(f Flight) bool { return f.Delay >= j.minDelay })
}

// run runs the pipeline into a database of its own, with bad rows into a
// dead-letter file, and puts both in the place of the old ones when everything
// went well. Otherwise the old ones stay as they were.
func (j *job) run(ctx context.Context, seen func(Flight)) (res result, err error) {
	start := time.Now()
	p := pool.New(j.workers)
	defer p.Close()
	d, err := openDatabase(ctx, j.out)
	if err != nil {
		return res, command.Because(ctx, err)
	}
	defer func() { err = errors.Join(command.Because(ctx, err), d.close()) }()

	on := routes{}
	flights := j.flights(p, seen).Tap(on.add)
	rejected := letters.Sink(d.newRejected(), Row.String)
	res.Summary, err = stage.Run(ctx, flights, sink.SQL[Flight](d.db, table), stage.DeadLetter(rejected, 0))
	for _, s := range res.Stages {
		res.filtered += s.Filtered
	}
	if err == nil {
		err = res.check()
	}
	if err == nil {
		err = d.swap(ctx, res.Written)
		res.swapped = err == nil
	}
	res.elapsed = time.Since(start)
	if err == nil {
		res.routes = on.busiest()
	}
	return res, err
}

// check checks that every row that was read is accounted for.
func (r *result) check() error {
	if r.Read == r.Written+r.filtered+r.DeadLettered {
		return nil
	}
	return fmt.Errorf("the rows do not add up: read %d, written %d, filtered %d, dead-lettered %d",
		r.Read, r.Written, r.filtered, r.DeadLettered)
}
