//go:build unix

package source

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A named pipe is refused without waiting for somebody to write into it.
func TestPipesCannotResume(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	var got []string
	err := crashedRun(t.Context(), Lines(pipe), &inMemory{}, &got, 100)
	require.ErrorIs(t, err, ErrNoResume)
	require.ErrorContains(t, err, pipe)
}
