package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var errPower = errors.New("the power is gone")

// rowsOf are records with the numbers of a range.
func rowsOf(from, to int) stage.Stream[small] {
	return stage.Map(source.Range(from, to), stage.Pure(func(n int) small { return small{n} }))
}

// withoutOption takes a mechanism out.
func withoutOption(l lack) FileOption { return fileOption(func(o *fileOptions) { o.without = l }) }

// writeOn runs a job of n items on a disk, which fails from an operation on.
func writeOn(disk *fsystest.Disk, n, failFrom int, opts ...FileOption) (ops int, err error) {
	faults := &fsystest.Faults{FS: disk}
	if failFrom > 0 {
		faults.Before = fsystest.FailFrom(failFrom, errPower)
	}
	_, err = stage.Run(fsys.With(context.Background(), faults), rowsOf(0, n), CSV[small]("/d/out.csv", opts...),
		stage.Checkpoint(checkpoint.File("/d/job.checkpoint"), 1))
	return faults.Count(), err
}

// powerLost cuts the power at each operation of a job, lets each of many things be
// lost that may be, goes on, and says what is wrong with the file then.
func powerLost(t *testing.T, seeds int, opts ...FileOption) error {
	t.Helper()
	const n = 12
	whole := fsystest.NewDisk("/d")
	ops, err := writeOn(whole, n, 0, opts...)
	require.NoError(t, err)
	want, err := whole.ReadFile("/d/out.csv")
	require.NoError(t, err)
	for at := 1; at <= ops; at++ {
		for seed := range seeds {
			chance := rand.New(rand.NewPCG(uint64(seed), uint64(at)))
			disk := fsystest.NewDisk("/d")
			if _, err := writeOn(disk, n, at, opts...); err == nil {
				continue // only what comes behind the end failed
			}
			disk = disk.Crash(chance.IntN)
			if _, err := writeOn(disk, n, 0, opts...); err != nil {
				return fmt.Errorf("power lost at operation %d, seed %d: %w", at, seed, err)
			}
			got, err := disk.Crash(func(int) int { return 0 }).ReadFile("/d/out.csv") // what is durable
			if err != nil || string(got) != string(want) {
				return fmt.Errorf("power lost at operation %d, seed %d: %q, want %q: %w", at, seed, got, want, err)
			}
			if names, err := disk.ReadDir("/d"); err != nil || len(names) > 5 {
				return fmt.Errorf("power lost at operation %d: %v is left", at, names)
			}
		}
	}
	return nil
}

// What is durable at the end is what an undisturbed run writes.
func TestPowerLoss(t *testing.T) {
	require.NoError(t, powerLost(t, 20))
	assert.Error(t, powerLost(t, 20, withoutOption(lack{sync: true})), "without the sync of a checkpoint")
}

// An error of any operation fails the run, and the next one makes it good.
func TestEachOperationFails(t *testing.T) {
	for _, opts := range [][]FileOption{nil, {Append()}} {
		whole := fsystest.NewDisk("/d")
		ops, err := writeOn(whole, 12, 0, opts...)
		require.NoError(t, err)
		want, err := whole.ReadFile("/d/out.csv")
		require.NoError(t, err)
		for at := 1; at <= ops; at++ {
			disk := fsystest.NewDisk("/d")
			faults := &fsystest.Faults{FS: disk, Before: fsystest.FailAt(at, errPower)}
			job := func(ctx context.Context) error {
				_, err := stage.Run(ctx, rowsOf(0, 12), CSV[small]("/d/out.csv", opts...), stage.Checkpoint(checkpoint.File("/d/job.checkpoint"), 1))
				return err
			}
			if err := job(fsys.With(t.Context(), faults)); err == nil {
				continue
			}
			store := checkpoint.File("/d/job.checkpoint")
			ctx := fsys.With(t.Context(), disk)
			require.NoError(t, store.Open(ctx))
			state, _, err := store.Load(ctx)
			require.NoError(t, err)
			require.NoError(t, store.Close(ctx))
			if !state.Finished {
				require.NoError(t, job(ctx), "operation %d", at)
			}
			got, err := disk.ReadFile("/d/out.csv")
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), "operation %d", at)
		}
	}
}

// syncFails runs a job on a disk whose syncs of the output fail, each in turn, once;
// then the power goes, and the job goes on. It says what is wrong with the file then.
func syncFails(t *testing.T, opts ...FileOption) error {
	t.Helper()
	const n = 12
	whole := fsystest.NewDisk("/d")
	_, err := writeOn(whole, n, 0, opts...)
	require.NoError(t, err)
	want, err := whole.ReadFile("/d/out.csv")
	require.NoError(t, err)
	for at := 1; ; at++ {
		disk, syncs := fsystest.NewDisk("/d"), 0
		faults := &fsystest.Faults{FS: disk, Before: func(op fsystest.Op) error {
			if op.Kind == fsystest.Sync && strings.Contains(op.Name, "out.csv") {
				if syncs++; syncs == at {
					return syscall.EIO
				}
			}
			return nil
		}}
		_, err := stage.Run(fsys.With(t.Context(), faults), rowsOf(0, n), CSV[small]("/d/out.csv", opts...),
			stage.Checkpoint(checkpoint.File("/d/job.checkpoint"), 1))
		if syncs < at {
			require.Greater(t, at, 5, "nothing failed")
			return err
		}
		lost := disk.Crash(func(int) int { return 0 }) // all that may be
		if err != nil {
			require.ErrorIs(t, err, syscall.EIO)
			if _, err := writeOn(lost, n, 0, opts...); err != nil {
				return fmt.Errorf("sync %d: %w", at, err)
			}
		}
		got, err := lost.ReadFile("/d/out.csv")
		if err != nil || string(got) != string(want) {
			return fmt.Errorf("sync %d: %q, want %q: %w", at, got, want, err)
		}
	}
}

