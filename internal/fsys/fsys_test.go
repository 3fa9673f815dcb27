package fsys

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	assert.Equal(t, OS{}, Of(context.Background()))
	own := struct{ FS }{OS{}}
	assert.Equal(t, own, Of(With(context.Background(), own)))
}

func TestReplace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	var files OS
	require.NoError(t, files.MkdirAll(dir, 0o755))
	f, err := files.CreateTemp(dir, "x*.tmp")
	require.NoError(t, err)
	_, err = f.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	name := filepath.Join(dir, "x")
	require.NoError(t, files.Rename(f.Name(), name))
	require.NoError(t, files.SyncDir(dir))
	b, err := files.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(b))
	entries, err := files.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	info, err := files.Stat(name)
	require.NoError(t, err)
	assert.EqualValues(t, 5, info.Size())
	require.NoError(t, files.Remove(name))
	_, err = files.OpenFile(name, os.O_RDONLY, 0)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, name)
	require.ErrorContains(t, files.SyncDir(name), name)
}

func TestLock(t *testing.T) {
	var files OS
	name := filepath.Join(t.TempDir(), "lock")
	held, err := files.Lock(name)
	require.NoError(t, err)
	_, err = files.Lock(name)
	assert.Equal(t, &LockedError{name, os.Getpid()}, err)
	require.ErrorContains(t, err, name)
	require.NoError(t, held.Close())
	held, err = files.Lock(name)
	require.NoError(t, err)
	require.NoError(t, held.Close())
	missing := filepath.Join(name+"s", "lock")
	_, err = files.Lock(missing)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, missing)
	require.EqualError(t, &LockedError{Name: "x"}, "lock x: held by another run")
}
