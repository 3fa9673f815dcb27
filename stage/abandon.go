package stage

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/internal/plan"
)

// Shutdown waits as much longer as the grace for functions that do not look at their
// context, and between these: what does look at it needs some time to unwind too.
const (
	leastPatience = 500 * time.Millisecond
	mostPatience  = 5 * time.Second
)

// soFar is what a run has done so far, for whoever gives up waiting for it.
type soFar struct{ written, failed, lettered atomic.Int64 }

// note publishes a run's counters. It does nothing for nil.
func (s *soFar) note(sum *Summary) {
	if s != nil {
		s.written.Store(sum.Written)
		s.failed.Store(sum.Failed)
		s.lettered.Store(sum.DeadLettered)
	}
}

// overdue is what a run ends with whose grace is over, or nil.
func overdue(ctx context.Context) *StoppedError {
	if ctx.Err() == nil {
		return nil
	}
	late, ok := errors.AsType[*StoppedError](context.Cause(ctx))
	if !ok || late.Grace == 0 {
		return nil
	}
	return late
}

// ending is how a run came to its end.
type ending struct {
	sum      Summary
	err      error
	returned bool // it did, and neither panicked nor called Goexit
	panicked any
}

// within runs a run whose grace ends with ctx in a goroutine of its own, waits for it,
// and gives it up if it does not return in good time.
func (c *runConfig) within(ctx context.Context, node *plan.Node, run func(*soFar) (Summary, error)) (Summary, error) {
	began := time.Now()
	done := make(chan ending, 1)
	var seen soFar
	go func() {
		var end ending
		defer func() {
			if !end.returned {
				end.panicked = recover()
			}
			done <- end
		}()
		end.sum, end.err = run(&seen)
		end.returned = true
	}()
	var end ending
	select {
	case end = <-done:
		return end.result()
	case <-ctx.Done():
	}
	late := overdue(ctx)
	if late == nil { // ended by others: R5
		end = <-done
		return end.result()
	}
	timer := time.NewTimer(min(max(c.grace, leastPatience), mostPatience))
	defer timer.Stop()
	select {
	case end = <-done:
		return end.result()
	case <-timer.C:
	}
	gone := *late
	gone.Abandoned = true
	return Summary{
		Stages: stagesOf(node, nil), Written: seen.written.Load(), Failed: seen.failed.Load(), DeadLettered: seen.lettered.Load(),
		Elapsed: time.Since(began),
	}, &gone
}

// result hands on what the run returned, or ends as it did.
func (e ending) result() (Summary, error) {
	switch {
	case e.returned:
		return e.sum, e.err
	case e.panicked != nil:
		panic(e.panicked)
	default:
		runtime.Goexit()
		return e.sum, e.err
	}
}
