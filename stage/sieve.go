package stage

import (
	"context"
	"io"
)

// keeper is what an operator that only lets items pass does with them.
type keeper[T any] interface {
	// run takes items[c.in:] and moves those that pass to items[c.out:]. c is
	// exact whenever a user's function runs. It returns true at the item where
	// the stream ends, with c.in at the item.
	run(items []T, c *cursor) (done bool)
}

// sieve drives a keeper as loop drives a kernel, but in the consumer's own
// chunk: upstream pulls into it, the items that pass move to the front. So it
// holds nothing between two pulls.
type sieve[T any] struct {
	upstream[T]
	k    keeper[T]
	at   cursor
	errs []*ItemError // the errors of the chunk that is being made
	base int64        // items that came in before the chunk
	all  bool         // the keeper lets all items pass
	done bool
}

// newSieve makes the stage of a keeper, one for each run.
func newSieve[T any](op string, in Stream[T], k func() keeper[T]) Stream[T] {
	s := serial(op, "", in, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		keep := k()
		_, all := keep.(tapping[T])
		return &sieve[T]{upstream: up, k: keep, all: all}, nil
	})
	switch k().(type) {
	case takingWhile[T], *skippingWhile[T]:
		s.node.Keeps = true
	}
	return s
}

// Pull implements Puller.
func (s *sieve[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	for {
		if s.done {
			into.Reset()
			return io.EOF
		}
		if ctx.Err() != nil {
			into.Reset()
			return context.Cause(ctx)
		}
		err := s.upstream.Pull(ctx, into, max)
		if len(into.Items) > 0 {
			s.sift(into)
		}
		sent(s.m, into)
		switch {
		case s.done:
			return io.EOF
		case err != nil || !into.Empty():
			return err
		}
	}
}

// sift lets the keeper see the chunk's items and puts the errors in their new
// places.
func (s *sieve[T]) sift(c *Chunk[T]) {
	s.at = cursor{}
	came := len(c.Items)
	for errs := 0; ; errs++ {
		stop := came
		if errs < len(c.Errors) {
			stop = min(stop, c.Errors[errs].Before)
		}
		for s.at.in < stop && !s.done {
			if err := s.call(c.Items[:stop]); err != nil {
				e := failure(s.m.Node.Label(), c, s.at.in, errs, s.base, err)
				e.Before = s.at.out
				s.errs = append(s.errs, e)
				s.m.Failed++
				s.m.Filtered-- // it is not among those that pass, but no filtered one
				s.at.in++
			}
		}
		if s.done || errs == len(c.Errors) {
			break
		}
		c.Errors[errs].Before = s.at.out
		s.errs = append(s.errs, c.Errors[errs])
	}
	if s.done { // the item where the stream ends is dropped on purpose, what is behind it is not
		s.at.in++
	}
	s.m.Filtered += int64(s.at.in - s.at.out)
	s.base += int64(came)
	if len(c.Errors) > 0 || len(s.errs) > 0 {
		c.Errors, s.errs = s.errs, c.Errors
		clear(s.errs)
		s.errs = s.errs[:0]
	}
	if s.at.out < came {
		clear(c.Items[s.at.out:])
		c.Items = c.Items[:s.at.out]
		c.Offsets = c.Offsets[:0]
	}
}

// call runs the keeper and turns a panic into an error.
func (s *sieve[T]) call(items []T) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	s.done = s.k.run(items, &s.at)
	return nil
}

// Remaining implements Sized for keepers that let all items pass.
func (s *sieve[T]) Remaining() (int64, bool) {
	if !s.all {
		return 0, false
	}
	return s.remaining()
}

// Close implements Puller. It is idempotent.
func (s *sieve[T]) Close() error {
	if s.closed {
		return nil
	}
	s.m.Settle()
	return s.upstream.Close()
}
