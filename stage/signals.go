package stage

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// SignalError is the cause of a run that a signal stopped.
type SignalError struct{ syscall.Signal }

// Error names the signal.
func (s SignalError) Error() string { return "stopped by signal: " + s.String() }

// ExitCode is what shells expect of a program that a signal ended: 130 for SIGINT,
// 143 for SIGTERM.
func (s SignalError) ExitCode() int { return 128 + int(s.Signal) }

// NotifyShutdown returns a context for Shutdown that ends with the first SIGINT or
// SIGTERM, whose cause is then a SignalError, or with ctx. From then on signals do
// again what they do without it: the second one ends the process at once, also where
// a function is stuck that looks at no context. A run with a checkpoint that is ended
// so can be resumed as after a crash. release ends the watch and the context; call it
// when the run is over.
func NotifyShutdown(ctx context.Context) (_ context.Context, release func()) {
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
			signal.Stop(signals)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}
