package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// DefaultGrace is how long a run that is told to stop may go on with what is in
// flight if nobody says otherwise.
const DefaultGrace = 30 * time.Second

// ErrStopped is what a source's stream ends with when its run is shut down: not
// the end, of which io.EOF speaks. A stage that holds items back, as Batch does,
// does not hand them on as the last ones then; it passes the error on as any other.
// Every *StoppedError is one.
var ErrStopped = errors.New("the run was told to stop")

// StoppedError is what Run returns when it was shut down before the stream had
// ended.
type StoppedError struct {
	Cause error // why the context of Shutdown ended
	// Saved says that there is a checkpoint of all that was written: the next run
	// goes on behind it. Without it the next run goes on from an earlier one, if the
	// run has checkpoints at all.
	Saved bool
	// Grace is the time for what was in flight, if it was not enough: the run was
	// cut off then.
	Grace time.Duration
	// Abandoned says that Run did not wait any longer for a function, a source or a
	// sink that does not look at its context. The summary has counters of what was
	// written and nothing of the stages, and sinks may not be closed yet. See Shutdown.
	Abandoned bool
}

// Error says why the run was stopped.
func (e *StoppedError) Error() string {
	switch {
	case e.Abandoned:
		return fmt.Sprintf("stage: %v: what was in flight took longer than %v and did not look at its context: "+
			"it was abandoned: %v", ErrStopped, e.Grace, e.Cause)
	case e.Grace > 0:
		return fmt.Sprintf("stage: %v: what was in flight took longer than %v: %v", ErrStopped, e.Grace, e.Cause)
	}
	return fmt.Sprintf("stage: %v: %v", ErrStopped, e.Cause)
}

// Unwrap returns ErrStopped and the cause.
func (e *StoppedError) Unwrap() []error { return []error{ErrStopped, e.Cause} }

// Shutdown ends the run early and in good order when stop ends. Its sources are
// not pulled any more, and those that wait in Pull are told by the end of their
// context; what is in flight goes through all stages and is written; Run returns a
// *StoppedError with the cause of stop's end. If stop had ended before, nothing is
// opened; if the stream has ended by itself meanwhile, the run has too.
//
// A run with a checkpoint takes its last one and is not noted as finished: the next
// one goes on. What Batch and Zip hold back is neither written nor acknowledged, so
// that it comes again: an interrupted run writes no short batch. The sink is closed
// with the *StoppedError as its cause, and a Committer keeps what it prepared.
//
// In a run without a checkpoint the sink is closed with that cause as well. Sinks of
// whole files leave the old file as it was then, as a part must not pass for all;
// others have what was written.
//
// After grace (0: DefaultGrace) the run is cancelled as if its own context had
// ended, and StoppedError.Grace says so. A function, a source or a sink that does not
// look at its context is waited for as long as the grace was, at least half a second and
// at most 5 seconds. Then Run returns and leaves it behind (StoppedError.Abandoned): the one case in which a
// goroutine outlives its run. When that comes to its end, nothing more is written (but
// what a sink was just writing) or saved, and the sink is closed with the error as its
// cause; the checkpoint is the last one, whose store stays locked until then. A pool's Wait waits for it.
// StallAfter says which one it was. A run of RunAll is not abandoned.
//
// Shutdown panics if stop is nil or grace is negative.
func Shutdown(stop context.Context, grace time.Duration) RunOption {
	notNil(stop == nil, "stage.Shutdown: stop")
	notBelow(0, int(grace), "stage.Shutdown: grace")
	return runOption(func(c *runConfig) { c.stop, c.grace = stop, cmp.Or(grace, DefaultGrace) })
}

// bound returns a context for the run that ends when the grace is over, and what
// ends the watch.
func (c *runConfig) bound(ctx context.Context) (_ context.Context, end func()) {
	if c.stop == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-c.stop.Done():
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(c.grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(&StoppedError{Cause: context.Cause(c.stop), Grace: c.grace})
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watch.Wait()
	}
}

// stopped is the run's error if it is one that was shut down.
func (c *runConfig) stopped(err error, saved bool) error {
	if _, ok := errors.AsType[*StoppedError](err); ok || c.stop == nil || !errors.Is(err, ErrStopped) {
		return err
	}
	cause := context.Cause(c.stop)
	if cause == nil && c.all != nil && c.all.shared.Stop != nil { // another flow was stopped, and what they share
		cause = context.Cause(c.all.shared.Stop)
	}
	return &StoppedError{Cause: cause, Saved: saved}
}

// stopping is a source's view of its run's shutdown.
type stopping struct {
	stop context.Context //nolint:containedctx // it is no call's

	of     context.Context //nolint:containedctx // that pulls is made of
	pulls  context.Context //nolint:containedctx // ends with either
	cancel func()
}

// now reports whether there is to be no more pulling.
func (s *stopping) now() bool { return s.stop != nil && s.stop.Err() != nil }

// context returns what to pull with: it ends with ctx, and with the stop. It is
// kept for the next pull, which most often has the same ctx.
func (s *stopping) context(ctx context.Context) context.Context {
	if s.stop == nil {
		return ctx
	}
	same := reflect.TypeOf(ctx).Kind() == reflect.Pointer // others may not be comparable
	if same && s.of == ctx {
		return s.pulls
	}
	s.release()
	pulls, cancel := context.WithCancelCause(ctx)
	unwatch := context.AfterFunc(s.stop, func() { cancel(ErrStopped) })
	s.pulls, s.of = pulls, nil
	if same {
		s.of = ctx
	}
	s.cancel = func() {
		unwatch()
		cancel(nil)
	}
	return pulls
}

// release lets go of the context.
func (s *stopping) release() {
	if s.cancel != nil {
		s.cancel()
	}
	s.of, s.pulls, s.cancel = nil, nil, nil
}
