package stage

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNotifyShutdown(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	for _, test := range []struct {
		signal syscall.Signal
		text   string
		code   int
	}{
		{syscall.SIGINT, "stopped by signal: interrupt", 130},
		{syscall.SIGTERM, "stopped by signal: terminated", 143},
	} {
		stop, release := NotifyShutdown(t.Context())
		require.NoError(t, self.Signal(test.signal))
		<-stop.Done()
		_, err := Run(t.Context(), ints(3), noSink{}, Shutdown(stop, 0))
		release()
		because, ok := errors.AsType[SignalError](err)
		require.True(t, ok, err)
		assert.EqualError(t, because, test.text)
		assert.Equal(t, test.code, because.ExitCode())
	}
	stop, release := NotifyShutdown(t.Context())
	release()
	require.ErrorIs(t, stop.Err(), context.Canceled)
	release()
}

// noSink cannot be opened.
type noSink struct{}

func (noSink) Open(context.Context, json.RawMessage) (Writer[int], error) {
	return nil, errors.New("it was opened")
}
