package stage

import (
	"context"
	"fmt"
	"io"
)

// Take is the stream of the first n items. It asks its input for exactly those
// and ends with the last of them: failed items before it do not count towards n,
// those after it are not seen. Take panics if n is negative.
func (s Stream[T]) Take(n int) Stream[T] {
	notBelow(0, n, "stage.Take: n")
	return keeping("Take", fmt.Sprintf("%d items", n), s, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		return &taking[T]{upstream: up, left: n}, nil
	})
}

type taking[T any] struct {
	upstream[T]
	left int
}

// Pull implements Puller.
func (t *taking[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	if t.left == 0 {
		into.Reset()
		return io.EOF
	}
	if ctx.Err() != nil {
		into.Reset()
		return context.Cause(ctx)
	}
	if max.Items <= 0 || max.Items > t.left {
		max.Items = t.left
	}
	err := t.upstream.Pull(ctx, into, max)
	t.left -= len(into.Items)
	if t.left == 0 {
		keep := len(into.Errors)
		for keep > 0 && into.Errors[keep-1].Before >= len(into.Items) {
			keep--
		}
		clear(into.Errors[keep:])
		into.Errors = into.Errors[:keep]
		err = io.EOF
	}
	sent(t.m, into)
	return err
}

// Remaining implements Sized for inputs that do.
func (t *taking[T]) Remaining() (int64, bool) {
	n, known := t.remaining()
	return min(n, int64(t.left)), known
}

// Close implements Puller. It is idempotent.
func (t *taking[T]) Close() error {
	if t.closed {
		return nil
	}
	t.left = 0
	t.m.Settle()
	return t.upstream.Close()
}

// Skip is the stream without its first n items. Failed items do not count
// towards n; they pass. Skip panics if n is negative.
func (s Stream[T]) Skip(n int) Stream[T] {
	notBelow(0, n, "stage.Skip: n")
	return keeping("Skip", fmt.Sprintf("%d items", n), s, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		return &skipping[T]{upstream: up, left: n}, nil
	})
}

type skipping[T any] struct {
	upstream[T]
	left int
}

// Pull implements Puller.
func (s *skipping[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	for {
		if ctx.Err() != nil {
			into.Reset()
			return context.Cause(ctx)
		}
		err := s.upstream.Pull(ctx, into, max)
		if n := min(s.left, len(into.Items)); n > 0 {
			s.left -= n
			s.m.Filtered += int64(n)
			drop(into, n)
		}
		sent(s.m, into)
		if err != nil || !into.Empty() {
			return err
		}
	}
}

// drop takes the first n items out of the chunk.
func drop[T any](c *Chunk[T], n int) {
	if len(c.Offsets) == len(c.Items) {
		c.Offsets = c.Offsets[:copy(c.Offsets, c.Offsets[n:])]
	} else {
		c.Offsets = c.Offsets[:0]
	}
	left := copy(c.Items, c.Items[n:])
	clear(c.Items[left:])
	c.Items = c.Items[:left]
	for _, e := range c.Errors {
		e.Before = max(0, e.Before-n)
	}
}

// Remaining implements Sized for inputs that do.
func (s *skipping[T]) Remaining() (int64, bool) {
	n, known := s.remaining()
	return max(0, n-int64(s.left)), known
}

// Close implements Puller. It is idempotent.
func (s *skipping[T]) Close() error {
	if s.closed {
		return nil
	}
	s.m.Settle()
	return s.upstream.Close()
}
