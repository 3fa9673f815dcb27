package command

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// SignalError is the cause of a run that a signal ended.
type SignalError struct{ syscall.Signal }

func (s SignalError) Error() string { return "stopped by signal: " + s.String() }

// ExitCode is what a program exits with whose run ended with err: what shells
// expect after a signal, and Failed or OK otherwise.
func ExitCode(err error) int {
	if s, ok := errors.AsType[SignalError](err); ok {
		return 128 + int(s.Signal)
	}
	if err != nil {
		return Failed
	}
	return OK
}

// WithSignals returns a context that ends with the first SIGINT or SIGTERM, whose
// cause is then a SignalError. The second one ends the process at once. stop ends the
// watch and the context.
func WithSignals(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s := <-signals:
			signal.Stop(signals)
			number, _ := s.(syscall.Signal)
			cancel(SignalError{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}

// Because is err, unless ctx has ended: then that is the reason for all that
// fails.
func Because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
