//go:build unix

package atomicfile

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree is what a folder holds, by path; a folder ends with a slash.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if d.IsDir() {
			got[rel+"/"] = ""
		} else if d.Type().IsRegular() {
			got[rel] = content(t, path)
		} else {
			got[rel] = "a link"
		}
		return err
	}))
	return got
}

func isPart(name string) bool { return strings.HasPrefix(name, "part-") }

func openSet(t *testing.T, dir string, fault Fault) *Set {
	t.Helper()
	s, err := OpenSet(dir, true, isPart, fault)
	require.NoError(t, err)
	return s
}

func add(t *testing.T, s *Set, dir, name, text string) *Part {
	t.Helper()
	p, err := s.Create(dir, name)
	require.NoError(t, err)
	_, err = io.WriteString(p, text)
	require.NoError(t, err)
	return p
}

// before is what the folder of a test holds before the set is written.
func before(t *testing.T) (dir string, holds map[string]string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "set")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "k=1"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "k=3"), 0o700))
	for name, text := range map[string]string{
		"part-1": "old", "part-9": "old too", "other": "kept", "k=1/part-2": "old", "k=3/part-1": "not ours",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir, tree(t, dir)
}

func TestSetCommit(t *testing.T) {
	dir, _ := before(t)
	s := openSet(t, dir, nil)
	add(t, s, ".", "part-1", "new")
	p := add(t, s, "k=1", "part-1", "begun")
	require.NoError(t, p.Suspend())
	require.NoError(t, p.Suspend())
	_, err := io.WriteString(p, " and continued")
	require.NoError(t, err)
	require.NoError(t, p.Suspend())
	require.NoError(t, add(t, s, "k=2/l=1", "part-1", "deep").Finish())
	require.NoError(t, s.Commit())
	require.NoError(t, s.Abort())
	require.ErrorIs(t, s.Commit(), fs.ErrClosed)
	assert.Equal(t, map[string]string{
		"part-1": "new", "other": "kept", "k=1/": "", "k=1/part-1": "begun and continued",
		"k=2/": "", "k=2/l=1/": "", "k=2/l=1/part-1": "deep", "k=3/": "", "k=3/part-1": "not ours",
	}, tree(t, dir))
}

func TestSetAbort(t *testing.T) {
	dir, was := before(t)
	s := openSet(t, dir, nil)
	add(t, s, ".", "part-1", "new")
	add(t, s, "k=2/l=1", "part-1", "new")
	require.NoError(t, s.Abort())
	require.NoError(t, s.Abort())
	assert.Equal(t, was, tree(t, dir))

	dir = filepath.Join(t.TempDir(), "none")
	s = openSet(t, dir, nil)
	add(t, s, "a/b", "part-1", "new")
	require.NoError(t, s.Abort())
	assert.NoDirExists(t, dir)
}

// Whichever operation fails, the set fails with its error, and what was there is
// there.
func TestSetFaults(t *testing.T) {
	work := func(dir string, fault Fault) error {
		s, err := OpenSet(dir, true, isPart, fault)
		if err != nil {
			return err
		}
		for _, at := range []string{".", "k=1", "k=2", "k=1"} {
			name := "part-" + string(rune('1'+len(s.parts)))
			p, err := s.Create(at, name)
			if err == nil {
				_, err = io.WriteString(p, "new")
			}
			if err == nil && at != "." {
				err = p.Suspend()
			}
			if err != nil {
				require.NoError(t, s.Abort())
				return err
			}
		}
		return s.Commit()
	}
	total := map[Op]int{}
	dir, _ := before(t)
	require.NoError(t, work(dir, func(op Op, _ string) error { total[op]++; return nil }))
	want := map[Op]int{Write: 4, Sync: 4, Close: 7, Rename: 7, SyncFolder: 3}
	require.Equal(t, want, maps.Clone(total))
	for op, n := range want {
		for at := range n {
			dir, was := before(t)
			count := 0
			err := work(dir, func(o Op, _ string) error {
				if o == op {
					count++
				}
				if o == op && count == at+1 {
					return syscall.EIO
				}
				return nil
			})
			require.ErrorIs(t, err, syscall.EIO, "%s %d", op, at)
			require.ErrorContains(t, err, string(op)+": input/output error")
			require.NotContains(t, err.Error(), ".tmp")
			require.Equal(t, was, tree(t, dir), "%s %d", op, at)
		}
	}
}

func TestSetStaysInside(t *testing.T) {
	outside := t.TempDir()
	dir, _ := before(t)
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "out")))
	require.NoError(t, os.Symlink("k=1", filepath.Join(dir, "k=I")))
	was := tree(t, dir)
	s := openSet(t, dir, nil)
	add(t, s, "k=1", "part-1", "new")
	for _, at := range []string{"out", "..", "../x", "k=1/../..", "a/../../x", "/etc"} {
		_, err := s.Create(at, "part-1")
		require.Error(t, err, at)
	}
	_, err := s.Create("k=I", "part-1")
	require.ErrorIs(t, err, ErrSameFolder)
	require.EqualError(t, err, "k=I: the file system takes both for one folder: k=1")
	_, err = s.Create("other", "part-1")
	require.EqualError(t, err, "other: look: is no folder")
	require.NoError(t, s.Abort())
	assert.Equal(t, was, tree(t, dir))
	assert.Empty(t, names(t, outside))
}

func TestSetErrors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	_, err := OpenSet(dir, false, isPart, nil)
	require.EqualError(t, err, "folder "+dir+": open: no such file or directory")
	_, err = OpenSet(filepath.Join(dir, "more"), true, isPart, nil)
	require.EqualError(t, err, "make the folder: no such file or directory")

	s := openSet(t, dir, nil)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "part-1"), 0o700)) // a file cannot take a folder's place
	add(t, s, ".", "part-1", "new")
	require.ErrorContains(t, s.Commit(), "part-1: rename: ")
	assert.Equal(t, map[string]string{"part-1/": ""}, tree(t, dir))
}

// Whichever operation on a whole file fails, the old one is left; only the new
// name may be less than durable.
func TestFaults(t *testing.T) {
	for _, op := range []Op{Write, Sync, Close, Rename, SyncFolder} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
		f, err := Create(path, func(o Op, _ string) error {
			if o == op {
				return syscall.EIO
			}
			return nil
		})
		require.NoError(t, err)
		_, err = io.WriteString(f, "new")
		if err != nil {
			require.NoError(t, f.Abort())
		} else {
			err = f.Commit()
		}
		require.EqualError(t, err, string(op)+": input/output error")
		want := "old"
		if op == SyncFolder {
			want = "new"
		}
		assert.Equal(t, want, content(t, path))
		assert.Equal(t, []string{"out"}, names(t, dir))
	}
}
