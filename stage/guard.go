package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/penstock-go/penstock/internal/plan"
)

// guard stands between a puller of somebody else's and the engine. It turns
// panics into errors, fills the chunks of a Filler, keeps to the limit by
// holding back what came too much, remembers the end, and counts.
type guard[T any] struct {
	p      Puller[T]
	fill   Filler[T] // p, if it is one
	m      *plan.Meter
	stage  bool // a stage rather than a source: what came in is counted elsewhere
	rest   Chunk[T]
	at     int        // items of rest that were handed on
	atErr  int        // errors of rest that were handed on
	base   int32      // what the offsets of rest are ahead of its first token's
	end    error      // sticky: io.EOF or the failure
	src    *sourceRun // in a run with a checkpoint
	closed bool
	stops  stopping
	filled atomic.Int64 // items of chunks that were filled in workers
	failed atomic.Int64 // errors of such chunks that are this node's own
}

func newGuard[T any](p Puller[T], m *plan.Meter, stage bool) *guard[T] {
	g := &guard[T]{p: p, m: m, stage: stage}
	g.fill, _ = p.(Filler[T])
	return g
}

// Pull implements Puller.
func (g *guard[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	if g.held() {
		return g.serve(into, max)
	}
	err := g.take(ctx, into, max)
	if g.fill != nil && (err == nil || !into.Empty() || into.Block != nil) {
		// What Pull took cannot be taken again, so filling it is not given up.
		ferr := g.refill(context.WithoutCancel(ctx), into)
		if ferr != nil && (err == nil || err == io.EOF) {
			err = ferr
			g.end = ferr
		}
	}
	g.m.Failed += g.claim(into)
	if g.src != nil {
		gone, serr := settle(g.src, into)
		g.m.Failed -= gone
		if serr != nil && (err == nil || err == io.EOF) {
			err, g.end = serr, serr
		}
	}
	if max.Items > 0 && len(into.Items) > max.Items {
		// If err says that the caller gave up, the next Pull will say it again.
		g.rest, *into = *into, g.rest
		return g.serve(into, max)
	}
	sent(g.m, into)
	return err
}

// held reports whether a chunk larger than its limit is still being served.
func (g *guard[T]) held() bool {
	return g.at < len(g.rest.Items) || g.atErr < len(g.rest.Errors)
}

// serve hands on the next part of what was held back. Errors at the seam go
// with the earlier part, so that the later one begins with an item, whose offset
// may be known.
func (g *guard[T]) serve(into *Chunk[T], max Limit) error {
	into.Reset()
	rest := &g.rest
	partial := rest.Partial
	from, to := g.at, min(g.at+max.Room(), len(rest.Items))
	last := to == len(rest.Items)
	into.Items = append(into.Items, rest.Items[from:to]...)
	for ; g.atErr < len(rest.Errors) && (last || rest.Errors[g.atErr].Before <= to); g.atErr++ {
		e := rest.Errors[g.atErr]
		e.Before -= from
		into.Errors = append(into.Errors, e)
	}
	if len(rest.Offsets) == len(rest.Items) {
		for _, o := range rest.Offsets[from:to] {
			into.Offsets = append(into.Offsets, o-g.base)
		}
	}
	g.at = to
	// The block is shared by several chunks now, so nobody may recycle it.
	if last {
		into.Tokens = append(into.Tokens, rest.Tokens...)
		into.Partial = partial
		rest.Reset()
		g.at, g.atErr, g.base = 0, 0, 0
	} else {
		into.Partial = !g.splitToken(into)
	}
	sent(g.m, into)
	if last {
		return g.end
	}
	return nil
}

// splitToken lets the part account for its own records if it is known which
// those are: one item or error per record of a single token, and a next item
// whose place is known. Otherwise the last part accounts for them all.
func (g *guard[T]) splitToken(part *Chunk[T]) (split bool) {
	if len(g.rest.Tokens) != 1 {
		return false
	}
	t := &g.rest.Tokens[0]
	records := int64(len(part.Items) + len(part.Errors))
	left := int64(len(g.rest.Items) - g.at + len(g.rest.Errors) - g.atErr)
	if records+left != t.N {
		return false
	}
	switch {
	case len(g.rest.Offsets) == len(g.rest.Items):
		part.Tokens = append(part.Tokens, Token{At: t.At, First: t.First, N: records, Source: t.Source})
		t.At.Offset += int64(g.rest.Offsets[g.at] - g.base)
		g.base = g.rest.Offsets[g.at]
	case t.At.Offset == 0 && t.At.Key == "": // a source that does not count bytes
		part.Tokens = append(part.Tokens, Token{At: t.At, First: t.First, N: records, Source: t.Source})
	default:
		return false
	}
	t.At.Record += records
	t.First += records
	t.N -= records
	return true
}

// take pulls without filling, and remembers the end.
func (g *guard[T]) take(ctx context.Context, into *Chunk[T], max Limit) (err error) {
	into.Reset()
	if g.end != nil {
		return g.end
	}
	if g.stops.now() {
		g.end = ErrStopped
		return g.end
	}
	pulls := g.stops.context(ctx)
	defer func() {
		if v := recover(); v != nil {
			err = g.panicked(v)
			g.end = err
			if g.fill != nil {
				into.Reset() // half a block is nothing to fill
			}
		} else if err != nil && !gaveUp(ctx, err) {
			if g.stops.now() && gaveUp(pulls, err) {
				err = ErrStopped
			}
			g.end = err
		}
	}()
	return g.p.Pull(pulls, into, max)
}

// refill calls Fill. Workers of a pool call it at once.
func (g *guard[T]) refill(ctx context.Context, c *Chunk[T]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = g.panicked(v)
		}
	}()
	return g.fill.Fill(ctx, c)
}

