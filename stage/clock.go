package stage

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-go/penstock/internal/plan"
)

// Clock is what operators that wait go by: BatchWait, Throttle and the windows of
// ArrivalTime. Its methods may be called by several goroutines at once. The default is
// the machine's clock, which testing/synctest replaces in its bubbles; see OnClock.
type Clock interface {
	// Now is the present time.
	Now() time.Time
	// AfterFunc calls f, in a goroutine of its own or in that which sets the clock, when
	// d has passed; at once if d is not positive. stop prevents the call, and reports
	// whether it did.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// MachineClock is the clock that is used if nobody says otherwise.
func MachineClock() Clock { return realClock{} }

// realClock is the machine's.
type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// TimeOption is a setting of BatchWait, Throttle and ArrivalTime. The interface is
// sealed.
type TimeOption interface{ applyTime(*Clock) }

type clockOption struct{ c Clock }

func (o clockOption) applyTime(c *Clock) { *c = o.c }

// OnClock makes an operator go by clock instead of the machine's, as for a test or to
// replay what was recorded. It panics if clock is nil.
func OnClock(clock Clock) TimeOption {
	notNil(clock == nil, "stage.OnClock: clock")
	return clockOption{clock}
}

// clockOf is the clock that the options choose.
func clockOf(who string, opts []TimeOption) Clock {
	var c Clock = realClock{}
	for _, o := range opts {
		notNil(o == nil, who+": option")
		o.applyTime(&c)
	}
	return c
}

// errDue is the cause of a context that ended because something was to be handed on.
var errDue = errors.New("it is time to hand on what came so far")

// endingAt is ctx, which also ends at a time of the clock. stop lets go of it.
func endingAt(ctx context.Context, clock Clock, at time.Time) (until context.Context, stop func()) {
	until, cancel := context.WithCancelCause(ctx)
	stopTimer := clock.AfterFunc(at.Sub(clock.Now()), func() { cancel(errDue) })
	return until, func() {
		stopTimer()
		cancel(nil)
	}
}

// pauseUntil waits, and lends the worker that the task has meanwhile. Its error is the
// cause of the context.
func pauseUntil(ctx context.Context, clock Clock, at time.Time) error {
	until, stop := endingAt(ctx, clock, at)
	defer stop()
	defer plan.Lend(ctx)()
	<-until.Done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
