package stage

import (
	"context"
	"encoding/json"
	"errors"
)

// Sink is the plan of a place where items go. Building one opens nothing.
type Sink[T any] interface {
	// Open makes a writer. restore is the state that a Committer's Prepare
	// returned when the run that is resumed was cut off, nil for a new run.
	Open(ctx context.Context, restore json.RawMessage) (Writer[T], error)
}

// Writer takes a stream's chunks in order. It is used by one goroutine at a
// time.
type Writer[T any] interface {
	// Write takes the chunk's items and tokens. The chunk belongs to the caller
	// again when Write returns. ErrEnough ends the run without failing it; any
	// other error fails it.
	Write(ctx context.Context, c *Chunk[T]) error
	// Close ends the output. With a nil cause it makes it final and returns any
	// error of flushing, syncing or closing; with a cause it aborts and leaves
	// the old output as it was. It is called once.
	Close(ctx context.Context, cause error) error
}

// Committer is implemented by writers that can take part in exactly-once
// delivery.
type Committer interface {
	// Prepare makes what was written durable and returns the state to restore.
	Prepare(ctx context.Context, epoch uint64) (state json.RawMessage, err error)
	// Commit publishes what was prepared. It is idempotent.
	Commit(ctx context.Context, epoch uint64) error
}

// Encoder formats chunks as bytes. One that implements Format too has files with a
// header, or that can be cut.
type Encoder[T any] interface {
	// Encode appends the chunk's items to dst, each as a whole record, and returns
	// it. It must not depend on the items before, nor keep or change the chunk. It
	// may be called by many goroutines at once. If it fails or panics, it is called
	// again with one item at a time, to tell which it was.
	Encode(dst []byte, c *Chunk[T]) ([]byte, error)
}

// Letter is an item that failed, as a dead-letter sink receives it.
type Letter struct {
	Stage  string   `json:"stage"`  // the stage that failed
	Index  int64    `json:"index"`  // the item's index there, from 0
	At     Position `json:"at"`     // where it came from
	Input  any      `json:"input"`  // the item as it entered the stage
	Reason string   `json:"reason"` // the cause in words
	// Attempts is how often the function was called, if Retry called it; 0 if not.
	Attempts int    `json:"attempts,omitzero"`
	Stack    string `json:"stack,omitempty"` // the stack of a panic
	Err      error  `json:"-"`               // the cause
}

// newLetter makes the letter of a failed item.
func newLetter(e *ItemError) Letter {
	l := Letter{
		Stage: e.Stage, Index: e.Index, At: e.At, Input: e.Input,
		Reason: e.Err.Error(), Stack: string(e.Stack), Err: e.Err,
	}
	if r, ok := errors.AsType[*RetryError](e.Err); ok {
		l.Attempts = r.Attempts
	}
	if l.Stack == "" { // a panic that was tried again
		if p, ok := errors.AsType[*PanicError](e.Err); ok {
			l.Stack = string(p.Stack)
		}
	}
	return l
}
