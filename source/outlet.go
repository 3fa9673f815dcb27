package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/reugn/go-streams"

	"github.com/penstock-go/penstock/internal/channel"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// FromOutlet makes a stream of what an outlet of go-streams sends: one of its
// sources, or the last of the flows behind one. With it come that library's
// connectors.
//
//	lines := source.FromOutlet[string](func(ctx context.Context) (streams.Outlet, error) {
//		return extension.NewFileSource("access.log", extension.WithContext(ctx)), nil
//	})
//
// A source of go-streams starts when it is made. So open makes it, once in each
// run, when that begins; a plan starts nothing. Order: the outlet's. Laziness: the
// stream takes what it is asked for, and never waits to fill a chunk; beyond that
// the outlet is ahead by what its own channels and goroutines hold, about an item
// each for most. Bound: a chunk. Outlets send values of any type: one that is no T
// is a failed item, a *stage.ItemError at its place that names both types.
//
// The context that open is given ends when the stream is closed, and open must
// hand it on (extension.WithContext) or see itself that what it made ends then, as
// by closing a connection in a context.AfterFunc: nothing else stops a source of
// go-streams. Close ends the context and then waits until the outlet has closed its
// channel, as rule R5 has it; what is sent meanwhile is dropped, since a source
// that is at a send would never look up. An outlet that does not look at the
// context is waited for until it ends by itself, for ever if it never does; only
// stage.Shutdown leaves a run behind that hangs so.
//
// An error of open, or its panic, is the stream's error. An outlet has no other way
// to fail: one that cannot go on logs that, if anything, and closes its channel, and
// the stream then ends as if all had come. If it has a method Err() error, as a flow
// of pool.Flow has, that is asked then, and ends the stream with what it returns. A
// panic in a goroutine of the outlet ends the program.
//
// What was sent cannot be asked for again: a run with a checkpoint refuses the
// source ([ErrNoResume]) without calling open. FromOutlet panics if open is nil.
func FromOutlet[T any](open func(context.Context) (streams.Outlet, error)) stage.Stream[T] {
	notNil(open == nil, "FromOutlet: open")
	return stage.New("FromOutlet", func(ctx context.Context) (stage.Puller[T], error) {
		p := &outletPuller[T]{oneWay: oneWay{"what an outlet of go-streams sent is gone"}, opened: ctx}
		if r := plan.RegistryOf(ctx); r != nil && r.Checkpoint != nil {
			return p, nil // to be refused
		}
		if err := p.start(ctx, open); err != nil {
			return nil, fmt.Errorf("source: outlet: %w", err)
		}
		return p, nil
	})
}

var (
	errNoOutlet  = errors.New("open returned neither an outlet nor an error")
	errNoChannel = errors.New("the outlet has no channel")
	errClosed    = errors.New("the stream was closed")
)

type outletPuller[T any] struct {
	oneWay
	opened context.Context         // what the stream was opened with
	cancel context.CancelCauseFunc // of the outlet's context
	outlet streams.Outlet
	ch     <-chan any // nil: nothing was started
	items  *channel.Values[T]
	first  int64
}

// start makes the outlet.
func (p *outletPuller[T]) start(ctx context.Context, open func(context.Context) (streams.Outlet, error)) (err error) {
	ctx, p.cancel = context.WithCancelCause(ctx)
	defer func() {
		if p.ch == nil { // also when open panicked
			p.cancel(errClosed)
		}
	}()
	if p.outlet, err = open(ctx); err != nil {
		return err
	}
	if p.outlet == nil {
		return errNoOutlet
	}
	if p.ch = p.outlet.Out(); p.ch == nil {
		return errNoChannel
	}
	p.items = channel.NewValues[T](p.ch)
	return nil
}

func (p *outletPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	err := p.items.Take(ctx, into, max.Room())
	number(into, p.first)
	p.first += int64(len(into.Items) + len(into.Errors))
	if err != io.EOF {
		return err
	}
	if p.opened.Err() != nil { // what the outlet was told too
		return context.Cause(p.opened)
	}
	if o, ok := p.outlet.(interface{ Err() error }); ok && o.Err() != nil {
		return fmt.Errorf("source: outlet: item %d: %w", p.first, o.Err())
	}
	return io.EOF
}

// Close ends the outlet's context and waits for the outlet.
func (p *outletPuller[T]) Close() error {
	if p.ch == nil {
		return nil
	}
	p.cancel(errClosed)
	defer plan.Lend(p.opened)()
	for range p.ch {
	}
	return nil
}
