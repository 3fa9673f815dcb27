package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"

	"github.com/penstock-go/penstock/internal/plan"
)

// guard stands between a puller of somebody else's and the engine. It turns
// panics into errors, fills chunks of a Filler, keeps to the limit by holding
// back what came too much, remembers the end, and counts.
type guard[T any] struct {
	p      Puller[T]
	fill   Filler[T] // p, if it is one
	m      *plan.Meter
	stage  bool // a stage rather than a source: what came in is counted elsewhere
	rest   Chunk[T]
	at     int   // items of rest that were handed on
	atErr  int   // errors of rest that were handed on
	end    error // sticky: io.EOF or the failure
	closed bool
	filled atomic.Int64 // items of chunks that were filled in workers
	failed atomic.Int64
}

func newGuard[T any](p Puller[T], m *plan.Meter, in any) *guard[T] {
	g := &guard[T]{p: p, m: m, stage: in != nil}
	g.fill, _ = p.(Filler[T])
	return g
}

// Pull implements Puller.
func (g *guard[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	if g.at < len(g.rest.Items) || g.atErr < len(g.rest.Errors) {
		return g.serve(into, max)
	}
	if g.end != nil {
		into.Reset()
		return g.end
	}
	err := g.take(ctx, into, max)
	if g.fill != nil && (err == nil || !into.Empty() || into.Block != nil) {
		if ferr := g.refill(ctx, into); ferr != nil && (err == nil || err == io.EOF) {
			err = ferr
		}
	}
	if err != nil && !gaveUp(ctx, err) {
		g.end = err
	}
	if max.Items > 0 && len(into.Items) > max.Items {
		g.rest, *into = *into, g.rest
		g.at, g.atErr = 0, 0
		if err != nil && g.end == nil {
			return g.serve(into, max) // the caller's context ended: it will ask again
		}
		return g.serve(into, max)
	}
	g.count(into)
	return err
}

// serve hands on the next part of what was held back.
func (g *guard[T]) serve(into *Chunk[T], max Limit) error {
	into.Reset()
	n := min(max.Room(), len(g.rest.Items)-g.at)
	into.Items = append(into.Items, g.rest.Items[g.at:g.at+n]...)
	if len(g.rest.Offsets) == len(g.rest.Items) {
		into.Offsets = append(into.Offsets, g.rest.Offsets[g.at:g.at+n]...)
	}
	last := g.at+n == len(g.rest.Items)
	records := int64(n)
	for g.atErr < len(g.rest.Errors) && (last || g.rest.Errors[g.atErr].Before < g.at+n) {
		e := g.rest.Errors[g.atErr]
		e.Before -= g.at
		into.Errors = append(into.Errors, e)
		g.atErr++
		records++
	}
	g.at += n
	into.Block = g.rest.Block
	// Each part accounts for its own records as long as that can be known: one
	// item or error per record of a single token.
	if len(g.rest.Tokens) == 1 && !last && records <= g.rest.Tokens[0].N {
		t := &g.rest.Tokens[0]
		into.Tokens = append(into.Tokens, Token{At: t.At, First: t.First, N: records})
		t.At.Record += records
		t.First += records
		t.N -= records
	} else if last {
		into.Tokens = append(into.Tokens, g.rest.Tokens...)
	}
	g.count(into)
	if last {
		g.rest.Reset()
		g.at, g.atErr = 0, 0
		return g.end
	}
	return nil
}

// take pulls without filling.
func (g *guard[T]) take(ctx context.Context, into *Chunk[T], max Limit) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = g.name(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return g.p.Pull(ctx, into, max)
}

// refill calls Fill.
func (g *guard[T]) refill(ctx context.Context, c *Chunk[T]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = g.name(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return g.fill.Fill(ctx, c)
}

func (g *guard[T]) name(err error) error { return fmt.Errorf("%s: %w", g.m.Node.Label(), err) }

func (g *guard[T]) count(c *Chunk[T]) {
	g.m.Out += int64(len(c.Items))
	g.m.ChunksOut++
	if !g.stage {
		g.m.In += int64(len(c.Items) + len(c.Errors))
		g.m.Failed += int64(len(c.Errors))
	}
}

// Remaining implements Sized for pullers that do.
func (g *guard[T]) Remaining() (int64, bool) {
	s, ok := g.p.(Sized)
	if !ok || g.stage {
		return 0, false
	}
	n, known := s.Remaining()
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
			err = g.name(&PanicError{Value: v, Stack: debug.Stack()})
		}
		g.settle()
	}()
	return g.p.Close()
}

func (g *guard[T]) settle() {
	g.m.Out += g.filled.Load()
	if !g.stage {
		g.m.Abandoned += int64(len(g.rest.Items) - g.at)
		g.m.In += g.filled.Load() + g.failed.Load() + g.m.Abandoned
		g.m.Failed += g.failed.Load()
		return
	}
	// A stage of a third party: infer from the balance what it did.
	if d := g.m.In - g.m.Out; d > 0 {
		g.m.Filtered += d
	} else {
		g.m.Expanded -= d
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
	if b.g.end != nil {
		into.Reset()
		return b.g.end
	}
	err := b.g.take(ctx, into, max)
	if err != nil && !gaveUp(ctx, err) {
		b.g.end = err
	}
	b.g.m.ChunksOut++
	return err
}

func (b blocks[T]) Fill(ctx context.Context, c *Chunk[T]) error {
	err := b.g.refill(ctx, c)
	b.g.filled.Add(int64(len(c.Items)))
	b.g.failed.Add(int64(len(c.Errors)))
	return err
}

func (b blocks[T]) Remaining() (int64, bool) { return b.g.Remaining() }
func (b blocks[T]) Close() error             { return b.g.Close() }

// gaveUp reports whether err says only that ctx ended, so that a later pull may
// go on.
func gaveUp(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// withClose joins a failure with what closing reported.
func withClose(err, closing error) error {
	if closing == nil {
		return err
	}
	return errors.Join(err, closing)
}

// notNil panics, in the caller's name, when a required function is missing.
func notNil(isNil bool, what string) {
	if isNil {
		panic("penstock: " + what + " is nil")
	}
}
