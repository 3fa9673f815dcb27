package checkpoint

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
)

var errPower = errors.New("no power")

func none(int) int  { return 0 }
func all(n int) int { return n - 1 }

// powerLoss cuts the power before each operation of ten Saves, and returns what
// the first crash did that it must not.
func powerLoss(ctx context.Context, without lack, seeds uint64) error {
	const path = "/d/job.checkpoint"
	for n, done := 1, false; !done; n++ {
		disk := fsystest.NewDisk("/d")
		cut := fsys.With(ctx, &fsystest.Faults{FS: disk, Before: fsystest.FailFrom(n, errPower)})
		f := File(path)
		f.without = without
		returned := uint64(0)
		err := f.Open(cut)
		for err == nil && returned < saves {
			if err = f.Save(cut, sample(returned+1)); err == nil {
				returned++
			}
		}
		if err != nil && !errors.Is(err, errPower) {
			return err
		}
		done = err == nil
		for seed := range seeds + 2 {
			choose := rand.New(rand.NewPCG(seed, uint64(n))).IntN
			switch seed {
			case seeds:
				choose = none
			case seeds + 1:
				choose = all
			}
			if err := newest(fsys.With(ctx, disk.Crash(choose)), path, returned); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestFilePowerLoss(t *testing.T) {
	require.NoError(t, powerLoss(t.Context(), lack{}, 60))
}

func TestFilePowerLossWithout(t *testing.T) {
	for name, without := range map[string]lack{
		"the sync of the file":   {fileSync: true},
		"the sync of the folder": {dirSync: true},
		"the rename":             {rename: true},
	} {
		assert.Error(t, powerLoss(t.Context(), without, 60), "without %s", name)
	}
}

// Runs follow each other on one disk, some with faults that the disk reports, each
// ended by a loss of power; what a Save that returned has written is never lost.
func TestFileFaultsProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const path = "/d/job.checkpoint"
		disk, returned, newestTried := fsystest.NewDisk("/d"), uint64(0), uint64(0)
		for range rapid.IntRange(1, 4).Draw(r, "runs") {
			cut := rapid.IntRange(1, 60).Draw(r, "power is cut at")
			bad := rapid.SliceOfN(rapid.IntRange(1, 60), 0, 4).Draw(r, "faults at")
			faults := &fsystest.Faults{FS: disk, Before: func(op fsystest.Op) error {
				if op.N >= cut {
					return errPower
				}
				for _, n := range bad {
					if op.N == n && op.Kind == fsystest.Write {
						return &fsystest.ShortError{N: 10, Err: syscall.ENOSPC}
					}
					if op.N == n {
						return syscall.EIO
					}
				}
				return nil
			}}
			ctx := fsys.With(t.Context(), faults)
			f := File(path)
			err := f.Open(ctx)
			for range 6 {
				if err != nil {
					break
				}
				newestTried++
				if f.Save(ctx, sample(newestTried)) == nil {
					returned = newestTried
				}
			}
			disk = disk.Crash(func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") })
			after := fsys.With(t.Context(), disk)
			f = File(path)
			require.NoError(r, f.Open(after))
			s, ok, err := f.Load(after)
			require.NoError(r, err)
			require.GreaterOrEqual(r, s.Epoch, returned)
			require.LessOrEqual(r, s.Epoch, newestTried)
			require.Equal(r, s.Epoch > 0, ok)
			require.NoError(r, f.Close(after))
			returned = s.Epoch // what was read back is in force now
		}
	})
}

// A store goes on after an error, also when it could not even clean up.
func TestFileGoesOnAfterErrors(t *testing.T) {
	for _, op := range operations(t)[3:] { // those of Open are before
		ctx := fsys.With(t.Context(), &fsystest.Faults{FS: fsystest.NewDisk("/d"), Before: func(now fsystest.Op) error {
			if op.N <= now.N && now.N < op.N+3 {
				return syscall.EIO
			}
			return nil
		}})
		f := File("/d/job")
		require.NoError(t, f.Open(ctx))
		epoch, failures := uint64(0), 0
		for successes := 0; successes < saves+2; {
			epoch++
			err := f.Save(ctx, sample(epoch))
			if err == nil {
				successes++
				continue
			}
			failures++
			require.ErrorIs(t, err, syscall.EIO, "epoch %d with %v", epoch, op)
			require.LessOrEqual(t, failures, 3, op)
		}
		require.Positive(t, failures, op)
		require.NoError(t, f.Close(ctx))
		require.NoError(t, newest(ctx, "/d/job", epoch))
	}
}

func TestFileErrorAtEveryOperation(t *testing.T) {
	for _, op := range operations(t) {
		disk := fsystest.NewDisk("/d")
		ctx := fsys.With(t.Context(), &fsystest.Faults{FS: disk, Before: fsystest.FailAt(op.N, syscall.EIO)})
		f := File("/d/job")
		returned, failures := uint64(0), 0
		err := f.Open(ctx)
		for err == nil && returned < saves {
			if err = f.Save(ctx, sample(returned+1)); err == nil {
				returned++
			}
		}
		if err != nil {
			require.ErrorIs(t, err, syscall.EIO, op)
			require.ErrorContains(t, err, "checkpoint: ")
			failures++
		}
		require.NoError(t, f.Close(ctx))
		require.NoError(t, newest(ctx, "/d/job", returned), op)
		require.Equal(t, 1, failures, op)
		// The store goes on from there, and what it left is gone.
		require.NoError(t, f.Open(ctx))
		require.NoError(t, f.Save(ctx, sample(99)))
		require.NoError(t, f.Close(ctx))
		require.NoError(t, newest(fsys.With(ctx, disk.Crash(none)), "/d/job", 99))
		_, err = disk.Stat("/d/job.tmp")
		require.ErrorIs(t, err, os.ErrNotExist, op)
	}
}

// killedThenPowerLoss kills a run before the sync of the folder, lets another load
// what it left, and cuts the power. It returns the epoch that was loaded and the
// one that is there after.
func killedThenPowerLoss(t *testing.T, without lack) (loaded, after uint64) {
	t.Helper()
	disk := fsystest.NewDisk("/d")
	ctx := fsys.With(t.Context(), disk)
	f := File("/d/job")
	require.NoError(t, f.Open(ctx))
	require.NoError(t, f.Save(ctx, sample(1)))
	f.without.dirSync = true
	require.NoError(t, f.Save(ctx, sample(2)))
	require.NoError(t, f.Close(ctx))
	load := func(ctx context.Context) uint64 {
		f := File("/d/job")
		f.without = without
		require.NoError(t, f.Open(ctx))
		s, _, err := f.Load(ctx)
		require.NoError(t, err)
		require.NoError(t, f.Close(ctx))
		return s.Epoch
	}
	return load(ctx), load(fsys.With(ctx, disk.Crash(none)))
}

func TestFileLoadedIsDurable(t *testing.T) {
	loaded, after := killedThenPowerLoss(t, lack{})
	assert.EqualValues(t, 2, loaded)
	assert.EqualValues(t, 2, after)
	loaded, after = killedThenPowerLoss(t, lack{openSync: true})
	assert.EqualValues(t, 2, loaded)
	assert.EqualValues(t, 1, after, "without the sync at Open")
}

// altered is a file system on which one file reads as something else.
type altered struct {
	fsys.FS
	path    string
	content []byte
}

func (a *altered) ReadFile(name string) ([]byte, error) {
	if name == a.path {
		return a.content, nil
	}
	return a.FS.ReadFile(name)
}

// flips changes each bit of a file in turn, and cuts it at each byte; there is no
// file before it. It returns how many damages passed unseen.
func flips(t *testing.T, without lack) (unseen int) {
	t.Helper()
	const path = "/d/job"
	disk := fsystest.NewDisk("/d")
	files := &altered{FS: disk}
	ctx := fsys.With(t.Context(), files)
	f := File(path)
	f.without = without
	require.NoError(t, f.Open(ctx))
	require.NoError(t, f.Save(ctx, sample(3)))
	whole, err := disk.ReadFile(path)
	require.NoError(t, err)
	try := func(content []byte) {
		files.path, files.content = path, content
		_, ok, err := f.Load(ctx)
		if ok {
			unseen++
		} else if !without.checksum {
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, path)
		}
	}
	for bit := range 8 * len(whole) {
		b := slices.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		try(b)
	}
	for n := range whole {
		try(whole[:n])
	}
	require.NoError(t, f.Close(ctx))
	return unseen
}

