package stage

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/penstock-go/penstock/internal/plan"
)

// ErrEmpty is what First returns for a stream without items.
var ErrEmpty = errors.New("penstock: the stream has no items")

// ErrEnough is what a Writer's Write returns, wrapped or not, when nobody wants
// more of what it writes, as when standard output goes to a command that has seen
// enough. Run then stops the stream, closes the sink as at the end, and does not
// fail; Summary.Enough tells.
var ErrEnough = errors.New("the sink wants no more")

// ErrGoexit is the cause of an item's failure when the user's function ended
// its goroutine with runtime.Goexit (as testing.T.FailNow does). Where that is
// the goroutine of Run itself, sinks are closed with it.
var ErrGoexit = errors.New("runtime.Goexit was called")

// ItemError is the failure of one item. Streams carry item errors at the
// failed item's place; its siblings survive. Use errors.As to get at it and
// errors.Is for the cause.
type ItemError struct {
	Stage  string   // the name of the stage that failed; filled in where a third party leaves it empty
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

// withClose joins a failure with what closing reported.
func withClose(err, closing error) error {
	if closing == nil || errors.Is(err, closing) {
		return err
	}
	if err == nil {
		return closing
	}
	return errors.Join(err, closing)
}

// causeOf makes sure that an error that only says that ctx ended says why.
func causeOf(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(err, cause) || !errors.Is(err, ctx.Err()):
		return err
	case err == ctx.Err():
		return cause
	default:
		return fmt.Errorf("%w: %w", err, cause)
	}
}

// panicked makes an error of what was recovered. It is called by the deferred
// function that recovered it, so that the stack is that of the panic.
func panicked(v any) *PanicError { return &PanicError{Value: v, Stack: debug.Stack()} }

// notNil panics, in the caller's name, when a required argument is missing.
func notNil(isNil bool, what string) {
	if isNil {
		panic("penstock: " + what + " is nil")
	}
}

// notBelow panics, in the caller's name, when a number is too small.
func notBelow(least, n int, what string) {
	if n < least {
		panic(fmt.Sprintf("penstock: %s is %d, want %d or more", what, n, least))
	}
}

// panicIn is the error of a stream that a panic in a stage ends.
func panicIn(m *plan.Meter, v any) error { return fmt.Errorf("%s: %w", m.Node.Label(), panicked(v)) }
