package stage

import (
	"context"
	"io"

	"github.com/penstock-go/penstock/internal/plan"
)

// Zip pairs the first item of a with the first of b, the second with the second,
// and so on; it ends with the shorter stream. It asks a first, and b for as many
// items as wait for a partner. A failed item has no partner: it passes, and the
// next one takes its place. If an item must keep its partner, pair them before
// anything can fail.
func Zip[A, B any](a Stream[A], b Stream[B]) Stream[Pair[A, B]] {
	node := &plan.Node{Op: "Zip", Kind: plan.Serial, Inputs: []*plan.Node{a.Plan(), b.Plan()}}
	return Assemble(node, func(ctx context.Context, m *plan.Meter) (_ Puller[Pair[A, B]], err error) {
		pa, err := a.Open(ctx)
		if err != nil {
			return nil, err
		}
		done := false
		defer func() {
			if !done { // also when opening b ended the goroutine
				err = withClose(err, pa.Close())
			}
		}()
		pb, err := b.Open(ctx)
		if err != nil {
			return nil, err
		}
		done = true
		return &zipping[A, B]{
			m: m,
			a: side[A]{upstream: upstream[A]{p: pa, m: m}},
			b: side[B]{upstream: upstream[B]{p: pb, m: m}},
		}, nil
	})
}

type zipping[A, B any] struct {
	m   *plan.Meter
	a   side[A]
	b   side[B]
	end error // sticky
}

// side is one input of Zip.
type side[T any] struct {
	upstream[T]
	in   Chunk[T]
	at   int   // items of in that have a partner
	errs int   // errors of in handed on
	end  error // upstream's, sticky
}

// Pull implements Puller.
func (z *zipping[A, B]) Pull(ctx context.Context, into *Chunk[Pair[A, B]], max Limit) error {
	into.Reset()
	if z.end != nil {
		return z.end
	}
	room := min(max.Room(), maxChunk)
	for {
		switch z.pair(into, room) {
		case needNothing:
			return z.hand(into, nil)
		case needA:
			if !into.Empty() {
				return z.hand(into, nil)
			}
			if z.a.end != nil {
				return z.finish(into, z.a.end)
			}
			if err := z.a.fetch(ctx, Limit{Items: room, Bytes: max.Bytes}); err != nil {
				return z.hand(into, err)
			}
		case needB:
			if !into.Empty() {
				return z.hand(into, nil)
			}
			if z.b.end != nil {
				return z.finish(into, z.b.end)
			}
			if err := z.b.fetch(ctx, Limit{Items: min(room, len(z.a.in.Items)-z.a.at), Bytes: max.Bytes}); err != nil {
				return z.hand(into, err)
			}
		}
	}
}

type need uint8

const (
	needNothing need = iota
	needA
	needB
)

// pair makes pairs until there is no room or a side has no item left. It looks
// at the sides as a loop over single items would: at a, then at b.
func (z *zipping[A, B]) pair(into *Chunk[Pair[A, B]], room int) need {
	for {
		n := room - len(into.Items)
		if n == 0 {
			return needNothing
		}
		na := ready(&z.a, into)
		if na == 0 {
			return needA
		}
		nb := ready(&z.b, into)
		if nb == 0 {
			return needB
		}
		n = min(n, na, nb)
		a, b := z.a.in.Items[z.a.at:], z.b.in.Items[z.b.at:]
		for i := range n {
			into.Items = append(into.Items, Pair[A, B]{First: a[i], Second: b[i]})
		}
		z.a.at += n
		z.b.at += n
		z.m.Merged += int64(n)
		account(&z.a, into)
		account(&z.b, into)
	}
}

// ready hands on the errors before the side's next item, and says how many items
// come before the error after that.
func ready[T, P any](s *side[T], into *Chunk[P]) int {
	stop := len(s.in.Items)
	for ; s.errs < len(s.in.Errors); s.errs++ {
		e := s.in.Errors[s.errs]
		if e.Before > s.at && s.at < len(s.in.Items) {
			stop = min(stop, e.Before)
			break
		}
		into.Fail(e)
	}
	account(s, into)
	return stop - s.at
}

// account moves the tokens of a chunk that is done with.
func account[T, P any](s *side[T], into *Chunk[P]) {
	if s.at == len(s.in.Items) && s.errs == len(s.in.Errors) {
		into.Tokens = append(into.Tokens, s.in.Tokens...)
		s.in.Tokens = s.in.Tokens[:0]
	}
}

// fetch pulls the side's next chunk. Its error says that the pull was given up.
func (s *side[T]) fetch(ctx context.Context, max Limit) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.at, s.errs = 0, 0
	err := s.Pull(ctx, &s.in, max)
	if err != nil && gaveUp(ctx, err) {
		return err
	}
	s.end = err
	return nil
}

// holds reports whether some of the side's chunk has not been handed on. Stages
// ahead that keep a state have counted it.
func (s *side[T]) holds() bool { return s.at < len(s.in.Items) || s.errs < len(s.in.Errors) }

// holds reports whether something is held back, here or by a stage ahead.
func (z *zipping[A, B]) holds() bool {
	return z.a.holds() || z.b.holds() || z.a.in.Partial || z.b.in.Partial
}

// hand counts the chunk that is handed on with err.
func (z *zipping[A, B]) hand(into *Chunk[Pair[A, B]], err error) error {
	into.Partial = z.holds()
	sent(z.m, into)
	return err
}

// finish ends the stream. What is left of the longer side is dealt with, unless
// the end is a failure.
func (z *zipping[A, B]) finish(into *Chunk[Pair[A, B]], end error) error {
	if end == io.EOF {
		into.Tokens = append(into.Tokens, z.a.in.Tokens...)
		into.Tokens = append(into.Tokens, z.b.in.Tokens...)
	}
	z.end = end
	held := z.holds()
	z.drop()
	err := z.hand(into, end)
	into.Partial = into.Partial || held && end != io.EOF
	return err
}

func (z *zipping[A, B]) drop() {
	z.a.in, z.a.at, z.a.errs, z.a.end = Chunk[A]{}, 0, 0, z.end
	z.b.in, z.b.at, z.b.errs, z.b.end = Chunk[B]{}, 0, 0, z.end
}

// Close implements Puller. It is idempotent.
func (z *zipping[A, B]) Close() error {
	if z.a.closed {
		return nil
	}
	z.m.Settle()
	z.end = io.EOF
	z.drop()
	return withClose(z.a.Close(), z.b.Close())
}
