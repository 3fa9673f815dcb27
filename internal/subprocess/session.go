package subprocess

import (
	"bytes"
	"context"
	"errors"
)

// maxRequests is about how many bytes of requests are written at a time, at most.
const maxRequests = 1 << 20

// errNewline is the error of an item that is more than a line.
var errNewline = errors.New("the item has a newline in it: one item is one line")

// Session is a worker that is given items and makes results of its answers. The
// first Do starts the process.
type Session[A, B any] struct {
	*Worker
	codec    Codec[A, B]
	requests []byte
	results  []result // of items that Do has been shown; from next on it was not asked for them
	next     int
}

type result struct {
	answer []byte
	err    error
}

// NewSession makes one.
func NewSession[A, B any](spec *Spec, codec Codec[A, B]) *Session[A, B] {
	return &Session[A, B]{Worker: NewWorker(spec), codec: codec}
}

// Pending reports whether there are results of items that Do was not asked for: the
// next one must be.
func (s *Session[A, B]) Pending() bool { return s.next < len(s.results) }

// Do returns the result of the first of items. Those behind it may be sent ahead, so
// that they must be what Do is asked for next, in order.
func (s *Session[A, B]) Do(ctx context.Context, items []A) (B, error) {
	var none B
	for !s.Pending() {
		if err := s.send(ctx, items); err != nil {
			return none, err
		}
	}
	r := s.results[s.next]
	s.results[s.next] = result{}
	s.next++
	if r.err != nil {
		return none, r.err
	}
	return s.codec.Decode(r.answer)
}

// send makes results of as many items as may be sent at a time.
func (s *Session[A, B]) send(ctx context.Context, items []A) error {
	requests := s.requests[:0]
	n := 0
	for n < min(len(items), s.Window()) && len(requests) < maxRequests {
		more, err := s.encode(requests, items[n], n > 0)
		if err != nil {
			if n == 0 {
				return err
			}
			break // its turn will come
		}
		requests = more
		n++
	}
	if s.requests = nil; cap(requests) <= maxRequests {
		s.requests = requests
	}
	answers, err := s.Exchange(ctx, requests, n)
	s.results, s.next = s.results[:0], 0
	for _, a := range answers {
		s.results = append(s.results, result{answer: a})
	}
	switch {
	case err == nil:
	case len(answers) == 0:
		return err
	case ctx.Err() == nil:
		s.results = append(s.results, result{err: err})
	}
	return nil
}

var errPanicked = errors.New("panicked")

// encode appends an item's request to dst. ahead says that the item's turn has not come
// yet, so that a panic is none of those who wait now.
func (s *Session[A, B]) encode(dst []byte, item A, ahead bool) (_ []byte, err error) {
	defer func() {
		if ahead {
			if v := recover(); v != nil {
				err = errPanicked
			}
		}
	}()
	from := len(dst)
	dst, err = s.codec.Encode(dst, item)
	if err == nil && bytes.IndexByte(dst[from:], '\n') >= 0 {
		err = errNewline
	}
	return append(dst, '\n'), err
}
