package source

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
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
	dir := tree(t, "a.log", "hollow/.hidden", "hollow/.folder/file", "loops/x")
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	require.NoError(t, os.Symlink("self", filepath.Join(dir, "loops", "self")))
	for path, want := range map[string]error{
		"missing.log":   fs.ErrNotExist,
		"b*.log":        ErrNoMatch,
		"nowhere/*.log": ErrNoMatch,
		"[":             doublestar.ErrBadPattern,
		"hollow":        ErrNoMatch,
		"loop":          syscall.ELOOP,
		"loops":         syscall.ELOOP, // a link in it
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

func TestFolders(t *testing.T) {
	dir := tree(t, "b/2.csv", "b/1.csv", "b/c/3.csv", "b-1.csv", "a", ".hidden", ".git/config", "b/.tmp-1", "other/x")
	require.NoError(t, os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "b"), filepath.Join(dir, "loop")))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "b", "up")))
	got := all(t, Lines(dir), stage.Limit{})
	assert.Equal(t, []string{"a", "b-1.csv", "b/1.csv", "b/2.csv", "b/c/3.csv", "a", "other/x"}, got)
	for _, path := range []string{"b", "loop", "loop/", ".git/../b"} {
		got := all(t, Lines(filepath.Join(dir, "other", "x"), Paths(dir+"/"+path)), stage.Limit{})
		assert.Equal(t, []string{"other/x", "b/1.csv", "b/2.csv", "b/c/3.csv"}, got, path)
	}
	assert.Equal(t, []string{".git/config"}, all(t, Lines(filepath.Join(dir, ".git")), stage.Limit{}), "named by itself")
	sections, err := Split(t.Context(), 3, dir)
	require.NoError(t, err)
	got, _ = across(t, sections, stage.Limit{}, func(o Option) stage.Stream[string] { return Lines(dir, o) })
	assert.Len(t, got, 7)
}

// A file that shrinks is as long as it is found to be, one that grows is read to
// its new end; compressed, a file that shrinks ends too early.
func TestFileChangesWhileItIsRead(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 50_000)
	for _, how := range []string{"", "gz"} { // a small zstd file is read at once
		data := packed(t, how, text)
		if how != "" {
			noise := make([]byte, 300_000)
			for i := range noise {
				noise[i] = "0123456789abcde\n"[rand.IntN(16)]
			}
			data = packed(t, how, string(noise)+"\n"+text)
		}
		path := file(t, "in", data)
		p := open(t, Lines(path))
		var c stage.Chunk[string]
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 1}))
		require.NoError(t, os.Truncate(path, 70_000))
		n, err := len(c.Items), error(nil)
		for err == nil {
			err = p.Pull(t.Context(), &c, stage.Limit{})
			n += len(c.Items)
		}
		if how == "" {
			require.ErrorIs(t, err, io.EOF)
			assert.Equal(t, 4375, n)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	}

	path := file(t, "in", text)
	p := open(t, Lines(path))
	var c stage.Chunk[string]
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 1}))
	require.NoError(t, os.WriteFile(path, []byte(text+text), 0o600))
	n, err := 1, error(nil)
	for err == nil {
		err = p.Pull(t.Context(), &c, stage.Limit{})
		n += len(c.Items)
	}
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, 100_000, n)
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
