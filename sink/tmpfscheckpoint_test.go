//go:build linuxroot

package sink

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// A run with a checkpoint fills a disk of 1 MB, with its output or with something
// else's: it fails and says why, the checkpoint is one that can be gone on from, and
// once there is room the output is what an undisturbed run writes.
//
//	go test -tags=linuxroot -run=TestTmpfsIsFull ./sink
func TestTmpfsIsFullForACheckpoint(t *testing.T) {
	for _, opts := range [][]FileOption{nil, {Append()}} {
		dir := t.TempDir()
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
		defer func() { require.NoError(t, syscall.Unmount(dir, 0)) }()
		lines := jumble(60_000) // less than 1 MB
		want := filepath.Join(t.TempDir(), "want")
		require.NoError(t, run(t, Lines(want), 1000, lines...))
		path, ballast := filepath.Join(dir, "out.txt"), filepath.Join(dir, "ballast")
		require.NoError(t, os.WriteFile(ballast, make([]byte, 512<<10), 0o600))
		job := func() (stage.Summary, error) {
			some := stage.Unbatch(stage.Batch(source.Slice(lines), 500)) // a checkpoint each
			sum, err := stage.Run(t.Context(), some, Lines(path, opts...), stage.Checkpoint(checkpoint.File(filepath.Join(dir, "job")), 1))
			return sum, err
		}
		_, err := job()
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, "no space left on device")
		_, err = job() // it is as full as it was
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoError(t, os.Remove(ballast))
		sum, err := job()
		require.NoError(t, err)
		require.NotNil(t, sum.Resumed, "it began anew")
		assert.Positive(t, sum.Resumed.Written)
		assert.Equal(t, content(t, want), content(t, path))
	}
}
