package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSignals(t *testing.T) {
	ctx, stop := WithSignals(t.Context())
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, self.Signal(syscall.SIGTERM))
	<-ctx.Done()
	stop()
	assert.EqualError(t, context.Cause(ctx), "stopped by signal: terminated")
	assert.Equal(t, 143, ExitCode(fmt.Errorf("it failed: %w", context.Cause(ctx))))
	assert.Equal(t, Failed, ExitCode(os.ErrClosed))
	assert.Equal(t, OK, ExitCode(nil))
}

func TestBecause(t *testing.T) {
	why, failed := errors.New("why"), errors.New("it failed")
	ctx, cancel := context.WithCancelCause(t.Context())
	require.NoError(t, Because(ctx, nil))
	require.Equal(t, failed, Because(ctx, failed))
	cancel(why)
	require.NoError(t, Because(ctx, nil))
	require.Equal(t, why, Because(ctx, failed))
}
