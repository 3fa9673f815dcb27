package source

import (
	"context"
	"io"
	"math"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// Range makes a stream of the integers that begin with from and end before to, in
// ascending order; it is empty if to is not greater than from. It never fails,
// and its length is known. A run with a checkpoint goes on where the one before left
// off, if from and to are the same.
func Range(from, to int) stage.Stream[int] {
	return stage.New("Range", func(context.Context) (stage.Puller[int], error) {
		return &rangePuller{from: from, next: from, to: max(from, to)}, nil
	})
}

type rangePuller struct{ from, next, to int }

func (p *rangePuller) left() uint64 { return uint64(p.to) - uint64(p.next) }

func (p *rangePuller) Pull(_ context.Context, into *stage.Chunk[int], max stage.Limit) error {
	into.Reset()
	first := int64(uint64(p.next) - uint64(p.from))
	n := int(min(uint64(max.Room()), p.left()))
	into.Items = slices.Grow(into.Items, n)[:n]
	for i := range into.Items {
		into.Items[i] = p.next + i
	}
	p.next += n
	number(into, first)
	if p.next == p.to {
		return io.EOF
	}
	return nil
}

func (p *rangePuller) Close() error { return nil }

// Remaining implements stage.Sized.
func (p *rangePuller) Remaining() (int64, bool) { return int64(min(p.left(), math.MaxInt64)), true }