func (g *guard[T]) panicked(v any) error {
	return fmt.Errorf("%s: %w", g.m.Node.Label(), panicked(v))
}

var errNoReason = errors.New("failed without giving a reason")

// claim puts the chunk's errors in order. It names those that have no stage yet
// after this one, and counts them: whoever made the others has counted them. All
// of a source's are its own.
func (g *guard[T]) claim(c *Chunk[T]) (own int64) {
	least := 0
	for _, e := range c.Errors {
		e.Before = min(max(e.Before, least), len(c.Items))
		least = e.Before
		if e.Err == nil {
			e.Err = errNoReason
		}
		if e.Stage == "" {
			e.Stage = g.m.Node.Label()
			own++
		} else if !g.stage {
			own++
		}
	}
	return own
}

// Remaining implements Sized for sources that do.
func (g *guard[T]) Remaining() (n int64, known bool) {
	s, ok := g.p.(Sized)
	if !ok || g.stage {
		return 0, false
	}
	defer func() {
		if recover() != nil { // the length is only a hint
			n, known = 0, false
		}
	}()
	n, known = s.Remaining()
	return n + int64(len(g.rest.Items)-g.at), known
}

// Close implements Puller. It is idempotent.
func (g *guard[T]) Close() (err error) {
	if g.closed {
		return nil
	}
	g.closed = true
	if g.end == nil {
		g.end = io.EOF
	}
	defer func() {
		if v := recover(); v != nil {
			err = g.panicked(v)
		}
		g.stops.release()
		g.settle()
	}()
	return g.p.Close()
}

// settle makes the counters add up, and drops what is held back.
func (g *guard[T]) settle() {
	m := g.m
	m.Out += g.filled.Load()
	m.Failed += g.failed.Load()
	m.Abandoned += int64(len(g.rest.Items) - g.at)
	g.rest, g.at, g.atErr = Chunk[T]{}, 0, 0
	done := m.Out + m.Failed + m.Abandoned
	switch {
	case !g.stage:
		m.In = done
	case m.In > done: // of a third party's stage only the balance is known
		m.Filtered += m.In - done
	default:
		m.Expanded += done - m.In
	}
}

// Blocks gives a pool the source without the filling, or nil if the source is
// no Filler. Once it was called, only its result may be used, and Close.
func (g *guard[T]) Blocks() Filler[T] {
	if g.fill == nil {
		return nil
	}
	return blocks[T]{g}
}

// blocks is a guarded Filler that leaves the filling to the caller.
type blocks[T any] struct{ g *guard[T] }

func (b blocks[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	err := b.g.take(ctx, into, max)
	if !into.Empty() || into.Block != nil {
		b.g.m.ChunksOut++
	}
	return err
}

func (b blocks[T]) Fill(ctx context.Context, c *Chunk[T]) error {
	err := b.g.refill(ctx, c)
	failed := b.g.claim(c)
	if b.g.src != nil {
		gone, serr := settle(b.g.src, c)
		failed -= gone
		if err == nil {
			err = serr
		}
	}
	b.g.filled.Add(int64(len(c.Items)))
	b.g.failed.Add(failed)
	return err
}

// Recycle gives a chunk's block back to a source that can use it again. Nobody
// may use what was made of it any more.
func (b blocks[T]) Recycle(block []byte) {
	if r, ok := b.g.p.(interface{ Recycle(block []byte) }); ok {
		r.Recycle(block)
	}
}

func (b blocks[T]) Remaining() (int64, bool) { return b.g.Remaining() }
func (b blocks[T]) Close() error             { return b.g.Close() }

// gaveUp reports whether err says only that ctx ended, so that a later pull may
// go on.
func gaveUp(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
