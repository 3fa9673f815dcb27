package fsys

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClaim(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "real"), 0o750))
	require.NoError(t, os.Symlink("real", filepath.Join(dir, "link")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "there"), nil, 0o600))
	require.NoError(t, os.Symlink("there", filepath.Join(dir, "other")))
	path := func(name string) string { return filepath.Join(dir, name) }

	ctx := t.Context()
	assert.False(t, HasClaims(ctx))
	require.NoError(t, Claim(ctx, path("there")))
	require.NoError(t, Claim(ctx, path("there")), "nobody keeps claims")

	ctx = WithClaims(ctx, &Claims{})
	assert.True(t, HasClaims(ctx))
	for _, name := range []string{"there", "real/new", "real/part-*.csv", "no/such/folder"} {
		require.NoError(t, Claim(ctx, path(name)), name)
	}
	for _, name := range []string{"there", "other", "link/new", "link/../real/new", "link/part-*.csv", "no/./such/folder"} {
		require.ErrorIs(t, Claim(ctx, path(name)), ErrClaimed, name)
	}
	for range 2 {
		require.NoError(t, Claim(ctx, os.DevNull))
	}
	require.NoError(t, Claim(WithClaims(ctx, &Claims{}), path("there")), "another run's")

	own := With(WithClaims(t.Context(), &Claims{}), struct{ FS }{OS{}})
	require.NoError(t, Claim(own, path("there")))
	require.ErrorIs(t, Claim(own, path("there")), ErrClaimed)
}
