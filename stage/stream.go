package stage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/penstock-go/penstock/internal/plan"
)

// Puller is an opened stream. Its methods are never called concurrently.
type Puller[T any] interface {
	// Pull replaces what is in into with the next chunk, of no more items than
	// max allows. It appends to into.Items[:0] (see Chunk.Reset) and never
	// aliases memory that is not the chunk's own. It returns io.EOF after the
	// last item; items may accompany any error, io.EOF included, and come
	// first. A chunk without items and a nil error is legal. A source that has
	// fewer items at hand than max allows returns those: it never waits to fill
	// a chunk. A Pull that is given up because ctx ended loses nothing.
	Pull(ctx context.Context, into *Chunk[T], max Limit) error
	// Close stops the stream and lets go of what it holds. It returns when
	// every goroutine of the stream has ended.
	Close() error
}

// Filler is a Puller whose costly work may run in many workers at once: its
// Pull only takes the next block (serially, under the pull lock of a pool), and
// Fill turns that block into items. Only a pool calls Fill outside the pull
// lock; Stream.Open returns a puller that fills itself, and then with a context
// that does not end: what Pull took must not be lost. The tokens that Pull leaves
// need not be final before Fill is through: a source that counts its records there
// says only then which they are. A Filler with a method Recycle(block []byte) is
// given the blocks back of which nothing is used any more.
type Filler[T any] interface {
	Puller[T]
	// Fill completes a chunk that Pull began. It is called once per chunk that
	// Pull returned, in any order and by several goroutines at once. An error
	// ends the stream at the chunk's place, after the items that Fill made.
	Fill(ctx context.Context, c *Chunk[T]) error
}

// Sized is implemented by pullers that know how many items are left. Pools use
// it to choose the chunk size near the end of a stream.
type Sized interface {
	// Remaining is how many items are left, if known; some of them may yet
	// fail.
	Remaining() (n int64, known bool)
}

// Stream is a plan for a sequence of items: a value that can be run, ranged
// over, run again and printed. Building one opens nothing and starts nothing.
// The zero Stream is empty.
type Stream[T any] struct {
	node *plan.Node
	open func(ctx context.Context, m *plan.Meter) (Puller[T], error)
}

// New makes a stream of a source. open is called each time the stream is run;
// the puller that it returns may also implement Filler and Sized. A panic in
// open or in the puller becomes the stream's error. The puller need not keep to
// the limit, remember its end or fill in ItemError.Stage: all that is done for
// it. New panics if open is nil.
func New[T any](name string, open func(context.Context) (Puller[T], error)) Stream[T] {
	notNil(open == nil, "stage.New: open")
	node := &plan.Node{Op: name, Kind: plan.Source}
	return Assemble(node, func(ctx context.Context, m *plan.Meter) (Puller[T], error) {
		p, err := opened(m, func() (Puller[T], error) { return open(ctx) })
		if err != nil {
			return nil, err
		}
		g := newGuard(p, m, false)
		if r := plan.RegistryOf(ctx); r != nil {
			g.stops.stop = r.Stop //nolint:fatcontext // nothing is nested
		}
		if err := enter(ctx, g); err != nil {
			return nil, withClose(err, g.Close())
		}
		return g, nil
	})
}

// Through makes a stage that turns in into another stream. open is called each
// time the stream is run, with the opened input, which it owns: closing what
// open returned must close the input; when open fails, the input is closed for
// it. A panic in open or in the puller becomes the stream's error. As with New,
// the puller need not keep to the limit, but it had better not ask its input for
// more than it was asked for. Its summary counts what came in and went out;
// items fewer are taken to be filtered, items more to be expanded, and errors
// without a Stage to be its own. Through panics if open is nil.
func Through[A, B any](name string, in Stream[A], open func(context.Context, Puller[A]) (Puller[B], error)) Stream[B] {
	notNil(open == nil, "stage.Through: open")
	s := serial(name, "", in, func(ctx context.Context, up upstream[A]) (_ Puller[B], err error) {
		done := false
		defer func() {
			if !done { // also when open ended its goroutine
				err = withClose(err, up.p.Close())
			}
		}()
		p, err := opened(up.m, func() (Puller[B], error) { return open(ctx, &up) })
		if err != nil {
			return nil, err
		}
		done = true
		g := newGuard(p, up.m, true)
		if err := keepState(ctx, up.m.Node, p); err != nil {
			return nil, withClose(err, g.Close())
		}
		return g, nil
	})
	s.node.Foreign = true
	return s
}

// Assemble makes a stream of a plan node and its open function. It is for the
// packages of this module: its parameters cannot be made outside.
func Assemble[T any](node *plan.Node, open func(ctx context.Context, m *plan.Meter) (Puller[T], error)) Stream[T] {
	return Stream[T]{node: node, open: open}
}

// Named returns the stream with a name for its last operator: what errors,
// counters and Describe call it.
func (s Stream[T]) Named(name string) Stream[T] {
	node := *s.Plan()
	node.Name = name
	s.node = &node
	return s
}

// Open starts a run of the stream by hand; ctx bounds the whole run. The puller
// fills itself and must be closed. Most programs use All, Run or Collect
// instead. A context that has ended opens nothing: Open returns its cause.
func (s Stream[T]) Open(ctx context.Context) (Puller[T], error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.open == nil {
		return empty[T]{}, nil
	}
	inner, splits, err := withSplits(ctx, s.node)
	if err != nil {
		return nil, err
	}
	m := plan.NewMeter(ctx, s.node)
	p, err := s.open(inner, m)
	if err != nil {
		if len(splits) > 0 {
			err = withClose(err, splits.skip())
		}
		return nil, err
	}
	if len(splits) > 0 {
		p = &splitPuller[T]{Puller: p, splits: splits}
	}
	if m.Probe != nil {
		p = observed[T]{p, m.Probe}
	}
	return p, nil
}

// Plan returns the node of the stream's last operator, for the packages of this
// module.
func (s Stream[T]) Plan() *plan.Node {
	if s.node == nil {
		return &plan.Node{Op: "empty", Kind: plan.Source}
	}
	return s.node
}

// empty is the opened zero Stream.
type empty[T any] struct{}

func (empty[T]) Pull(_ context.Context, into *Chunk[T], _ Limit) error {
	into.Reset()
	return io.EOF
}
func (empty[T]) Close() error             { return nil }
func (empty[T]) Remaining() (int64, bool) { return 0, true }

var errNoPuller = errors.New("open returned neither a puller nor an error")

// opened calls a third party's open function and turns a panic into an error.
func opened[T any](m *plan.Meter, open func() (Puller[T], error)) (p Puller[T], err error) {
	defer func() {
		if v := recover(); v != nil {
			p, err = nil, fmt.Errorf("%s: %w", m.Node.Label(), panicked(v))
		}
	}()
	p, err = open()
	if err == nil && p == nil {
		err = fmt.Errorf("%s: %w", m.Node.Label(), errNoPuller)
	}
	return p, err
}
