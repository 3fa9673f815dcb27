package pool

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"unsafe"

	"github.com/penstock-go/penstock/internal/grow"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// Map applies fn to all items of in, in the workers of p, and returns the
// results in the order of the items, like Python's Pool.map. It is eager: it
// returns when all is done, and holds all results.
//
// Map fails fast with the *stage.ItemError of lowest index: when an item fails,
// what comes after it is cancelled and not pulled, what comes before it
// finishes, and may fail at a lower index. A failure of the source counts at its
// place. With an error the slice is nil; the result of nothing is an empty
// slice. When ctx ends, Map returns its cause. Every goroutine has ended when
// Map returns. Map panics if fn is nil or an option does not fit.
func Map[A, B any](ctx context.Context, p *Pool, in stage.Stream[A], fn func(context.Context, A) (B, error), opts ...Option) ([]B, error) {
	mustFunc(fn == nil, "Map", "fn")
	return gather(ctx, p.or(), in, opts, spec[A, B]{verb: "Map", kernel: mapping(fn)})
}

// Starmap is Map over pairs, for functions of two arguments.
func Starmap[A, B, C any](ctx context.Context, p *Pool, in stage.Stream[stage.Pair[A, B]], fn func(context.Context, A, B) (C, error), opts ...Option) ([]C, error) {
	mustFunc(fn == nil, "Starmap", "fn")
	return gather(ctx, p.or(), in, opts, spec[stage.Pair[A, B], C]{verb: "Starmap", kernel: mapping(star(fn))})
}

// MapAsync is Map that does not wait: it returns at once, and the result can be
// asked for later. The call is accepted, or refused with ErrClosed, when
// MapAsync returns; ctx bounds the work.
func MapAsync[A, B any](ctx context.Context, p *Pool, in stage.Stream[A], fn func(context.Context, A) (B, error), opts ...Option) *Result[[]B] {
	mustFunc(fn == nil, "MapAsync", "fn")
	return gatherAsync(ctx, p.or(), in, opts, spec[A, B]{verb: "MapAsync", kernel: mapping(fn)})
}

// StarmapAsync is Starmap that does not wait, as MapAsync is.
func StarmapAsync[A, B, C any](ctx context.Context, p *Pool, in stage.Stream[stage.Pair[A, B]], fn func(context.Context, A, B) (C, error), opts ...Option) *Result[[]C] {
	mustFunc(fn == nil, "StarmapAsync", "fn")
	return gatherAsync(ctx, p.or(), in, opts, spec[stage.Pair[A, B], C]{verb: "StarmapAsync", kernel: mapping(star(fn))})
}

// gather runs an eager call and returns its results. Chunks are taken in any
// order, so that a slow one holds nothing back.
func gather[A, B any](ctx context.Context, p *Pool, in stage.Stream[A], opts []Option, sp spec[A, B]) ([]B, error) {
	cfg := p.eager(opts, sp.verb)
	newSizing[A, B](&cfg, sp.verb)
	all := gathering[A, B]{results: []B{}}
	if err := collect(ctx, p, in, cfg, sp, all.begin, all.add); err != nil {
		return nil, err
	}
	return all.ordered(), nil
}

// maxReserve is how many bytes at most are set aside for results before they come.
const maxReserve = 16 << 20

// gathering puts the results of an eager call in order. As long as nothing fails,
// every item has one result, so that a chunk's results have their place as soon as
// it is known how many items came before it.
type gathering[A, B any] struct {
	results []B
	late    bool  // a chunk's place is known only at the end, when all are filled
	runs    []run // late: what stands where in results
}

// run is a sequence of chunks whose results stand together.
type run struct {
	first, last uint64 // tickets
	from, to    int
}

// begin prepares for the results of c.
func (g *gathering[A, B]) begin(c *call[A, B]) {
	g.late = c.fill != nil
	if c.sized == nil {
		return
	}
	if n, known := c.sized(); known {
		var b B
		g.results = make([]B, 0, max(0, min(n, maxReserve/int64(max(1, unsafe.Sizeof(b))))))
	}
}

