package stage

import (
	"context"
	"io"

	"github.com/penstock-go/penstock/internal/plan"
)

// observed is a puller of a run that has a stall detector: it notes when it is
// pulled. Other runs have none, and pay nothing.
type observed[T any] struct {
	p     Puller[T]
	probe *plan.Probe
}

// Pull implements Puller.
func (w observed[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	return noted(ctx, w.p, w.probe, into, max)
}

// noted pulls p.
func noted[T any](ctx context.Context, p Puller[T], probe *plan.Probe, into *Chunk[T], max Limit) error {
	probe.Pulls.Add(1)
	defer probe.Pulls.Add(-1)
	err := p.Pull(ctx, into, max)
	if err == io.EOF || !into.Empty() || into.Block != nil {
		probe.Moves.Add(1)
	}
	return err
}

// Close implements Puller.
func (w observed[T]) Close() error { return w.p.Close() }

// Remaining implements Sized.
func (w observed[T]) Remaining() (n int64, known bool) {
	if s, ok := w.p.(Sized); ok {
		return s.Remaining()
	}
	return 0, false
}

// Blocks is that of guard.
func (w observed[T]) Blocks() Filler[T] {
	if b, ok := w.p.(interface{ Blocks() Filler[T] }); ok {
		if f := b.Blocks(); f != nil {
			return observedBlocks[T]{f, w.probe}
		}
	}
	return nil
}

// observedBlocks is observed for the puller that guard.Blocks returns.
type observedBlocks[T any] struct {
	Filler[T]
	probe *plan.Probe
}

func (w observedBlocks[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	return noted(ctx, w.Filler, w.probe, into, max)
}

// Recycle is that of blocks.
func (w observedBlocks[T]) Recycle(block []byte) {
	if r, ok := w.Filler.(interface{ Recycle(block []byte) }); ok {
		r.Recycle(block)
	}
}

// placeOf is the place of an item.
func placeOf(index int64, at Position) plan.Place {
	return plan.Place{Index: index, Key: at.Key, Part: at.Part, Offset: at.Offset, Record: at.Record}
}

// first is where the chunk's first range begins.
func (c *Chunk[T]) first() Position {
	if len(c.Tokens) == 0 {
		return Position{}
	}
	return c.Tokens[0].At
}
