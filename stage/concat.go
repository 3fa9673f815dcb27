package stage

import (
	"context"
	"io"
	"slices"

	"github.com/penstock-go/penstock/internal/plan"
)

// Concat is the stream of all items of the first stream, then of the second, and
// so on. A stream is opened when the one before it has ended and was closed. The
// first stream that fails, or cannot be opened, ends the whole.
func Concat[T any](streams ...Stream[T]) Stream[T] {
	streams = slices.Clone(streams)
	node := &plan.Node{Op: "Concat", Kind: plan.Serial}
	for _, s := range streams {
		node.Inputs = append(node.Inputs, s.Plan())
	}
	return Assemble(node, func(ctx context.Context, m *plan.Meter) (Puller[T], error) {
		return &concat[T]{ctx: ctx, m: m, left: streams}, nil
	})
}

type concat[T any] struct {
	ctx  context.Context // of the run: what streams are opened with
	m    *plan.Meter
	cur  *upstream[T] // nil between two streams
	left []Stream[T]
	end  error // sticky
}

// Pull implements Puller.
func (c *concat[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	for {
		into.Reset()
		if c.end != nil {
			return c.end
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c.cur == nil {
			if len(c.left) == 0 {
				c.end = io.EOF
				return io.EOF
			}
			p, err := c.left[0].Open(c.ctx)
			if err != nil {
				c.end = err
				return err
			}
			c.cur, c.left = &upstream[T]{p: p, m: c.m}, c.left[1:]
		}
		err := c.cur.Pull(ctx, into, max)
		sent(c.m, into)
		switch {
		case err == io.EOF:
			err = c.cur.Close()
			c.cur = nil
			c.end = err
			if err == nil && len(c.left) == 0 {
				c.end = io.EOF
			}
			err = c.end
		case err != nil && !gaveUp(ctx, err):
			c.end = err
		}
		if err != nil || !into.Empty() {
			return err
		}
	}
}

// Close implements Puller. It is idempotent.
func (c *concat[T]) Close() error {
	cur, left := c.cur, c.left
	c.cur, c.left, c.end = nil, nil, io.EOF
	var err error
	if cur != nil {
		err = cur.Close()
	}
	for _, s := range left { // others need not wait for these
		err = withClose(err, skipBranches(c.ctx, s.Plan()))
	}
	return err
}
