package stage

import (
	"context"
	"fmt"
	"io"
)

// gatherer takes in all items of a stream and then hands on others.
type gatherer[A, B any] interface {
	// add takes an item. Its error is the item's, and leaves the gatherer as it was.
	add(ctx context.Context, v A) error
	// flush prepares the output. Its error ends the stream, unless it says that ctx ended.
	flush(ctx context.Context) error
	// next appends up to room outputs; io.EOF comes with the last or after it.
	next(to []B, room int) ([]B, error)
	// close lets go of everything.
	close() error
}

// gathering drives a gatherer. What the input's chunks account for is accounted for by the
// last output, or, if the gatherer's state is saved with checkpoints, as soon as they are in
// that state.
type gathering[A, B any] struct {
	upstream[A]
	g      gatherer[A, B]
	saves  bool
	in     Chunk[A]
	at     int
	errs   int // errors of in handed on
	base   int64
	taken  int64 // items that the gatherer took
	tokens []Token
	upEnd  error // upstream's, sticky
	end    error // sticky
	full   bool  // everything is in
}

// saving is a gathering whose gatherer has its state saved.
type saving[A, B any] struct {
	*gathering[A, B]
	Stateful
}

// newGathering drives g; state, which is g, is nil if a checkpoint cannot hold it.
func newGathering[A, B any](up upstream[A], g gatherer[A, B], state Stateful) Puller[B] {
	driven := &gathering[A, B]{upstream: up, g: g, saves: state != nil}
	if driven.saves {
		return saving[A, B]{driven, state}
	}
	return driven
}

// Pull implements Puller.
func (g *gathering[A, B]) Pull(ctx context.Context, into *Chunk[B], max Limit) error {
	into.Reset()
	for g.end == nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := g.step(ctx, into, max)
		if err != nil && gaveUp(ctx, err) {
			sent(g.m, into)
			return err
		}
		g.end = err
		if !into.Empty() {
			break
		}
	}
	sent(g.m, into)
	return g.end
}

// step takes the chunk at hand, or the next one, or hands on.
func (g *gathering[A, B]) step(ctx context.Context, into *Chunk[B], max Limit) error {
	into.Partial = true
	if err := g.take(ctx, into); err != nil {
		return err
	}
	switch {
	case !into.Empty():
		return nil
	case g.full:
		return g.hand(into, min(max.Room(), maxChunk))
	case g.upEnd == io.EOF:
		if err := g.guarded(func() error { return g.g.flush(ctx) }); err != nil {
			return err
		}
		g.full = true
		return nil
	case g.upEnd != nil:
		return g.upEnd
	}
	g.base += int64(len(g.in.Items))
	g.at, g.errs = 0, 0
	err := g.upstream.Pull(ctx, &g.in, Limit{Bytes: max.Bytes})
	g.tokens = appendTokens(g.tokens, g.in.Tokens)
	if err != nil && gaveUp(ctx, err) {
		return err
	}
	g.upEnd = err
	return g.take(ctx, into)
}

// take gives the gatherer what is left of the chunk that came. Its error ends the stream,
// or says that the pull was given up.
func (g *gathering[A, B]) take(ctx context.Context, into *Chunk[B]) error {
	for {
		stop := len(g.in.Items)
		for ; g.errs < len(g.in.Errors); g.errs++ {
			e := g.in.Errors[g.errs]
			if e.Before > g.at && g.at < len(g.in.Items) {
				stop = min(stop, e.Before)
				break
			}
			into.Fail(e)
		}
		if g.at == len(g.in.Items) {
			if g.saves {
				into.Tokens, g.tokens = append(into.Tokens, g.tokens...), nil
				into.Partial = g.in.Partial
			}
			return nil
		}
		before := g.at
		err := g.run(ctx, stop)
		g.taken += int64(g.at - before)
		if err == nil {
			continue
		}
		if f, ok := err.(fatal); ok { //nolint:errorlint // it is never wrapped
			return f.error
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		into.Fail(failure(g.m.Node.Label(), &g.in, g.at, g.errs, g.base, err))
		g.m.Failed++
		g.at++
	}
}

// run gives the gatherer the items before stop.
func (g *gathering[A, B]) run(ctx context.Context, stop int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	for g.at < stop {
		if err := g.g.add(ctx, g.in.Items[g.at]); err != nil {
			return err
		}
		g.at++
	}
	return nil
}

// guarded calls a gatherer's function for no item in particular.
func (g *gathering[A, B]) guarded(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicIn(g.m, v)
		}
	}()
	return fn()
}

// hand hands on the next outputs.
func (g *gathering[A, B]) hand(into *Chunk[B], room int) error {
	err := g.guarded(func() (err error) {
		into.Items, err = g.g.next(into.Items, room)
		return err
	})
	into.Partial = !g.saves
	if err == io.EOF {
		into.Tokens = append(into.Tokens, g.tokens...)
		into.Partial = false
		g.tokens = nil
		// What came in and did not go out has been taken into what did.
		if n := g.taken - g.m.Out - int64(len(into.Items)); n > 0 {
			g.m.Merged += n
		} else {
			g.m.Expanded -= n
		}
	}
	return err
}

// Close implements Puller. It is idempotent.
func (g *gathering[A, B]) Close() error {
	if g.closed {
		return nil
	}
	err := g.g.close()
	if err != nil {
		err = fmt.Errorf("%s: %w", g.m.Node.Label(), err)
	}
	g.m.Settle()
	g.end, g.in, g.tokens = io.EOF, Chunk[A]{}, nil
	return withClose(err, g.upstream.Close())
}
