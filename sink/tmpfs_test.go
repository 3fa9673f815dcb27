//go:build linuxroot

package sink

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// A disk of 1 MB fills up: the run fails and says why, what was there is there, and
// nothing else is. It needs Linux and root:
//
//	go test -tags=linuxroot -run=TestTmpfsIsFull ./sink
func TestTmpfsIsFull(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	defer func() { require.NoError(t, syscall.Unmount(dir, 0)) }()
	lines := jumble(300_000) // 4 MB, 2.6 MB compressed
	byFirst := By("k", func(s string) string { return s[:1] })
	for _, name := range []string{"out.txt", "out.txt.gz", "out.txt.zst"} {
		path := filepath.Join(dir, name)
		root := filepath.Join(dir, "root")
		require.NoError(t, run(t, Lines(path), 10, "old"))
		was := tree(t, dir)
		for what, s := range map[string]stage.Sink[string]{
			"whole": Lines(path), "split": Lines(path, MaxBytes(100_000)),
			"partitioned": Partitioned(root, name, LinesEncoder[string](), byFirst),
		} {
			err := run(t, s, 1000, lines...)
			require.ErrorIs(t, err, syscall.ENOSPC, what)
			require.True(t, strings.HasPrefix(err.Error(), "sink: "+dir), err)
			require.ErrorContains(t, err, "no space left on device")
			require.NotContains(t, err.Error(), ".tmp")
			assert.Equal(t, was, tree(t, dir), what)
			assert.NoDirExists(t, root)
		}
		require.NoError(t, run(t, Lines(path), 10, "there is room again"))
	}
}
