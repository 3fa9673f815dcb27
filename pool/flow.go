package pool

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/reugn/go-streams"

	"github.com/penstock-go/penstock/internal/channel"
	"github.com/penstock-go/penstock/stage"
)

// Flow is Imap as a flow of go-streams: it applies fn to what is sent to it, in the
// workers of p, and sends the results on in the order of the items, which that
// library's own Map keeps with one worker only.
//
//	f := pool.Flow(ctx, p, parse)
//	extension.NewChanSource(lines).Via(f).To(extension.NewChanSink(events))
//	err := f.Err()
//
// Like all flows it runs from when it is made, and takes a context, which ends it.
// Order: that of the items, or with Unordered that of completion. Laziness: an item is
// taken when a worker has credit for it. Bound: the items that were taken and whose
// results the next stage has not taken never exceed InFlight, by default that of Imap.
//
// Errors: go-streams has no way for them. An item that fails, whose function panics,
// or that is no A, becomes a *stage.ItemError and ends the flow, behind the results of
// all items before it; with OnItemError it is dropped, and the flow goes on. The end
// of ctx ends the flow too, without what is in flight, and so does the end of p, as it
// does Imap's stream. A flow that has ended closes its outlet, so that those behind it
// come to their end, and [RunningFlow.Err] says why. It goes on to take what is sent to
// it, and drops it, until its inlet is closed: whoever sends would be stuck otherwise.
// Nothing tells the source to stop but a context that both have.
//
// fn runs in several goroutines at once. Its context ends when the flow does. A task
// that waits for a flow on its own pool does not lend its worker: leave it another one.
// A flow has no plan, and no run with a checkpoint goes through it. Flow panics if fn
// is nil or an option does not fit.
func Flow[A, B any](ctx context.Context, p *Pool, fn func(context.Context, A) (B, error), opts ...Option) *RunningFlow {
	mustFunc(fn == nil, "Flow", "fn")
	f := &RunningFlow{in: make(chan any), out: make(chan any), ended: make(chan struct{})}
	in := stage.New("inlet", func(context.Context) (stage.Puller[A], error) {
		return inlet[A]{channel.NewValues[A](f.in)}, nil
	})
	s := stream(p, in, opts, spec[A, B]{verb: "Flow", kernel: mapping(fn)})
	cfg := p.or().defaults.with(opts, "Flow")
	ctx = &taskContext{Context: ctx} // it must not lend the slot of the task that asked
	results, err := s.Open(ctx)
	go func() {
		defer f.drain()
		f.err = stage.ErrGoexit // until forward has said otherwise
		defer f.end()
		if err == nil {
			err = forward(ctx, f.out, results, cfg.onItem)
		}
		f.err = err
	}()
	return f
}

// inlet pulls what is sent to a flow.
type inlet[A any] struct{ values *channel.Values[A] }

// Pull implements stage.Puller.
func (i inlet[A]) Pull(ctx context.Context, into *stage.Chunk[A], max stage.Limit) error {
	return i.values.Take(ctx, into, max.Room())
}

// Close implements stage.Puller.
func (i inlet[A]) Close() error { return nil }

// forward sends the results on to their end, or to the first item that failed if
// nobody handles that, and closes them.
func forward[B any](ctx context.Context, out chan<- any, results stage.Puller[B], handle func(*stage.ItemError)) (err error) {
	defer func() {
		if closing := results.Close(); err == nil {
			err = closing
		}
	}()
	var c stage.Chunk[B]
	for {
		end := results.Pull(ctx, &c, stage.Limit{})
		if err := forwardChunk(ctx, out, &c, handle); err != nil {
			return err
		}
		switch end {
		case nil:
		case io.EOF:
			if ctx.Err() != nil { // the source may have been told too
				return context.Cause(ctx)
			}
			return nil
		default:
			return end
		}
	}
}

func forwardChunk[B any](ctx context.Context, out chan<- any, c *stage.Chunk[B], handle func(*stage.ItemError)) error {
	next := 0
	for i := 0; i <= len(c.Errors); i++ {
		stop := len(c.Items)
		if i < len(c.Errors) {
			stop = c.Errors[i].Before
		}
		for ; next < stop; next++ {
			if err := channel.Send(ctx, out, any(c.Items[next]), nil); err != nil {
				return err
			}
		}
		if i == len(c.Errors) {
			return nil
		}
		if err := handled(c.Errors[i], handle); err != nil {
			return err
		}
	}
	return nil
}

// handled is what the flow ends with for an item that failed, nil if it goes on.
func handled(e *stage.ItemError, handle func(*stage.ItemError)) (err error) {
	if handle == nil {
		return e
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("penstock: pool.Flow: OnItemError: %w", &stage.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	handle(e)
	return nil
}

// RunningFlow is a flow of go-streams whose function runs in a pool; see [Flow].
type RunningFlow struct {
	in, out chan any
	ended   chan struct{} // closed when err is final
	err     error
}

var _ streams.Flow = (*RunningFlow)(nil)

// In returns the channel that items are sent to. Whoever sends closes it at the end.
func (f *RunningFlow) In() chan<- any { return f.in }

// Out returns the channel of the results. It is closed behind the last one, or when
// the flow has ended for another reason, which Err tells.
func (f *RunningFlow) Out() <-chan any { return f.out }

// Via sends the results to next, from a goroutine of its own, and returns next.
func (f *RunningFlow) Via(next streams.Flow) streams.Flow {
	go f.transmit(next)
	return next
}

// To sends the results to a sink and returns when that has completed. Err is final
// then.
func (f *RunningFlow) To(sink streams.Sink) {
	f.transmit(sink)
	sink.AwaitCompletion()
}

// Err is why the flow ended before the last result: the *stage.ItemError of the item
// that failed, the cause of its context, ErrClosed or ErrTerminated. It is nil while
// the flow runs and if all went well. It is final when Out is closed.
func (f *RunningFlow) Err() error {
	select {
	case <-f.ended:
		return f.err
	default:
		return nil
	}
}

func (f *RunningFlow) transmit(to streams.Inlet) {
	in := to.In()
	for result := range f.out {
		in <- result
	}
	close(in)
}

// end closes the outlet.
func (f *RunningFlow) end() {
	close(f.ended)
	close(f.out)
}

// drain drops what is still sent.
func (f *RunningFlow) drain() {
	for range f.in {
	}
}
