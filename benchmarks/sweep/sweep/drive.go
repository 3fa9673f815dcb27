package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// driver runs a job in its combinations.
type driver[A, B any] struct {
	job    Job[A, B]
	source stage.Stream[A] // the job's, or the beginning of it
	policy stage.RunOption
	bytes  int64 // of all items

	want tally // what every run must deliver; zero before the first
}

// tally is how many results a run delivered and how many items failed.
type tally struct{ results, failed int64 }

// outcome is what one run of a combination did.
type outcome struct {
	tally
	stage stage.StageSummary // of the pool; zero where there is none
	first time.Duration      // until the first result was delivered
}

func newDriver[A, B any](fn string, job Job[A, B], cfg config) *driver[A, B] {
	if job.Func == nil {
		panic("penstock: sweep." + fn + ": the job's Func is nil")
	}
	for i, o := range job.Options {
		if o == nil {
			panic(fmt.Sprintf("penstock: sweep.%s: option %d of the job is nil", fn, i))
		}
	}
	d := &driver[A, B]{job: job, source: job.Source, policy: stage.Stop()}
	if cfg.items > 0 {
		d.source = d.source.Take(cfg.items)
		d.job.Source = d.source
	}
	if cfg.keepGoing {
		d.policy = stage.Continue(0)
	}
	return d
}

// run runs the job once, as the combination says. When warm, it finds out what
// would disturb a timed run.
func (d *driver[A, B]) run(ctx context.Context, c Combination, warm bool) (out outcome, err error) {
	switch c.Mode {
	case Sequential:
		out, err = d.stream(ctx, stage.Map(d.source, d.job.Func))
		out.stage = stage.StageSummary{}
	case Eager:
		out, err = d.eager(ctx, c, warm)
	default:
		p := pool.New(c.Workers)
		defer p.Close()
		out, err = d.stream(ctx, pool.Imap(p, d.source, d.job.Func, d.options(c)...))
	}
	if err == nil {
		err = d.check(out.tally)
	}
	if err != nil {
		return out, fmt.Errorf("sweep: %s: %v: %w", d.job.name(), c, err)
	}
	return out, nil
}

// options are the job's and those that make the combination.
func (d *driver[A, B]) options(c Combination) []pool.Option {
	opts := append([]pool.Option{}, d.job.Options...)
	opts = append(opts, pool.Name(d.job.name()), pool.ChunkSize(c.Chunk))
	if c.Mode == Unordered {
		opts = append(opts, pool.Unordered())
	}
	return opts
}

// check holds a run against the first one.
func (d *driver[A, B]) check(got tally) error {
	switch {
	case got == tally{}:
		return errors.New("the source has no items")
	case d.want == tally{}:
		d.want = got
	case got != d.want:
		return fmt.Errorf("%d results and %d failed items, but the first run had %d and %d: is the source the same each time?",
			got.results, got.failed, d.want.results, d.want.failed)
	}
	return nil
}

// stream runs a lazy stream into the sink.
func (d *driver[A, B]) stream(ctx context.Context, s stage.Stream[B]) (outcome, error) {
	t := &tap[B]{sink: d.job.Sink, start: time.Now()}
	sum, err := stage.Run(ctx, s, t, d.policy)
	return outcome{
		tally: tally{results: sum.Written, failed: sum.Failed},
		stage: sum.Stages[len(sum.Stages)-1],
		first: t.first,
	}, err
}

// eager runs pool.Map and hands what it returned to the sink.
func (d *driver[A, B]) eager(ctx context.Context, c Combination, warm bool) (outcome, error) {
	p := pool.New(c.Workers)
	defer p.Close()
	in := d.source
	var asked atomic.Int64
	if warm && c.automatic() {
		in = watched(in, &asked)
	}
	start := time.Now()
	results, err := pool.Map(ctx, p, in, d.job.Func, d.options(c)...)
	out := outcome{tally: tally{results: int64(len(results))}, first: time.Since(start)}
	if err == nil && d.job.Sink != nil {
		_, err = stage.Run(ctx, source.Slice(results), d.job.Sink)
	}
	out.stage.ChunkSize = asked.Load()
	if !c.automatic() {
		out.stage.ChunkSize = int64(c.Chunk)
	}
	return out, err
}

// tap is the sink of every stream: it takes the time of the first result on its
// way to the job's sink.
type tap[B any] struct {
	sink  stage.Sink[B] // or nil
	start time.Time
	first time.Duration
}

// Open implements stage.Sink.
func (t *tap[B]) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[B], error) {
	if t.sink == nil {
		return &tapWriter[B]{tap: t}, nil
	}
	w, err := t.sink.Open(ctx, restore)
	if err != nil {
		return nil, err
	}
	return &tapWriter[B]{tap: t, to: w}, nil
}

type tapWriter[B any] struct {
	tap *tap[B]
	to  stage.Writer[B] // or nil
}

// Write implements stage.Writer.
func (w *tapWriter[B]) Write(ctx context.Context, c *stage.Chunk[B]) error {
	if w.tap.first == 0 && len(c.Items) > 0 {
		w.tap.first = max(1, time.Since(w.tap.start))
	}
	if w.to == nil {
		return nil
	}
	return w.to.Write(ctx, c)
}

// Close implements stage.Writer.
func (w *tapWriter[B]) Close(ctx context.Context, cause error) error {
	if w.to == nil {
		return nil
	}
	return w.to.Close(ctx, cause)
}

// watched is the stream itself, with asked set to the number of items that the
// last full pull asked for.
func watched[A any](in stage.Stream[A], asked *atomic.Int64) stage.Stream[A] {
	return stage.Through("watched", in, func(_ context.Context, up stage.Puller[A]) (stage.Puller[A], error) {
		return &watching[A]{Puller: up, asked: asked}, nil
	})
}

type watching[A any] struct {
	stage.Puller[A]
	asked *atomic.Int64
}

// Pull implements stage.Puller.
func (w *watching[A]) Pull(ctx context.Context, into *stage.Chunk[A], max stage.Limit) error {
	err := w.Puller.Pull(ctx, into, max)
	if err == nil && max.Items > 0 {
		w.asked.Store(int64(max.Items))
	}
	return err
}
