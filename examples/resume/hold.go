package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/penstock-go/penstock/stage"
)

// holding is a writer that stops in the middle of the job, so that a signal finds it
// there.
type holding struct {
	stage.Writer[Flight]
	job  *job
	rows int
	held bool
}

// Write implements stage.Writer.
func (h *holding) Write(ctx context.Context, chunk *stage.Chunk[Flight]) error {
	if h.rows += len(chunk.Items); h.rows >= h.job.hold && !h.held {
		h.held = true
		if err := h.job.holds(ctx); err != nil {
			return err
		}
	}
	return h.Writer.Write(ctx, chunk)
}

// What a job that holds says.
const (
	holds    = "holding: send SIGINT or SIGTERM"
	stopping = "stopping: a second signal ends the process, the end of standard input lets it go on"
	tooLong  = "the grace is over"
)

// holds waits for a signal and then, as a function does that is stuck, for somebody
// from outside: it looks at the context only to say so.
func (j *job) holds(ctx context.Context) error {
	_, err := fmt.Fprintln(j.told, holds)
	<-j.stop.Done() // the context does not end before
	_, again := fmt.Fprintln(j.told, stopping)
	said := make(chan error, 1)
	unwatch := context.AfterFunc(ctx, func() {
		_, err := fmt.Fprintln(j.told, tooLong)
		said <- err
	})
	_, read := io.Copy(io.Discard, j.input)
	if !unwatch() {
		err = errors.Join(err, <-said)
	}
	return errors.Join(err, again, read)
}
