package atomicfile

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFullDevice(t *testing.T) {
	f, err := Create("/dev/full", nil)
	require.NoError(t, err)
	_, err = f.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.EqualError(t, err, "write: no space left on device")
	require.NoError(t, f.Abort())
}
