//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The command that is killed twice makes the file of one that is not.
func TestTheSameBytesAfterAKill(t *testing.T) {
	binary, err := os.Executable()
	require.NoError(t, err)
	command := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = append(os.Environ(), asCommand+"=1")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd, &out
	}
	whole, parts := t.TempDir(), t.TempDir()
	cmd, out := command("-dir", whole)
	require.NoError(t, cmd.Run(), out)

	for _, rows := range []string{"200000", "100000"} {
		cmd, out = command("-dir", parts, "-crash-after", rows, "-every", "10ms")
		require.Error(t, cmd.Run(), out)
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok)
		require.Equal(t, syscall.SIGKILL, status.Signal(), out)
	}
	cmd, out = command("-dir", parts, "-workers", "3", "-chunk", "100")
	require.NoError(t, cmd.Run(), out)
	assert.Contains(t, out.String(), "resumed from checkpoint")

	want, err := os.ReadFile(filepath.Join(whole, "flights.ndjson"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(parts, "flights.ndjson"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got), "%d bytes instead of %d", len(got), len(want))
}
