package command

import (
	"context"
	"errors"

	"github.com/penstock-go/penstock/stage"
)

// ExitCode is what a program exits with whose run ended with err: what shells
// expect after a signal, and Failed or OK otherwise.
func ExitCode(err error) int {
	if s, ok := errors.AsType[stage.SignalError](err); ok {
		return s.ExitCode()
	}
	if err != nil {
		return Failed
	}
	return OK
}

// WithSignals returns a context that ends with the first SIGINT or SIGTERM, whose
// cause is then a stage.SignalError. The second one ends the process at once. stop
// ends the watch and the context.
func WithSignals(ctx context.Context) (_ context.Context, stop func()) {
	return stage.NotifyShutdown(ctx)
}

// Because is err, unless ctx has ended: then that is the reason for all that
// fails.
func Because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
