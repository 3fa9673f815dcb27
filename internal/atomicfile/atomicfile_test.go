//go:build unix

package atomicfile

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// names lists a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func create(t *testing.T, path, content string) *File {
	t.Helper()
	f, err := Create(path, nil)
	require.NoError(t, err)
	_, err = io.WriteString(f, content)
	require.NoError(t, err)
	return f
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestCommit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	for _, text := range []string{"first", "second", ""} {
		f := create(t, path, text)
		require.NoError(t, f.Commit())
		assert.Equal(t, text, content(t, path))
		assert.Equal(t, []string{"out"}, names(t, dir))
		require.NoError(t, f.Abort(), "nothing after a commit")
		require.ErrorIs(t, f.Commit(), fs.ErrClosed)
		assert.Equal(t, text, content(t, path))
	}
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	f := create(t, path, "new")
	require.NoError(t, f.Abort())
	require.NoError(t, f.Abort())
	assert.Empty(t, names(t, dir))

	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	f = create(t, path, "new")
	assert.Equal(t, "old", content(t, path))
	require.NoError(t, f.Abort())
	assert.Equal(t, "old", content(t, path))
	assert.Equal(t, []string{"out"}, names(t, dir))
	require.ErrorIs(t, f.Commit(), fs.ErrClosed)
}

func TestMode(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "out")
	require.NoError(t, create(t, path, "new").Commit())
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o640), info.Mode(), "a new file has 0644 less the umask")
	for _, mode := range []fs.FileMode{0o600, 0o666, 0o755, 0o400} {
		require.NoError(t, os.Chmod(path, mode))
		require.NoError(t, create(t, path, "newer").Commit())
		info, err = os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), "an old one keeps its own")
	}
}

func TestLinkIsKept(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("target", link))
	_, err := Create(link, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "a link to nothing: file does not exist")

	require.NoError(t, os.WriteFile(target, []byte("old"), 0o600))
	require.NoError(t, create(t, link, "new").Commit())
	to, err := os.Readlink(link)
	require.NoError(t, err)
	assert.Equal(t, "target", to)
	assert.Equal(t, "new", content(t, target))
	assert.Equal(t, []string{"link", "target"}, names(t, dir))
}

func TestCreateErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Create(dir, nil)
	require.ErrorIs(t, err, syscall.EISDIR)
	_, err = Create(filepath.Join(dir, "missing", "out"), nil)
	require.EqualError(t, err, "folder "+filepath.Join(dir, "missing")+": no such file or directory")
	require.ErrorIs(t, err, fs.ErrNotExist)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Create(filepath.Join(file, "out"), nil)
	require.ErrorIs(t, err, syscall.ENOTDIR)
	assert.Equal(t, []string{"file"}, names(t, dir))
}

func TestLongName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, strings.Repeat("x", 255))
	require.NoError(t, create(t, path, "new").Commit())
	assert.Equal(t, "new", content(t, path))
	assert.Len(t, names(t, dir), 1)
}

func TestFolderGoesAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	require.NoError(t, os.Mkdir(dir, 0o700))
	f := create(t, filepath.Join(dir, "out"), "new")
	require.NoError(t, os.RemoveAll(dir))
	require.EqualError(t, f.Commit(), "rename: no such file or directory")

	require.NoError(t, os.Mkdir(dir, 0o700))
	f = create(t, filepath.Join(dir, "out"), "new")
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, f.Abort())
}

func TestRenameFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	f := create(t, path, "new")
	require.NoError(t, os.Mkdir(path, 0o700)) // a file cannot take a folder's place
	require.Error(t, f.Commit())
	assert.Equal(t, []string{"out"}, names(t, dir), "the temporary file is removed")
}

func TestCloseAndSyncErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	f := create(t, path, "new")
	require.NoError(t, f.f.Close()) // as if the system had lost the file
	_, err := f.Write([]byte("x"))
	require.EqualError(t, err, "write: file already closed")
	require.ErrorIs(t, f.Commit(), fs.ErrClosed)
	assert.Equal(t, "old", content(t, path))
	assert.Equal(t, []string{"out"}, names(t, dir))
}

func TestWhatIsNoFileIsWrittenTo(t *testing.T) {
	require.NoError(t, create(t, os.DevNull, "gone").Commit())
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeDevice, "it is still a device")
	require.NoError(t, create(t, os.DevNull, "gone").Abort())

	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	got := make(chan string)
	go func() {
		b, _ := os.ReadFile(path)
		got <- string(b)
	}()
	require.NoError(t, create(t, path, "through").Commit())
	assert.Equal(t, "through", <-got)
}
