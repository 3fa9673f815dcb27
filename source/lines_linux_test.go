package source

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

func TestLinesLeavesNoFileOpen(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	path := file(t, "in", packed(t, "zst", strings.Repeat("line\n", 100_000)))
	cut := file(t, "cut.zst", packed(t, "zst", "line\n")[:12])
	before := count()
	for range 20 {
		p, err := Lines(path).Open(t.Context())
		require.NoError(t, err)
		var c stage.Chunk[string]
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
		require.NoError(t, p.Close())
		require.Error(t, read(t, Lines(cut), stage.Limit{}).err)
	}
	assert.Equal(t, before, count())
}
