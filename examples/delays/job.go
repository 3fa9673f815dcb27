package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
	"github.com/penstock-go/penstock/stage/fold"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// job is what the flags ask for.
type job struct {
	in       []string // files, patterns or folders
	airports string
	out      string // a folder
	window   time.Duration
	disorder time.Duration
	workers  int // 0: one per core
}

// result is what a run did.
type result struct {
	stage.Summary
	flights int64
	states  map[string]int64 // rows of each file
	worst   []Hour           // the windows with the largest mean delay
	elapsed time.Duration
}

// hours is the pipeline: flights are read and checked in the workers, folded in
// windows by their airport, and joined with what is known of that.
func (j *job) hours(p *pool.Pool, airports map[string]Airport, seen func(Flight)) stage.Stream[Hour] {
	rows := source.CSV[Row](j.in[0], source.Paths(j.in[1:]...))
	flights := pool.Imap(p, rows, check, pool.Name("check")).Tap(seen)

	when := stage.EventTime(func(f Flight) time.Time { return f.Date }, j.disorder)
	delay := fold.Of(func(f Flight) float64 { return float64(f.Delay) }, fold.Stats[float64]())
	// A flight that comes too late for its window is no flight to lose: it fails.
	windows := stage.Tumbling(flights, when, j.window, func(f Flight) string { return f.Origin }, delay, stage.FailLate())

	origin := func(w window) string { return w.Key }
	named := stage.LeftJoin(windows, origin, stage.InMap(airports))
	return stage.Map(named, func(_ context.Context, v stage.Pair[window, stage.Matched[Airport]]) (Hour, error) {
		if !v.Second.OK {
			return Hour{}, fmt.Errorf("%s: %w", v.First.Key, errNoAirport)
		}
		return hourOf(v.First, v.Second.Value), nil
	})
}

var errNoAirport = errors.New("is not among the airports")

// window is what is known of an airport's flights in a window.
type window = stage.WindowResult[string, fold.Moments]

// run runs the pipeline into a file for each state.
func (j *job) run(ctx context.Context, seen func(Flight)) (res result, err error) {
	start := time.Now()
	defer func() { err = command.Because(ctx, err) }()
	airports, err := j.load(ctx)
	if err != nil {
		return res, err
	}
	if err := os.MkdirAll(j.out, 0o750); err != nil {
		return res, err
	}
	p := pool.New(j.workers)
	defer p.Close()

	res.states = map[string]int64{}
	hours := j.hours(p, airports, func(f Flight) { res.flights++; seen(f) }).
		Tap(func(h Hour) { res.states[h.State]++ })
	both := stage.Tee(hours, 2)
	var worst []Hour
	sums, err := stage.RunAll(ctx,
		stage.To(both[0], sink.Route(func(h Hour) string { return h.State }, j.file)),
		stage.To(stage.TopK(both[1], worstShown, worse), sink.Collect(&worst)))
	res.Summary, res.worst, res.elapsed = sums[0], worst, time.Since(start)
	return res, err
}

// file is where the rows of a state go.
func (j *job) file(state string) stage.Sink[Hour] {
	return parquet.Sink[Hour](filepath.Join(j.out, state+".parquet"))
}

// load reads the airports into memory.
func (j *job) load(ctx context.Context) (map[string]Airport, error) {
	all := map[string]Airport{}
	for a, err := range source.CSV[Airport](j.airports).All(ctx) {
		if err == nil {
			err = a.check()
		}
		if err != nil {
			return nil, fmt.Errorf("airports: %w", err)
		}
		all[a.Code] = a
	}
	return all, nil
}

// worstShown is how many windows the report shows.
const worstShown = 5

// worse puts the windows with more than a few flights first, then those with the larger
// mean delay.
func worse(a, b Hour) int {
	return cmp.Or(cmp.Compare(min(b.Flights, few), min(a.Flights, few)), cmp.Compare(b.MeanDelay, a.MeanDelay))
}

const few = 20
