package stage

import (
	"errors"
	"fmt"
	"strings"
)

// ErrEmpty is what First returns for a stream without items.
var ErrEmpty = errors.New("penstock: the stream has no items")

// ErrGoexit is the cause of an item's failure when the user's function ended
// its goroutine with runtime.Goexit (as testing.T.FailNow does).
var ErrGoexit = errors.New("runtime.Goexit was called")

// ItemError is the failure of one item. Streams carry item errors at the
// failed item's place; its siblings survive. Use errors.As to get at it and
// errors.Is for the cause.
type ItemError struct {
	Stage  string   // the name of the stage that failed
	Index  int64    // which item, counting those that entered that stage from 0
	Before int      // the item of the chunk before which the error stands
	Input  any      // the item as it entered the stage
	At     Position // where the item came from, as exactly as is known
	Err    error    // the cause
	Stack  []byte   // the stack, when the cause is a panic
}

// Error names the stage, the place and the cause. The place is the input's
// name with record and byte where the source has a name for it (records are
// counted from 1 there, as editors do), the item's index otherwise.
func (e *ItemError) Error() string {
	var b strings.Builder
	if e.Stage != "" {
		b.WriteString(e.Stage)
		b.WriteString(": ")
	}
	if e.At.Key != "" {
		fmt.Fprintf(&b, "%s: record %d, byte %d: ", e.At.Key, e.At.Record+1, e.At.Offset)
	} else {
		fmt.Fprintf(&b, "item %d: ", e.Index)
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (e *ItemError) Unwrap() error { return e.Err }

// PanicError is a panic in a user's function, a source or a callback that was
// turned into an error.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // the stack of the goroutine that panicked
}

// Error returns the panic's value in words, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
