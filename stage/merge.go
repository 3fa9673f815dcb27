package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/penstock-go/penstock/internal/plan"
)

// Merge is the stream of the items of all streams as they come. Items of one
// stream keep their order, and so do its failed items among them; those of
// different streams come in the order in which their chunks are ready. No stream
// starves another: of those that are ready, the one that has waited longest is next.
//
// While a run lasts each stream is pulled by a goroutine of its own, which is
// joined when the run ends; it begins with the first pull. Each reads one chunk
// ahead, no larger than what was last asked for: at most 1024 items for terminals,
// what the in-flight budget leaves for pool stages, in addition to that budget.
//
// The first stream that fails ends the whole, after all items that came before the
// failure in that stream; what others have read ahead is dropped. MergeToEnd goes on
// with the others. All streams are opened at the start; one that cannot be opened
// fails the whole. A stream that has ended is closed at once.
//
// Merge keeps no state, so that a run with a checkpoint can have it. Stages ahead of
// it that keep one are ahead of what is written, as ahead of a pool, and refused.
func Merge[T any](streams ...Stream[T]) Stream[T] { return merging("Merge", false, streams) }

// MergeToEnd is Merge, except that a stream that fails does not end the others: the
// failures come at the end, joined in the order in which they came.
func MergeToEnd[T any](streams ...Stream[T]) Stream[T] { return merging("MergeToEnd", true, streams) }

func merging[T any](op string, toEnd bool, streams []Stream[T]) Stream[T] {
	streams = slices.Clone(streams)
	node := &plan.Node{Op: op, Kind: plan.Serial, Ahead: true, Detail: fmt.Sprintf("%d inputs, a goroutine each", len(streams))}
	for _, s := range streams {
		node.Inputs = append(node.Inputs, s.Plan())
	}
	return Assemble(node, func(ctx context.Context, m *plan.Meter) (_ Puller[T], err error) {
		g := &merge[T]{ctx: ctx, m: m, toEnd: toEnd, ready: make(chan *mergeInput[T], len(streams))}
		done := false
		defer func() {
			if !done { // also when a function ended its goroutine
				err = withClose(err, g.Close())
			}
		}()
		// What runs in the goroutines is no part of the opening, and has no slot to lend.
		pulls := context.WithValue(plan.WithRegistry(ctx, nil), plan.LenderKey{}, nil)
		g.pulls, g.cancel = context.WithCancelCause(pulls)
		for _, s := range streams {
			p, err := s.Open(ctx)
			if err != nil {
				return nil, err
			}
			g.inputs = append(g.inputs, &mergeInput[T]{p: p, next: make(chan Limit, 1)})
		}
		g.live = len(g.inputs)
		done = true
		return g, nil
	})
}

type merge[T any] struct {
	m       *plan.Meter
	toEnd   bool
	ctx     context.Context // of the run
	pulls   context.Context // what the goroutines pull with
	cancel  context.CancelCauseFunc
	inputs  []*mergeInput[T]
	ready   chan *mergeInput[T] // has room for all: nobody waits to send
	workers sync.WaitGroup
	started bool
	closed  bool
	live    int            // inputs that have not ended
	cur     *mergeInput[T] // its chunk is larger than the limit: it goes out in parts
	part    parts[T]       // of cur
	failed  error          // of inputs, joined
	end     error          // sticky
}

// mergeInput is an input of Merge. Its chunk is its goroutine's until it is ready,
// and the consumer's from then until next is sent.
type mergeInput[T any] struct {
	p      Puller[T]
	c      Chunk[T]
	end    error
	next   chan Limit // closed when nothing more is wanted
	closed bool
}

var errMergeClosed = errors.New("the merged stream was closed")

// Pull implements Puller.
func (g *merge[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	into.Reset()
	switch {
	case g.cur != nil:
		return g.hand(into, max)
	case g.end != nil:
		return g.end
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !g.started:
		g.started = true
		for _, in := range g.inputs {
			g.workers.Go(func() { in.run(g.pulls, g.m.Node, g.ready, max) })
		}
	}
	for g.live > 0 {
		in, err := g.next(ctx)
		if err != nil {
			return err
		}
		g.cur = in
		g.m.In += int64(len(in.c.Items))
		if !in.c.Empty() {
			g.m.ChunksIn++
		}
		if err := g.hand(into, max); err != nil || !into.Empty() {
			return err
		}
	}
	if g.end == nil {
		g.end = io.EOF
		if g.failed != nil {
			g.end = g.failed
		}
	}
	return g.end
}

// next waits for the input that has been ready for longest.
func (g *merge[T]) next(ctx context.Context) (*mergeInput[T], error) {
	select {
	case in := <-g.ready:
		return in, nil
	default:
	}
	takeBack := plan.Lend(ctx)
	defer takeBack()
	select {
	case in := <-g.ready:
		return in, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// hand hands on the current input's chunk, or a part of it, and with the last one
// lets the input go on.
func (g *merge[T]) hand(into *Chunk[T], max Limit) error {
	in := g.cur
	last := g.part.serve(&in.c, into, max.Room(), max.Items > 0)
	sent(g.m, into)
	if !last {
		return nil
	}
	g.cur = nil
	switch {
	case in.end == nil:
		in.next <- max
		return nil
	case in.end == io.EOF:
		g.live--
	case g.toEnd || errors.Is(in.end, ErrStopped): // the others are stopped too, or have ended
		g.live--
		g.failed = withClose(g.failed, in.end)
	default:
		g.live = 0
		g.end = withClose(g.failed, in.end)
		return g.end
	}
	return nil
}

// run pulls the input until it ends.
func (in *mergeInput[T]) run(ctx context.Context, node *plan.Node, ready chan<- *mergeInput[T], max Limit) {
	end := ErrGoexit // until it is known better
	defer func() {
		if v := recover(); v != nil {
			end = fmt.Errorf("%s: %w", node.Label(), panicked(v))
			in.c.Reset()
		}
		if end == nil {
			return // nobody is there any more
		}
		if end == ErrGoexit {
			in.c.Reset() // half a chunk
		}
		in.end = end
		ready <- in
	}()
	for {
		err := in.p.Pull(ctx, &in.c, max)
		if err != nil {
			if closing := in.close(); err == io.EOF && closing != nil {
				err = closing
			} else {
				err = withClose(causeOf(ctx, err), closing)
			}
			end = err
			return
		}
		if !in.c.Empty() {
			ready <- in
			var wanted bool
			if max, wanted = <-in.next; !wanted {
				end = nil
				return
			}
		}
		if ctx.Err() != nil {
			end = context.Cause(ctx)
			return
		}
	}
}

// close closes the input. It is idempotent.
func (in *mergeInput[T]) close() error {
	if in.closed {
		return nil
	}
	in.closed = true
	return in.p.Close()
}

// Close implements Puller. It is idempotent.
func (g *merge[T]) Close() error {
	if g.closed {
		return nil
	}
	g.closed = true
	g.cancel(errMergeClosed)
	for _, in := range g.inputs {
		close(in.next)
	}
	takeBack := plan.Lend(g.ctx)
	g.workers.Wait()
	takeBack()
	if g.end == nil {
		g.end = io.EOF
	}
	var err error
	for _, in := range g.inputs {
		if in != g.cur {
			g.m.In += int64(len(in.c.Items))
		}
		in.c = Chunk[T]{}
		err = withClose(err, in.close())
	}
	g.cur = nil
	g.m.Settle()
	return err
}
