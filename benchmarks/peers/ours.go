package main

import (
	"context"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Ours.
var (
	penstock      = impl{name: "penstock", kind: ours, run: penstockMap}
	penstockChain = impl{name: "penstock", kind: ours, run: penstockStages}
)

// penstockMap is Imap, or ImapUnordered, over Range or Seq.
func penstockMap(ctx context.Context, j job) (tally, error) {
	p := pool.New(j.workers)
	defer p.Close()
	in := source.Range(0, j.n)
	if j.seq {
		in = source.Seq(j.items())
	}
	options := []pool.Option{pool.ChunkSize(j.chunk), pool.InFlight(j.inFlight)}
	if j.ordered {
		return penstockConsume(ctx, pool.Imap(p, in, j.fn, options...))
	}
	return penstockConsume(ctx, pool.ImapUnordered(p, in, j.fn, options...))
}

// penstockStages is the chain without a pool: no goroutine but the caller's.
func penstockStages(ctx context.Context, j job) (tally, error) {
	mapped := stage.Map(stage.Map(source.Range(0, j.n), j.fn), j.fn)
	return penstockConsume(ctx, stage.Map(mapped.Filter(keep), j.fn))
}

func penstockConsume(ctx context.Context, out stage.Stream[int]) (tally, error) {
	var t tally
	for v, err := range out.All(ctx) {
		if err != nil {
			return t, err
		}
		t.add(v)
	}
	return t, nil
}
