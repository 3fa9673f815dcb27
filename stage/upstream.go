package stage

import (
	"context"
	"io"

	"github.com/penstock-go/penstock/internal/plan"
)

// upstream is the input of a serial stage: it counts what comes in, says why a
// pull was given up, and closes once.
type upstream[T any] struct {
	p      Puller[T]
	m      *plan.Meter
	closed bool
}

// Pull implements Puller.
func (u *upstream[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	if u.closed {
		into.Reset()
		return io.EOF
	}
	err := u.p.Pull(ctx, into, max)
	if err != nil && err != io.EOF {
		err = causeOf(ctx, err)
	}
	u.m.In += int64(len(into.Items))
	if !into.Empty() {
		u.m.ChunksIn++
	}
	return err
}

// Close implements Puller. It is idempotent.
func (u *upstream[T]) Close() error {
	if u.closed {
		return nil
	}
	u.closed = true
	return u.p.Close()
}

// remaining is how many items are left, if the input knows. It is no method of
// Sized because most operators cannot say it of themselves.
func (u *upstream[T]) remaining() (int64, bool) {
	if s, ok := u.p.(Sized); ok && !u.closed {
		return s.Remaining()
	}
	return 0, false
}

// sent counts a chunk that a stage hands on.
func sent[T any](m *plan.Meter, c *Chunk[T]) {
	m.Out += int64(len(c.Items))
	if !c.Empty() {
		m.ChunksOut++
	}
}

// serial makes a stream of an operator with one input. open gets the opened
// input and owns it.
func serial[A, B any](
	op, detail string, in Stream[A], open func(context.Context, upstream[A]) (Puller[B], error),
) Stream[B] {
	node := &plan.Node{Op: op, Kind: plan.Serial, Detail: detail, Inputs: []*plan.Node{in.Plan()}}
	return Assemble(node, func(ctx context.Context, m *plan.Meter) (Puller[B], error) {
		p, err := in.Open(ctx)
		if err != nil {
			return nil, err
		}
		out, err := open(ctx, upstream[A]{p: p, m: m})
		if err != nil {
			return nil, err
		}
		if _, guarded := out.(*guard[B]); !guarded { // Through has asked the one behind it
			if err := keepState(ctx, m.Node, out); err != nil {
				return nil, withClose(err, out.Close())
			}
		}
		return out, nil
	})
}

// keeping makes a stream of an operator that has a state: a run with a checkpoint
// saves it behind the last pool, if what open returns is Stateful, and refuses it by
// name elsewhere.
func keeping[A, B any](
	op, detail string, in Stream[A], open func(context.Context, upstream[A]) (Puller[B], error),
) Stream[B] {
	s := serial(op, detail, in, open)
	s.node.Keeps = true
	return s
}
