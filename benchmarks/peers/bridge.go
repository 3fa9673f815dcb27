package main

import (
	"context"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// bridges is what it costs to have an end, or a stage, in the other library: each
// beside that library alone, whose source, flow and sink pass every item through a
// channel of their own. Nothing is to be won there, so they have no bounds.
func bridges(j job) []benchCase {
	of := func(name string, ours runner) benchCase {
		return benchCase{
			name: name, job: j, quickN: 2000,
			impls: []impl{
				penstockBy(ours),
				goStreamsEach(func(ctx context.Context, j job, failed *firstError) []streams.Flow {
					return []streams.Flow{flow.NewMap(failed.mapper(ctx, j.fn), 1)}
				}, takeInt),
			},
		}
	}
	return []benchCase{of("bridge/FromOutlet", fromOutlet), of("bridge/ToInlet", toInlet), of("bridge/Flow", poolFlow)}
}

// fromOutlet has the source of go-streams and our Map.
func fromOutlet(ctx context.Context, j job) (tally, error) {
	in := source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
		ch := make(chan any, j.buffer)
		go func() {
			defer close(ch)
			for x := range j.items() {
				select {
				case ch <- x:
				case <-ctx.Done():
					return
				}
			}
		}()
		return extension.NewChanSource(ch), nil
	})
	return penstockConsume(ctx, j, stage.Map(in, j.fn))
}

// toInlet has our source and Map, and the sink of go-streams.
func toInlet(ctx context.Context, j job) (tally, error) {
	out := make(chan any, j.buffer)
	ended := make(chan error, 1)
	go func() {
		_, err := stage.Run(ctx, stage.Map(source.Range(0, j.n), j.fn),
			sink.ToInlet[int](func(context.Context, context.CancelFunc) (streams.Inlet, error) {
				return extension.NewChanSink(out), nil
			}))
		ended <- err
	}()
	t := j.tally()
	for v := range out {
		takeInt(&t, v.(int)) //nolint:forcetypeassert // that is what the stream makes
	}
	return t, <-ended
}

// poolFlow has our flow between the ends of go-streams.
func poolFlow(ctx context.Context, j job) (tally, error) {
	p := pool.New(j.workers)
	defer p.Close()
	f := pool.Flow(ctx, p, j.fn)
	var none firstError
	t, err := goStreamsRun(j, &none, f)
	if err == nil {
		err = f.Err()
	}
	return t, err
}
