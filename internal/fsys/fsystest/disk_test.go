package fsystest

import (
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/fsys"
)

func none(int) int  { return 0 }
func all(n int) int { return n - 1 }
func text(t require.TestingT, d fsys.FS, name string) string {
	b, err := d.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

func create(t require.TestingT, d fsys.FS, name string) fsys.File {
	f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	return f
}

func write(t require.TestingT, f fsys.File, s string) {
	n, err := f.Write([]byte(s))
	require.NoError(t, err)
	require.Equal(t, len(s), n)
}

func TestDiskForgets(t *testing.T) {
	d := NewDisk("/d")
	f := create(t, d, "/d/a")
	write(t, f, "one")
	_, err := d.Crash(none).ReadFile("/d/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, "one", text(t, d.Crash(all), "/d/a"))
	require.NoError(t, f.Sync())
	_, err = d.Crash(none).ReadFile("/d/a")
	require.ErrorIs(t, err, fs.ErrNotExist, "the contents are synced, the name is not")
	require.NoError(t, d.SyncDir("/d"))
	assert.Equal(t, "one", text(t, d.Crash(none), "/d/a"))
	write(t, f, " two")
	assert.Equal(t, "one two", text(t, d, "/d/a"))
	assert.Equal(t, "one", text(t, d.Crash(none), "/d/a"))
	require.NoError(t, d.Rename("/d/a", "/d/b"))
	assert.Equal(t, "one", text(t, d.Crash(none), "/d/a"))
	require.NoError(t, d.SyncDir("/d"))
	assert.Equal(t, "one", text(t, d.Crash(none), "/d/b"), "a rename without the contents")
	require.NoError(t, d.Remove("/d/b"))
	assert.Equal(t, "one", text(t, d.Crash(none), "/d/b"))
	_, err = d.Crash(all).Stat("/d/b")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestDiskFailedSync(t *testing.T) {
	d := NewDisk("/d")
	bad := true
	faults := &Faults{FS: d, Before: func(op Op) error {
		if op.Kind == Sync && bad {
			return syscall.EIO
		}
		return nil
	}}
	f := create(t, faults, "/d/a")
	require.NoError(t, faults.SyncDir("/d"))
	write(t, f, "lost")
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	bad = false
	require.NoError(t, f.Sync())
	assert.Equal(t, "lost", text(t, d, "/d/a"), "it can be read")
	assert.Empty(t, text(t, d.Crash(all), "/d/a"), "and is gone all the same")
	require.NoError(t, f.Close())
}

func TestDiskReadsAndSeeks(t *testing.T) {
	d := NewDisk("/d")
	require.NoError(t, d.MkdirAll("/d/x/y", 0o755))
	f, err := d.CreateTemp("/d/x/y", "a*.tmp")
	require.NoError(t, err)
	write(t, f, "abcdef")
	_, err = f.WriteAt([]byte("XY"), 8)
	require.NoError(t, err)
	assert.Equal(t, "abcdef\x00\x00XY", text(t, d, f.Name()))
	require.NoError(t, f.Truncate(3))
	at, err := f.Seek(-1, 2)
	require.NoError(t, err)
	assert.EqualValues(t, 2, at)
	b := make([]byte, 5)
	n, err := f.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "c", string(b[:n]))
	require.NoError(t, f.Close())
	_, err = f.Write(b)
	require.ErrorIs(t, err, fs.ErrClosed)
	entries, err := d.ReadDir("/d/x/y")
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.ErrorIs(t, d.Remove("/d/x"), syscall.ENOTEMPTY)
	_, err = d.Crash(func(int) int { return 0 }).Stat("/d/x")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = d.OpenFile("/e/f", os.O_RDWR|os.O_CREATE, 0)
	require.ErrorIs(t, err, fs.ErrNotExist)
	l, err := d.Lock("/d/l")
	require.NoError(t, err)
	_, err = d.Lock("/d/l")
	var locked *fsys.LockedError
	require.ErrorAs(t, err, &locked)
	require.NoError(t, l.Close())
}

// What was synced, contents and name, is there after any crash, whatever was
// done to the file since by other names and writes that only append.
func TestSyncedSurvivesProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := NewDisk("/d")
		f := create(t, d, "/d/a")
		synced, content := "", ""
		require.NoError(r, d.SyncDir("/d"))
		for range rapid.IntRange(0, 20).Draw(r, "operations") {
			if rapid.Bool().Draw(r, "sync") {
				require.NoError(r, f.Sync())
				synced = content
				continue
			}
			s := rapid.StringN(1, 4, 8).Draw(r, "written")
			write(r, f, s)
			content += s
		}
		after := text(r, d.Crash(func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") }), "/d/a")
		require.GreaterOrEqual(r, len(after), len(synced))
		require.Equal(r, synced, after[:len(synced)])
		require.LessOrEqual(r, len(after), len(content))
	})
}

func TestFaultsCountAndFail(t *testing.T) {
	var seen []Kind
	fail := 0
	faults := &Faults{FS: NewDisk("/d")}
	faults.Before = func(op Op) error {
		seen = append(seen, op.Kind)
		if op.N == fail {
			return &ShortError{2, syscall.ENOSPC}
		}
		return nil
	}
	f := create(t, faults, "/d/a")
	fail = 2
	n, err := f.Write([]byte("abcd"))
	assert.Equal(t, 2, n)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "/d/a")
	assert.Equal(t, "ab", text(t, faults, "/d/a"))
	_, err = f.WriteAt([]byte("c"), 2)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(1))
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.NoError(t, faults.Rename("/d/a", "/d/b"))
	require.NoError(t, faults.SyncDir("/d"))
	require.NoError(t, faults.MkdirAll("/d/x", 0o755))
	require.NoError(t, faults.Remove("/d/b"))
	assert.Equal(t, []Kind{Open, Write, Write, Truncate, Sync, Close, Rename, SyncDir, Mkdir, Remove}, seen)
	assert.Equal(t, len(seen), faults.Count())
	faults.Before = FailFrom(11, syscall.EIO)
	_, err = faults.Lock("/d/l")
	require.ErrorIs(t, err, syscall.EIO)
	_, err = faults.CreateTemp("/d", "x")
	require.ErrorIs(t, err, syscall.EIO)
	require.EqualError(t, faults.Remove("/d/z"), "remove /d/z: input/output error")
	assert.Equal(t, "operation 3: sync x", Op{N: 3, Kind: Sync, Name: "x"}.String())
}
