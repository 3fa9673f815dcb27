package subprocess

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/penstock-go/penstock/internal/plan"
)

// Worker is a process that starts when there is something to do, and again after it
// failed. Its methods are not called concurrently. It must be closed.
type Worker struct {
	spec     *Spec
	p        *process // nil: none runs
	failures int      // in a row
	careful  int      // requests that are to be sent one at a time
	suspect  error    // why, if answers before them may be wrong and one must fail for it
	waits    backoff.ExponentialBackOff
}

// NewWorker makes one that has not started yet.
func NewWorker(spec *Spec) *Worker {
	w := &Worker{spec: spec, waits: backoff.ExponentialBackOff{
		InitialInterval: spec.Delay, MaxInterval: spec.MaxDelay, Multiplier: 2, RandomizationFactor: 0.5,
	}}
	w.waits.Reset()
	return w
}

// Window is how many requests may be given to Exchange.
func (w *Worker) Window() int {
	if w.careful > 0 {
		return 1
	}
	return w.spec.Pipeline
}

// Exchange sends n requests, each a line, and returns their answers in order. Those
// that have none when it returns are to be sent again, but for the first of them if
// there is an error, which is its own. A *FatalError ends all. When ctx ends, so does the
// process, and the error is the cause.
//
// When the process ends, or gets out of step, with several requests on the way, they
// are to be sent again one at a time, so that the one which is the reason is found. If
// none gets it out of step again, earlier answers may have been wrong, so the last fails.
func (w *Worker) Exchange(ctx context.Context, requests []byte, n int) (answers [][]byte, err error) {
	for {
		if err := w.ready(ctx); err != nil {
			return nil, err
		}
		p := w.p
		left := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(left)
			p.leave(context.Cause(ctx))
		})
		answers, sent, err := p.exchange(requests, n)
		if !stop() {
			<-left
		}
		lost := errors.Is(err, w.spec.OutOfStep)
		if lost && n > 1 {
			answers = nil // they may be those of others
		}
		w.answered(len(answers))
		open := n - len(answers)
		switch {
		case err == nil && w.careful == 0 && w.suspect != nil:
			last := len(answers) - 1
			err, w.suspect = w.suspect, nil
			return answers[:last], err
		case err == nil:
			return answers, nil
		case p.wasLeft():
			w.Close()
		case sent && open > 1 && (lost || errors.Is(err, ErrAnswer) || errors.Is(err, errInput)):
			w.careful = open
			w.end(w.patience(err))
			if lost {
				w.suspect = w.spec.Failed(p.failure(err))
			}
			requests, n = requests[:bytes.IndexByte(requests, '\n')+1], 1
		default:
			w.careful = max(0, w.careful-1)
			err = w.failed(err)
			if !lost && w.careful == 0 && w.suspect != nil {
				err = errors.Join(err, w.suspect)
			}
			if lost || w.careful == 0 {
				w.suspect = nil
			}
			return answers, err
		}
		if len(answers) > 0 {
			return answers, nil
		}
	}
}

// patience is how long a process that failed is given to end by itself.
func (w *Worker) patience(err error) time.Duration {
	if errors.Is(err, ErrAnswer) || errors.Is(err, ErrBefore) {
		return w.spec.Grace
	}
	return 0
}

// answered notes that n requests were answered.
func (w *Worker) answered(n int) {
	if n > 0 {
		w.failures = 0
		w.waits.Reset()
		w.careful = max(0, w.careful-n)
	}
}

// ready makes sure that a process runs.
func (w *Worker) ready(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.p != nil {
		return nil
	}
	if w.failures > 1 { // once may be the item's fault
		if err := plan.Pause(ctx, min(w.waits.NextBackOff(), w.spec.MaxDelay)); err != nil {
			return err
		}
	}
	p, err := start(w.spec)
	if err != nil {
		return &FatalError{err}
	}
	w.p = p
	return nil
}

// end ends the process.
func (w *Worker) end(patience time.Duration) *process {
	p := w.p
	w.p = nil
	p.join(patience)
	return p
}

// failed ends the process and says why it failed.
func (w *Worker) failed(reason error) error {
	p := w.end(w.patience(reason))
	err := w.spec.Failed(p.failure(reason))
	if w.failures++; w.failures > w.spec.Restarts {
		return &FatalError{w.spec.TooMany(w.failures, err)}
	}
	return err
}

// failure is what is known of a process that has ended.
func (p *process) failure(reason error) Failure {
	return Failure{Reason: reason, State: p.cmd.ProcessState, Killed: p.killed || p.reason() != nil, Stderr: p.tail.text()}
}

// Finish ends the process in good order, behind the last request: its input is closed,
// and it is waited for. It must end well, and say nothing more. When ctx ends
// meanwhile, the error is the cause, and Finish can be called again.
func (w *Worker) Finish(ctx context.Context) error {
	if err := w.suspect; err != nil {
		w.Close()
		return err
	}
	if w.p == nil {
		return w.spec.Stderr.failure()
	}
	if err := w.p.finish(ctx); err != nil {
		return err
	}
	p := w.end(0)
	reason := p.reason()
	switch {
	case p.wasLeft():
		return nil
	case reason == nil && p.cmd.ProcessState.Success():
		return w.spec.Stderr.failure()
	case p.signalled:
		reason, p.killed = errGrace, true
	case reason == nil:
		reason = ErrEnd
	}
	return w.spec.Failed(p.failure(reason))
}

// Running reports whether a process runs.
func (w *Worker) Running() bool { return w.p != nil }

// Close ends the process at once, if one runs, with all that it started, and waits for
// its end.
func (w *Worker) Close() {
	if w.p != nil {
		w.end(0)
	}
}
