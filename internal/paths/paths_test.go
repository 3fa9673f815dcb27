package paths

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.x", "a.x", "c.y"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	got, err := Expand([]string{in("c.y"), Stdin, in("*.x"), in("c.y")})
	require.NoError(t, err)
	assert.Equal(t, []string{in("c.y"), Stdin, in("a.x"), in("b.x"), in("c.y")}, got)
	got, err = Expand([]string{dir})
	require.NoError(t, err)
	assert.Equal(t, []string{in("a.x"), in("b.x"), in("c.y")}, got, "a folder stands for its files")
	require.NoError(t, os.Mkdir(in("empty"), 0o700))
	for path, want := range map[string]error{in("empty"): ErrNoMatch, in("z"): fs.ErrNotExist, in("*.z"): ErrNoMatch} {
		_, err := Expand([]string{path})
		require.ErrorIs(t, err, want)
		var bad *Error
		require.ErrorAs(t, err, &bad)
		assert.Equal(t, path, bad.Path)
		assert.Equal(t, path+": "+want.Error(), map[bool]string{true: err.Error(), false: path + ": " + want.Error()}[want != fs.ErrNotExist])
	}
}