// A file whose sync failed is given up, and taken up again by the next run from the
// last checkpoint: a second sync would say that all is well when it is not.
func TestSyncFails(t *testing.T) {
	for _, opts := range [][]FileOption{nil, {Append()}} {
		require.NoError(t, syncFails(t, opts...))
		assert.Error(t, syncFails(t, append(opts, withoutOption(lack{giveUp: true}))...), "syncing once more")
	}
}

// What came after the checkpoint is cut off: here more than comes again.
func TestRestoredFileIsCutBack(t *testing.T) {
	for want, without := range map[string]lack{"ab\n": {}, "ab\nlonger": {cut: true}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".new"), []byte("ab\nlonger"), 0o600))
		state, err := json.Marshal(fileState{Path: path, Name: ".new", Bytes: 3, Begun: true})
		require.NoError(t, err)
		w, err := Lines(path, withoutOption(without)).Open(t.Context(), state)
		require.NoError(t, err)
		require.NoError(t, w.Close(t.Context(), nil))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

// Letters, too, are there once, however often the job was started.
func TestDeadLettersOfRunsThatGoOn(t *testing.T) {
	dir := t.TempDir()
	out, letters := filepath.Join(dir, "out.csv"), filepath.Join(dir, "letters.ndjson")
	for runs := 0; ; runs++ {
		require.Less(t, runs, 50)
		rows := stage.Map(source.Range(0, 100), func(_ context.Context, v int) (small, error) {
			if v%10 == 3 {
				return small{}, errBoom
			}
			return small{v}, nil
		})
		_, err := stage.Run(t.Context(), rows, CSV[small](out), stage.DeadLetter(DeadLetters(letters), 4*runs+4),
			stage.Checkpoint(checkpoint.File(filepath.Join(dir, "job")), 1))
		if err == nil {
			require.Equal(t, 2, runs, "the limit is for all runs together")
			break
		}
		require.ErrorIs(t, err, errBoom)
		require.NoFileExists(t, letters)
	}
	text, err := os.ReadFile(letters)
	require.NoError(t, err)
	assert.Equal(t, 10, strings.Count(string(text), "\n"))
	for v := 3; v < 100; v += 10 {
		assert.Equal(t, 1, strings.Count(string(text), fmt.Sprintf(`"input":%d,`, v))+strings.Count(string(text), fmt.Sprintf(`"input":%d}`, v)), "%d in %s", v, text)
	}
	assert.Equal(t, []string{"job", "job.lock", "job.prev", "letters.ndjson", "out.csv"}, names(t, dir))
}

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.csv")
	for i := range 2 {
		_, err := stage.Run(t.Context(), rowsOf(10*i, 10*i+3), CSV[small](path, Append()))
		require.NoError(t, err)
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := string(got)
	failing := stage.Map(source.Range(0, 3), func(_ context.Context, v int) (small, error) {
		if v == 2 {
			return small{}, errBoom
		}
		return small{v}, nil
	})
	_, err = stage.Run(t.Context(), failing, CSV[small](path, Append()))
	require.ErrorIs(t, err, errBoom)
	got, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, lines, string(got), "a run that fails leaves what was there")

	_, err = stage.Run(t.Context(), failing, CSV[small](filepath.Join(filepath.Dir(path), "new.csv"), Append()))
	require.ErrorIs(t, err, errBoom)
	assert.Equal(t, []string{"log.csv"}, names(t, filepath.Dir(path)))
}

func TestRestoredFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	state := func(s fileState) json.RawMessage {
		b, err := json.Marshal(s)
		require.NoError(t, err)
		return b
	}
	for want, restore := range map[string]json.RawMessage{
		"the checkpoint is of a run that wrote other": state(fileState{Path: "other", Name: "x"}),
		"no such file":                      state(fileState{Path: path, Name: ".gone"}),
		"appended to it, and this one does": state(fileState{Path: path, Name: "out", Append: true}),
		"the checkpoint's state":            json.RawMessage(`[`),
	} {
		_, err := Lines(path).Open(t.Context(), restore)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".short"), []byte("ab"), 0o600))
	_, err := Lines(path).Open(t.Context(), state(fileState{Path: path, Name: ".short", Bytes: 3}))
	require.ErrorContains(t, err, "has 2 bytes, and had 3")

	// The run before has put the file in its place and was killed before it said so.
	require.NoError(t, os.WriteFile(path, []byte("ab\n"), 0o600))
	var sum fsys.Checksum
	_, err = sum.Write([]byte("ab\n"))
	require.NoError(t, err)
	_, err = Lines(path).Open(t.Context(), state(fileState{Path: path, Name: ".gone", Bytes: 3, CRC: sum + 1, Begun: true}))
	require.ErrorIs(t, err, os.ErrNotExist, "another file of that length")
	w, err := Lines(path).Open(t.Context(), state(fileState{Path: path, Name: ".gone", Bytes: 3, CRC: sum, Begun: true}))
	require.NoError(t, err)
	require.NoError(t, w.Write(t.Context(), &stage.Chunk[string]{}))
	require.NoError(t, w.Close(t.Context(), nil))
	w, err = Lines(path).Open(t.Context(), state(fileState{Path: path, Name: ".gone", Bytes: 3, CRC: sum, Begun: true}))
	require.NoError(t, err)
	require.NoError(t, w.Write(t.Context(), &stage.Chunk[string]{Items: []string{"more"}}))
	require.ErrorIs(t, w.Close(t.Context(), nil), errPublished)
}
