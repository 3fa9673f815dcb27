//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package fsys

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A lock that was let go of is free though somebody has the descriptor still, as a
// process has that is just being started.
func TestLockIsFreeAtOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := OS{}.Lock(name)
	require.NoError(t, err)
	held, ok := first.(lock)
	require.True(t, ok)
	raw, err := held.f.SyscallConn()
	require.NoError(t, err)
	var child int
	require.NoError(t, raw.Control(func(fd uintptr) { child, err = syscall.Dup(int(fd)) }))
	require.NoError(t, err)
	other := os.NewFile(uintptr(child), name)
	defer func() { require.NoError(t, other.Close()) }()

	_, err = OS{}.Lock(name)
	require.Equal(t, &LockedError{Name: name, PID: os.Getpid()}, err)
	require.NoError(t, first.Close())
	second, err := OS{}.Lock(name)
	require.NoError(t, err)
	require.NoError(t, second.Close())
}