// add takes the results of a chunk.
func (g *gathering[A, B]) add(j *job[A, B]) {
	if !g.late {
		at := int(j.base)
		for part := j; part != nil; part = part.next {
			end := at + len(part.out.Items)
			if end > len(g.results) {
				g.results = grow.By(g.results, end-len(g.results), math.MaxInt)[:end]
			}
			copy(g.results[at:], part.out.Items)
			at = end
		}
		return
	}
	from := len(g.results)
	for part := j; part != nil; part = part.next {
		g.results = append(grow.By(g.results, len(part.out.Items), math.MaxInt), part.out.Items...)
	}
	if n := len(g.runs); n > 0 && g.runs[n-1].last+1 == j.ticket {
		g.runs[n-1].last, g.runs[n-1].to = j.ticket, len(g.results)
		return
	}
	g.runs = append(g.runs, run{first: j.ticket, last: j.ticket, from: from, to: len(g.results)})
}

// ordered returns the results in the order of the items.
func (g *gathering[A, B]) ordered() []B {
	if len(g.runs) <= 1 {
		return g.results
	}
	slices.SortFunc(g.runs, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	ordered := make([]B, 0, len(g.results))
	for _, r := range g.runs {
		ordered = append(ordered, g.results[r.from:r.to]...)
	}
	return ordered
}

// gatherAsync runs gather beside its caller.
func gatherAsync[A, B any](ctx context.Context, p *Pool, in stage.Stream[A], opts []Option, sp spec[A, B]) *Result[[]B] {
	cfg := p.eager(opts, sp.verb)
	newSizing[A, B](&cfg, sp.verb)
	r := newResult[[]B](p)
	// The call enters again when it runs; this entry says that it was accepted,
	// and resolves the result at once when the pool is terminated.
	l := &live{cancel: func(err error) { r.resolve(nil, err) }}
	if err := p.enter(ctx, l, false); err != nil {
		r.resolve(nil, err)
		return r
	}
	sp.accepted = true
	r.group = &group{}
	sp.group = r.group
	beside := &taskContext{Context: ctx} // it must not lend the slot of the task that asked
	go func() {
		defer p.leave(l)
		defer r.resolve(nil, stage.ErrGoexit) // too late, unless the source ended the goroutine
		r.resolve(gather(beside, p, in, opts, sp))
	}()
	return r
}

// eager checks the options of an eager verb.
func (p *Pool) eager(opts []Option, verb string) config {
	cfg := p.defaults.with(opts, verb)
	cfg.check(verb)
	return cfg
}

// collect runs an eager call to its end and hands each finished chunk to each.
func collect[A, B any](
	ctx context.Context, p *Pool, in stage.Stream[A], cfg config, sp spec[A, B], begin func(*call[A, B]), each func(*job[A, B]),
) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	sp.eager = true
	node := &plan.Node{Op: sp.verb, Name: cfg.name, Kind: plan.Workers, Inputs: []*plan.Node{in.Plan()}}
	c, err := start(ctx, p, in, &plan.Meter{Node: node}, cfg, sp)
	if err != nil {
		return err
	}
	begin(c)
	err = c.each(ctx, each)
	closing := c.stop()
	switch {
	case c.fail != nil:
		c.settle()
		return c.fail.err
	case err != nil:
		return err
	}
	return closing
}

// each hands every job of an eager call to fn.
func (c *call[A, B]) each(ctx context.Context, fn func(*job[A, B])) error {
	for {
		p, err := c.next(ctx)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		j := c.take(p)
		for part := j; part != nil; part = part.next {
			if part.fatal != nil { // cut short by the end of its context
				return part.fatal
			}
		}
		fn(j)
		c.clear(j)
	}
}

// clear empties a job of an eager call, so that it can be used again.
func (c *call[A, B]) clear(j *job[A, B]) {
	if c.fill != nil {
		failed := false
		for part := j; part != nil; part = part.next {
			failed = failed || len(part.failed) > 0
		}
		if !failed { // otherwise settle will ask
			c.mu.Lock()
			c.counts.drop(j.ticket)
			c.mu.Unlock()
		}
	}
	j.out.Reset()
}

// settle gives the failure of an eager call its index, which is known when
// everything before it has been filled.
func (c *call[A, B]) settle() {
	var e *stage.ItemError
	if c.fail.relative && errors.As(c.fail.err, &e) {
		if base, known := c.counts.take(c.fail.at.ticket); known {
			e.Index += base
		}
	}
}
