package stage

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/penstock-go/penstock/internal/losertree"
	"github.com/penstock-go/penstock/internal/plan"
)

// MergeSorted is the stream of the items of all streams in the order of cmp, provided
// that each is in that order itself; equal items come in the order of the streams. The
// streams are opened together and pulled one at a time, each when its chunk at hand has
// been handed on: one chunk a stream is held, of no more items than were asked for.
//
// A failed item passes when the items of its stream before it have passed. The first
// stream that fails ends the whole, behind the items before its failure. A cmp that
// panics ends the stream. What is out of order in a stream comes out of order, and is not
// lost. MergeSorted keeps no state that a checkpoint must hold. It panics if cmp is nil.
func MergeSorted[T any](cmp func(a, b T) int, streams ...Stream[T]) Stream[T] {
	notNil(cmp == nil, "stage.MergeSorted: cmp")
	streams = slices.Clone(streams)
	node := &plan.Node{Op: "MergeSorted", Kind: plan.Serial}
	for _, s := range streams {
		node.Inputs = append(node.Inputs, s.Plan())
	}
	return Assemble(node, func(ctx context.Context, m *plan.Meter) (_ Puller[T], err error) {
		g := &collating[T]{m: m, cmp: cmp, sides: make([]side[T], 0, len(streams))}
		done := false
		defer func() {
			if !done { // also when opening one ended the goroutine
				err = withClose(err, g.Close())
			}
		}()
		for _, s := range streams {
			p, err := s.Open(ctx)
			if err != nil {
				return nil, err
			}
			g.sides = append(g.sides, side[T]{upstream: upstream[T]{p: p, m: m}})
		}
		g.tree = losertree.New(len(streams), cmp)
		done = true
		return g, nil
	})
}

type collating[T any] struct {
	m      *plan.Meter
	cmp    func(a, b T) int
	sides  []side[T]
	tree   *losertree.Tree[T]
	begun  int // sides that have shown their first item, or have ended
	ready  bool
	stale  bool  // the winner's item has been handed on
	end    error // sticky
	closed bool
}

// Pull implements Puller.
func (g *collating[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) (err error) {
	into.Reset()
	if g.end != nil {
		return g.end
	}
	room := min(max.Room(), maxChunk)
	err = g.merge(ctx, into, room, max.Bytes)
	if err != nil && !gaveUp(ctx, err) {
		g.end = err
	}
	for i := range g.sides {
		s := &g.sides[i]
		into.Partial = into.Partial || s.holds() || s.in.Partial
	}
	sent(g.m, into)
	return err
}

// merge makes a chunk. It pulls only as long as the chunk is empty.
func (g *collating[T]) merge(ctx context.Context, into *Chunk[T], room int, bytes int64) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicIn(g.m, v)
		}
	}()
	for g.begun < len(g.sides) {
		s := &g.sides[g.begun]
		there, err := g.show(ctx, s, into, room, bytes)
		if err != nil {
			return err
		}
		if there {
			g.tree.Set(g.begun, s.in.Items[s.at])
		}
		g.begun++
	}
	if !g.ready {
		g.tree.Init()
		g.ready = true
	}
	for len(into.Items) < room {
		i, ok := g.tree.Winner()
		if !ok {
			return io.EOF
		}
		s := &g.sides[i]
		if !g.stale {
			into.Items = append(into.Items, s.in.Items[s.at])
			s.at++
			g.stale = true
		}
		if more := ready(s, into); more == 0 && s.end == nil && !into.Empty() {
			return nil // the side is pulled by the next Pull
		}
		there, err := g.show(ctx, s, into, room, bytes)
		if err != nil {
			return err
		}
		if there {
			g.tree.Replace(s.in.Items[s.at])
		} else {
			g.tree.End()
		}
		g.stale = false
	}
	return nil
}

// show makes sure that the side has an item at hand, and says whether it has one left.
func (g *collating[T]) show(ctx context.Context, s *side[T], into *Chunk[T], room int, bytes int64) (bool, error) {
	for ready(s, into) == 0 {
		if s.end == io.EOF {
			return false, nil
		}
		if s.end != nil {
			return false, s.end
		}
		if err := s.fetch(ctx, Limit{Items: room, Bytes: bytes}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// Close implements Puller. It is idempotent.
func (g *collating[T]) Close() error {
	if g.closed {
		return nil
	}
	g.closed = true
	g.m.Settle()
	g.end = io.EOF
	var err error
	for i := range g.sides {
		s := &g.sides[i]
		s.in = Chunk[T]{}
		err = errors.Join(err, s.Close())
	}
	g.sides, g.tree = nil, nil
	return err
}
