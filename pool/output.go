package pool

import (
	"context"
	"errors"
	"io"

	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

var errPullAfterClose = errors.New("penstock: pull from a closed stream")

// output is the consumer's end of a lazy call: the opened stream.
type output[A, B any] struct{ c *call[A, B] }

// stream makes the plan of a lazy verb.
func stream[A, B any](p *Pool, in stage.Stream[A], opts []Option, sp spec[A, B]) stage.Stream[B] {
	p = p.or()
	cfg := p.defaults.with(opts, sp.verb)
	cfg.check(sp.verb)
	newSizing[A, B](&cfg, sp.verb) // a wrong type shows at the call
	keyed := sp.table != nil       // which keeps the order in a run with a checkpoint
	node := &plan.Node{
		Op: sp.verb, Name: cfg.name, Kind: plan.Workers, Detail: cfg.detail(p, keyed), Inputs: []*plan.Node{in.Plan()},
		Mixes: cfg.unordered && !keyed,
	}
	return stage.Assemble(node, func(ctx context.Context, m *plan.Meter) (stage.Puller[B], error) {
		c, err := start(ctx, p, in, m, cfg, sp)
		if err != nil {
			return nil, err
		}
		return output[A, B]{c}, nil
	})
}

// Pull implements stage.Puller.
func (o output[A, B]) Pull(ctx context.Context, into *stage.Chunk[B], max stage.Limit) error {
	c := o.c
	into.Reset()
	if c.closed {
		return errPullAfterClose
	}
	for {
		if c.part == nil {
			alone, err := c.advance(ctx)
			if err != nil {
				if err == io.EOF && c.spec.nothing != nil && c.m.Out == 0 {
					into.Items = append(into.Items, c.spec.nothing())
					c.m.Out++
					c.m.Expanded++
				}
				return err
			}
			if alone != nil {
				c.singles(into, alone, max.Room())
				return nil
			}
		}
		err := c.serve(into, max)
		if err != nil || !into.Empty() {
			return err
		}
	}
}

// Close implements stage.Puller.
func (o output[A, B]) Close() error { return o.c.stop() }

// advance makes the next job the one that is served, or returns a result by itself
// that is next. An error from upstream is the call's last word.
func (c *call[A, B]) advance(ctx context.Context) (alone *parcel[A, B], err error) {
	for {
		if j := c.unstash(); j != nil {
			c.letGo()
			c.cur, c.part = j, j
			return nil, nil //nolint:nilnil // the job is in c.part
		}
		if c.done != nil {
			c.letGo()
			return nil, c.done
		}
		p, err := c.next(ctx)
		switch {
		case err == nil:
			if p.job == nil {
				return p, nil
			}
			j := c.take(p)
			if c.fill != nil && !c.locate(j) {
				c.cur = nil
				c.stash = append(c.stash, j)
				continue
			}
			c.part = j
			return nil, nil //nolint:nilnil // as above
		case c.done != nil && len(c.stash) > 0 && (err == io.EOF || c.ctx.Err() == nil):
			continue // every chunk is filled now, so that the stashed ones have their places
		default:
			return nil, err
		}
	}
}

// locate gives the failures of a job the index of its first item, and reports
// whether that is known yet. In order it always is; unordered, a chunk before
// it may not have been filled.
func (c *call[A, B]) locate(j *job[A, B]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	failed := false
	for p := j; p != nil; p = p.next {
		failed = failed || len(p.failed) > 0
	}
	if failed {
		base, known := c.counts.take(j.ticket)
		if !known {
			return false
		}
		for p := j; p != nil; p = p.next {
			for i, e := range p.failed {
				e.Index += base
				p.failed[i] = nil
			}
			p.failed = p.failed[:0]
		}
	}
	c.counts.drop(j.ticket)
	return true
}

// unstash returns a job whose place has become known.
func (c *call[A, B]) unstash() *job[A, B] {
	for i, j := range c.stash {
		if c.locate(j) {
			c.stash = append(c.stash[:i], c.stash[i+1:]...)
			return j
		}
	}
	return nil
}

// serve hands on as much of the current part as max allows, and moves on when
// it is through. Once something is missing nothing is accounted for any more: a
// checkpoint would take it for done, or have what goes out with it come twice.
func (c *call[A, B]) serve(into *stage.Chunk[B], max stage.Limit) error {
	p := c.part
	if c.off == 0 && c.err == 0 && (max.Items <= 0 || len(p.out.Items) <= max.Items) {
		exchange(into, &p.out)
	} else {
		c.slice(into, max.Room())
		if c.off < len(p.out.Items) || c.err < len(p.out.Errors) {
			into.Partial = true
			c.m.Out += int64(len(into.Items))
			c.m.ChunksOut++
			return nil
		}
		into.Partial = p.out.Partial
		into.Tokens = append(into.Tokens, p.out.Tokens...)
		p.out.Reset()
		c.off, c.err = 0, 0
	}
	c.part = p.next
	c.m.Out += int64(len(into.Items))
	c.m.ChunksOut++
	if p.fatal != nil || c.fatal != nil { // some of what the tokens speak of was not made
		into.Tokens, into.Partial = into.Tokens[:0], true
	}
	if err := p.fatal; err != nil {
		p.fatal = nil
		return c.perish(err)
	}
	return nil
}

// slice copies the next n items of the current part, with the errors among
// them. The errors behind the last item go with it.
func (c *call[A, B]) slice(into *stage.Chunk[B], n int) {
	out := &c.part.out
	end := min(c.off+n, len(out.Items))
	into.Items = append(into.Items, out.Items[c.off:end]...)
	into.Block = out.Block
	for c.err < len(out.Errors) && (out.Errors[c.err].Before < end || end == len(out.Items)) {
		e := out.Errors[c.err]
		e.Before -= c.off
		into.Errors = append(into.Errors, e)
		c.err++
	}
	c.off = end
}

// perish ends the stream where the call ended: at once in order, otherwise when
// every result was delivered.
func (c *call[A, B]) perish(err error) error {
	if !c.cfg.unordered {
		c.lost, c.part = c.part, nil
		return c.finish(err)
	}
	if c.fatal == nil || c.cur.ticket < c.fatalAt {
		c.fatal, c.fatalAt = err, c.cur.ticket
	}
	return nil
}

// exchange swaps two chunks, the first of which was reset: the parts that hold
// nothing on either side stay.
func exchange[B any](a, b *stage.Chunk[B]) {
	a.Items, b.Items = b.Items, a.Items
	if len(b.Errors) > 0 {
		a.Errors, b.Errors = b.Errors, a.Errors
	}
	if len(b.Tokens) > 0 {
		a.Tokens, b.Tokens = b.Tokens, a.Tokens
	}
	if b.Block != nil {
		a.Block, b.Block = b.Block, nil
	}
	a.Partial, b.Partial = b.Partial, false
}
