package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/reugn/go-streams"

	"github.com/penstock-go/penstock/internal/channel"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// ToInlet sends the items to an inlet of go-streams: one of its sinks, or the first
// of the flows ahead of one. With it come that library's connectors.
//
//	out := sink.ToInlet[string](func(ctx context.Context, fail context.CancelFunc) (streams.Inlet, error) {
//		return extension.NewFileSink("out.txt", extension.WithContext(ctx), extension.WithContextCancel(fail)), nil
//	})
//
// A sink of go-streams starts when it is made. So open makes it, once in each run,
// when that begins. Items are sent in the stream's order, one at a time; a send waits
// until the inlet takes the item, or the context ends. At the end the inlet's channel
// is closed. If it is a sink, or has the method AwaitCompletion() of one, that is
// waited for, as long as it takes; of a flow nobody knows when what is behind it is
// done, unless such a method says so.
//
// The context that open is given lasts until the inlet has completed; it ends before,
// with the cause, when the run fails. fail is for extension.WithContextCancel: a
// connector that calls it, as those of go-streams do when they cannot go on, fails
// the run, at the next item or at the end. That, a method Err() error, which is asked
// when all is done, and a panic of a method of the inlet are the only errors there
// are: a connector that only logs, or drops values of types it does not know, is not
// noticed, one that ends without closing or reading its channel blocks the run until
// its context ends, and a panic in its goroutines ends the program. An error of open,
// or its panic, fails the run.
//
// What was sent is sent: a run that fails cannot take it back. Its inlet is closed and
// waited for all the same. In a run with a checkpoint items are given at least once to
// the inlet, whose reader must outlive the process by itself, as with [Chan]: what it
// had taken and not written when the process died does not come again. With
// [Reopen] it does.
//
// ToInlet panics if open, or an option, is nil.
func ToInlet[T any](open func(ctx context.Context, fail context.CancelFunc) (streams.Inlet, error), opts ...InletOption) stage.Sink[T] {
	notNil(open == nil, "ToInlet: open")
	var s inletOptions
	for _, o := range opts {
		notNil(o == nil, "ToInlet: an option")
		o.setInlet(&s)
	}
	return opener[T]{verb: "ToInlet", open: func(ctx context.Context) (stage.Writer[T], error) {
		w := &inletWriter[T]{run: ctx, open: open, reopen: s.reopen}
		if err := w.start(); err != nil {
			return nil, err
		}
		if s.reopen {
			return reopeningWriter[T]{w}, nil
		}
		return w, nil
	}}
}

// InletOption is a setting of [ToInlet].
type InletOption interface{ setInlet(*inletOptions) }

type inletOptions struct{ reopen bool }

type inletOption func(*inletOptions)

func (o inletOption) setInlet(s *inletOptions) { o(s) }

// Reopen has the inlet closed, waited for and made anew at each checkpoint
// (stage.Checkpoint), so that a checkpoint speaks only of what the connector was done
// with, and all else comes again: at least once, whatever happens to the process. It
// is for connectors that add to what is there, as those to brokers, databases and
// connections do, and have the method AwaitCompletion; one that begins anew, as that
// of go-streams to a file, would lose what came before. An inlet is made when there is an
// item for it. Without a checkpoint it changes nothing.
func Reopen() InletOption { return inletOption(func(s *inletOptions) { s.reopen = true }) }

var (
	errNoInlet        = errors.New("open returned neither an inlet nor an error")
	errNoInletChannel = errors.New("the inlet has no channel")
	errNoCompletion   = errors.New("the inlet cannot be reopened: it has no method AwaitCompletion")
	errInletFailed    = errors.New("the connector has given up; go-streams has no more to say than what it logged")
	errInletDone      = errors.New("the inlet is closed")
)

// completer is what a streams.Sink has and an inlet may have.
type completer interface{ AwaitCompletion() }

// inletWriter writes to the inlets that open makes, one at a time.
type inletWriter[T any] struct {
	run    context.Context // what the sink was opened with
	open   func(context.Context, context.CancelFunc) (streams.Inlet, error)
	reopen bool
	sent   int64

	to     streams.Inlet // nil: none is open
	ch     chan<- any
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// start makes the inlet.
func (w *inletWriter[T]) start() error {
	ctx, cancel := context.WithCancelCause(w.run)
	defer func() {
		if w.to == nil { // also when open panicked
			cancel(errInletDone)
		}
	}()
	to, err := w.open(ctx, func() { cancel(errInletFailed) })
	if err != nil {
		return fmt.Errorf("sink: inlet: %w", err)
	}
	if to == nil {
		return fmt.Errorf("sink: inlet: %w", errNoInlet)
	}
	ch := to.In()
	if ch == nil {
		return fmt.Errorf("sink: inlet: %w", errNoInletChannel)
	}
	if _, ok := to.(completer); w.reopen && !ok {
		return fmt.Errorf("sink: inlet: %w", errors.Join(errNoCompletion, inletCall(func() { close(ch) })))
	}
	w.to, w.ch, w.ctx, w.cancel = to, ch, ctx, cancel
	return nil
}

// Write implements stage.Writer.
func (w *inletWriter[T]) Write(ctx context.Context, c *stage.Chunk[T]) (err error) {
	if len(c.Items) > 0 && w.to == nil {
		if err := w.start(); err != nil {
			return err
		}
	}
	defer func() {
		if v := recover(); v != nil { // the inlet has closed the channel
			err = fmt.Errorf("sink: inlet: item %d: %w", w.sent, panicked(v))
		}
	}()
	for _, item := range c.Items {
		err := channel.Send(ctx, w.ch, any(item), w.ctx.Done())
		switch {
		case err == channel.ErrGone && w.run.Err() == nil:
			return fmt.Errorf("sink: inlet: item %d: %w", w.sent, context.Cause(w.ctx))
		case err == channel.ErrGone:
			return context.Cause(w.run)
		case err != nil:
			return err
		}
		w.sent++
	}
	return nil
}

// Close implements stage.Writer.
func (w *inletWriter[T]) Close(ctx context.Context, cause error) error {
	if w.to == nil {
		return nil
	}
	if cause != nil {
		w.cancel(cause)
	}
	return w.end(ctx, cause)
}

// end closes the inlet and waits for it.
func (w *inletWriter[T]) end(ctx context.Context, cause error) error {
	to := w.to
	w.to = nil
	err := inletCall(func() { close(w.ch) })
	if s, ok := to.(completer); ok {
		back := plan.Lend(ctx)
		err = errors.Join(err, inletCall(s.AwaitCompletion))
		back()
	}
	if cause == nil {
		if failed := context.Cause(w.ctx); failed != nil {
			err = errors.Join(err, failed)
		}
		if s, ok := to.(interface{ Err() error }); ok {
			err = errors.Join(err, s.Err())
		}
	}
	w.cancel(errInletDone)
	if err != nil {
		return fmt.Errorf("sink: inlet: after %d items: %w", w.sent, err)
	}
	return nil
}

// inletCall turns a panic into an error.
func inletCall(fn func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	fn()
	return nil
}

// reopeningWriter is an inletWriter with Reopen.
type reopeningWriter[T any] struct{ *inletWriter[T] }

// Flush implements stage.Flusher: it waits until all that was sent is done with.
func (w reopeningWriter[T]) Flush(ctx context.Context) error {
	if w.to == nil {
		return nil
	}
	return w.end(ctx, nil)
}
