package source

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// tree writes files that hold their own names into a new folder.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(name), 0o600))
	}
	return dir
}

func TestPatterns(t *testing.T) {
	dir := tree(t, "b.log", "a.log", "a.txt", "sub/c.log", "sub/deep/d.log", "x[1].log", "x1.log", "empty/dir.log/file")
	for pattern, want := range map[string][]string{
		"*.log":           {"a.log", "b.log", "x1.log", "x[1].log"},
		"**/*.log":        {"a.log", "b.log", "sub/c.log", "sub/deep/d.log", "x1.log", "x[1].log"},
		"[ab].*":          {"a.log", "a.txt", "b.log"},
		"{b,a}.log":       {"a.log", "b.log"},
		"sub/**":          {"sub/c.log", "sub/deep/d.log"},
		"x[1].log":        {"x[1].log"}, // a file of that name wins
		"x[12].log":       {"x1.log"},
		"b.log":           {"b.log"},
		`x\[1\].log`:      {"x[1].log"},
		"empty/dir.log/*": {"empty/dir.log/file"},
	} {
		got := all(t, Lines(filepath.Join(dir, pattern)), stage.Limit{})
		assert.Equal(t, want, got, pattern)
	}
	got := all(t, Lines(filepath.Join(dir, "b.log"), Paths(filepath.Join(dir, "a.*"), filepath.Join(dir, "b.log"))), stage.Limit{})
	assert.Equal(t, []string{"b.log", "a.log", "a.txt", "b.log"}, got, "in the order given, as often as given")
}

func TestMissingInput(t *testing.T) {
	dir := tree(t, "a.log")
	for path, want := range map[string]error{
		"missing.log":   fs.ErrNotExist,
		"b*.log":        ErrNoMatch,
		"nowhere/*.log": ErrNoMatch,
		"[":             doublestar.ErrBadPattern,
		"":              syscall.EISDIR, // the folder itself
		"a.log/x":       syscall.ENOTDIR,
	} {
		path = filepath.Join(dir, path)
		for _, s := range []stage.Stream[string]{Lines(path), Lines(filepath.Join(dir, "a.log"), Paths(path))} {
			_, err := s.Open(t.Context())
			require.ErrorIs(t, err, want, path)
			var fail *Error
			require.ErrorAs(t, err, &fail)
			assert.Equal(t, path, fail.File)
			assert.Zero(t, fail.Record)
		}
	}
	_, err := Lines(filepath.Join(dir, "missing.log")).Open(t.Context())
	require.EqualError(t, err, "source: "+filepath.Join(dir, "missing.log")+": no such file or directory")
	_, err = Lines(filepath.Join(dir, "b*.log")).Open(t.Context())
	require.EqualError(t, err, "source: "+filepath.Join(dir, "b*.log")+": no file matches")
}

func TestFileVanishesWhileTheStreamRuns(t *testing.T) {
	dir := tree(t, "a", "b", "c")
	p := open(t, Lines(filepath.Join(dir, "*")))
	require.NoError(t, os.Remove(filepath.Join(dir, "b")))
	var c stage.Chunk[string]
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
	assert.Equal(t, []string{"a"}, c.Items)
	for range 2 {
		err := p.Pull(t.Context(), &c, stage.Limit{})
		require.EqualError(t, err, "source: "+filepath.Join(dir, "b")+": no such file or directory")
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "b"), 0o750))
	p = open(t, Lines(filepath.Join(dir, "a"), Paths(filepath.Join(dir, "c"))))
	require.NoError(t, os.Remove(filepath.Join(dir, "c")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "c"), 0o750))
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
	require.ErrorIs(t, p.Pull(t.Context(), &c, stage.Limit{}), syscall.EISDIR)
}
