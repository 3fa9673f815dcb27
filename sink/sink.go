package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/penstock-go/penstock/stage"
)

var errNoResume = errors.New("this sink cannot resume a run that was cut off")

// opener is a sink.
type opener[T any] struct {
	verb   string
	name   string // of the file or table, if there is one
	open   func(context.Context) (stage.Writer[T], error)
	reopen func(context.Context, json.RawMessage) (stage.Writer[T], error) // nil: it cannot resume
}

// String is what logs call the sink.
func (p opener[T]) String() string {
	if p.name == "" {
		return p.verb
	}
	return p.verb + "(" + p.name + ")"
}

// Open implements stage.Sink.
func (p opener[T]) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[T], error) {
	if len(restore) > 0 && p.reopen != nil {
		return p.reopen(ctx, restore)
	}
	if len(restore) > 0 {
		return nil, fmt.Errorf("sink: %v: %w", p, errNoResume)
	}
	return p.open(ctx)
}

// writer is a writer without anything to close.
type writer[T any] func(context.Context, *stage.Chunk[T]) error

// Write implements stage.Writer.
func (w writer[T]) Write(ctx context.Context, c *stage.Chunk[T]) error { return w(ctx, c) }

// Close implements stage.Writer.
func (w writer[T]) Close(context.Context, error) error { return nil }

// always is a sink with the same kind of writer each time.
func always[T any](verb string, write func() writer[T]) stage.Sink[T] {
	return opener[T]{verb: verb, open: func(context.Context) (stage.Writer[T], error) { return write(), nil }}
}

// panicked makes an error of what a deferred function recovered. Its stack is
// that of the panic.
func panicked(v any) error { return &stage.PanicError{Value: v, Stack: debug.Stack()} }

// notNil panics, in the caller's name, when a required argument is missing.
func notNil(isNil bool, what string) {
	if isNil {
		panic("penstock: sink." + what + " is nil")
	}
}