func TestFileEveryBit(t *testing.T) {
	assert.Zero(t, flips(t, lack{}))
	assert.Positive(t, flips(t, lack{checksum: true}), "without the checksum")
}

func TestFileFallsBack(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "job"), t.Context()
	f := File(path)
	require.NoError(t, f.Open(ctx))
	_, ok, err := f.Load(ctx)
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, f.Save(ctx, sample(1)))
	require.NoError(t, f.Save(ctx, sample(2)))
	require.NoError(t, f.Close(ctx))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "{", strings.Split(string(b), "\n")[1], "a person can read it")
	require.NoError(t, os.WriteFile(path, b[:len(b)/2], 0o600))

	require.NoError(t, f.Open(ctx))
	s, ok, err := f.Load(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	assert.EqualValues(t, 1, s.Epoch)
	assert.Contains(t, s.Notice, "checkpoint: "+path+": damaged: the first line is")
	assert.Contains(t, s.Notice, "; went on from "+path+".prev, epoch 1")
	// The damaged file does not take the place of the good one.
	stop, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, f.Save(stop, s), context.Canceled)
	require.NoError(t, f.Save(ctx, sample(2)))
	prev, err := os.ReadFile(path + ".prev")
	require.NoError(t, err)
	require.Contains(t, string(prev), `"epoch": 1,`)
	require.NoError(t, os.WriteFile(path, b[:len(b)/2], 0o600))
	require.NoError(t, os.WriteFile(path+".prev", prev[:10], 0o600))
	_, _, err = f.Load(ctx)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, path+".prev: damaged: the first line does not end")
	require.ErrorIs(t, f.Save(ctx, sample(3)), ErrCorrupt, "never a fresh start")
	require.NoError(t, f.Close(ctx))
}

func TestFileOfANewerVersion(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "job"), t.Context()
	require.NoError(t, os.WriteFile(path, seal([]byte(`{"version":2,"epoch":5}`)), 0o600))
	f := File(path)
	require.NoError(t, f.Open(ctx))
	_, _, err := f.Load(ctx)
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorIs(t, f.Save(ctx, sample(1)), ErrVersion)
	require.NoError(t, f.Close(ctx))
	require.ErrorIs(t, f.Save(ctx, sample(1)), ErrClosed)
	require.NoError(t, f.Close(ctx))
	require.ErrorContains(t, File(filepath.Join(path, "x")).Open(ctx), "checkpoint: ")
	assert.PanicsWithValue(t, "penstock: checkpoint.File: path is empty", func() { File("") })
}
