package main

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// ourName is the name of the rows that the bounds are for; the others are libraries.
const (
	ourName       = "penstock"
	rillName      = "rill"
	goStreamsName = "go-streams"
)

// Ours.
var (
	penstock      = penstockBy(penstockMap)
	penstockChain = penstockBy(penstockStages)
)

func penstockBy(run runner) impl { return impl{name: ourName, kind: ours, chunks: true, run: run} }

// with is the implementation in another setting of the job, under a name that
// says so.
func (im impl) with(setting string, set func(*job)) impl {
	im.name, im.kind, im.set = im.name+"/"+setting, variant, set
	return im
}

// chunk is ours with a fixed chunk size.
func (im impl) chunk(size int) impl {
	return im.with(fmt.Sprintf("chunk=%d", size), func(j *job) { j.chunk = size })
}

// penstockMap is Imap, or ImapUnordered, over Range or Seq, or over Chan if the
// items take their time.
func penstockMap(ctx context.Context, j job) (tally, error) {
	p := pool.New(j.workers)
	defer p.Close()
	return penstockOn(p)(ctx, j)
}

// penstockOn is penstockMap on a pool that others share.
func penstockOn(p *pool.Pool) func(context.Context, job) (tally, error) {
	return func(ctx context.Context, j job) (tally, error) {
		in, stop := penstockSource(ctx, j)
		defer stop()
		return penstockConsume(ctx, j, penstockImap(p, in, j, j.fn))
	}
}

func penstockImap[A, B any](p *pool.Pool, in stage.Stream[A], j job, f func(context.Context, A) (B, error)) stage.Stream[B] {
	options := []pool.Option{pool.ChunkSize(j.chunk), pool.InFlight(j.inFlight)}
	if j.ordered {
		return pool.Imap(p, in, f, options...)
	}
	return pool.ImapUnordered(p, in, f, options...)
}

func penstockSource(ctx context.Context, j job) (in stage.Stream[int], stop func()) {
	switch {
	case j.pace > 0:
		// A sequence would fill its chunk before it hands on the first item.
		ctx, cancel := context.WithCancel(ctx)
		items, done := make(chan int), make(chan struct{})
		go func() {
			defer close(done)
			defer close(items)
			for x := range j.items() {
				if send(ctx, items, x) != nil {
					return
				}
			}
		}()
		return source.Chan(items), func() { cancel(); <-done }
	case j.seq:
		return source.Seq(j.items()), func() {}
	default:
		return source.Range(j.first, j.first+j.n), func() {}
	}
}

// penstockStages is the chain without a pool: no goroutine but the caller's.
func penstockStages(ctx context.Context, j job) (tally, error) {
	mapped := stage.Map(stage.Map(source.Range(0, j.n), j.fn), j.fn)
	return penstockConsume(ctx, j, stage.Map(mapped.Filter(keep), j.fn))
}

func penstockConsume(ctx context.Context, j job, out stage.Stream[int]) (tally, error) {
	t := j.tally()
	if t.each == nil { // at a few nanoseconds an item, asking each time is to be seen
		for v, err := range out.All(ctx) {
			if err != nil {
				return t, err
			}
			t.count(v)
		}
		return t, nil
	}
	for v, err := range out.All(ctx) {
		if err != nil {
			return t, err
		}
		t.add(v)
	}
	return t, nil
}
