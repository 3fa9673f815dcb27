package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// partSinks are the sinks whose files are published as they become complete.
func partSinks(dir string, without lack) map[string]stage.Sink[small] {
	by := By("third", func(s small) string { return fmt.Sprint(s.N % 3) })
	return map[string]stage.Sink[small]{
		"parts":      CSV[small](filepath.Join(dir, "out.csv"), MaxBytes(9), withoutOption(without)),
		"partitions": Partitioned(filepath.Join(dir, "out"), "part.csv", CSVEncoder[small](), by, MaxBytes(9), MaxOpen(1), withoutOption(without)),
	}
}

// writeParts runs a job of n items on a file system.
func writeParts(ctx context.Context, s stage.Sink[small], n int) error {
	_, err := stage.Run(ctx, rowsOf(0, n), s, stage.Checkpoint(checkpoint.File("/d/job.checkpoint"), 1))
	return err
}

// treeOn is the files of a folder on a disk, but for those of checkpoints and the
// manifests, which it checks.
func treeOn(disk fsys.FS, root, dir string) (map[string]string, error) {
	found := map[string]string{}
	here, err := disk.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range here {
		name := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			below, err := treeOn(disk, root, name)
			if err != nil {
				return nil, err
			}
			maps.Copy(found, below)
		case strings.HasPrefix(e.Name(), "job."):
		case strings.HasPrefix(e.Name(), "_"):
			if err := checkManifest(disk, name); err != nil {
				return nil, err
			}
			found[name] = "a manifest"
		default:
			text, err := disk.ReadFile(name)
			if err != nil {
				return nil, err
			}
			found[name] = string(text)
		}
	}
	return found, nil
}

// checkManifest checks that the files are as a manifest of a run that has ended says.
func checkManifest(disk fsys.FS, name string) error {
	m, err := readManifest(disk, name)
	if err != nil {
		return err
	}
	if !m.Complete {
		return fmt.Errorf("%s: not complete", name)
	}
	for _, e := range m.Parts {
		file := filepath.Join(filepath.Dir(name), e.File)
		ok, err := fsys.IsFile(disk, file, e.Bytes, e.CRC)
		if !ok || err != nil {
			return fmt.Errorf("%s: %+v is not there: %w", name, e, err)
		}
		text, err := disk.ReadFile(file)
		if rows := max(0, strings.Count(string(text), "\n")-1); err != nil || int64(rows) != e.Rows || e.FirstEpoch < 1 || e.LastEpoch < e.FirstEpoch {
			return fmt.Errorf("%s: %+v has %d rows: %w", name, e, rows, err)
		}
	}
	return nil
}

// partsOnLostPower cuts the power at each operation of a job, lets of many things be
// lost what may be, goes on, and says what is wrong then.
func partsOnLostPower(t *testing.T, kind string, n, seeds int, without lack) error {
	t.Helper()
	job := func(disk fsys.FS, failFrom int) (ops int, err error) {
		faults := &fsystest.Faults{FS: disk}
		if failFrom > 0 {
			faults.Before = fsystest.FailFrom(failFrom, errPower)
		}
		err = writeParts(fsys.With(context.Background(), faults), partSinks("/d", without)[kind], n)
		return faults.Count(), err
	}
	whole := fsystest.NewDisk("/d")
	ops, err := job(whole, 0)
	require.NoError(t, err)
	want, err := treeOn(whole, "/d", "/d")
	require.NoError(t, err)
	require.Greater(t, len(want), 1)
	for at := 1; at <= ops; at++ {
		for seed := range seeds {
			chance := rand.New(rand.NewPCG(uint64(seed), uint64(at)))
			disk := fsystest.NewDisk("/d")
			if _, err := job(disk, at); err == nil {
				continue // only what comes behind the end failed
			}
			disk = disk.Crash(chance.IntN)
			if _, err := job(disk, 0); err != nil {
				return fmt.Errorf("power lost at operation %d, seed %d: %w", at, seed, err)
			}
			got, err := treeOn(disk.Crash(func(int) int { return 0 }), "/d", "/d") // what is durable
			if err != nil || !assert.ObjectsAreEqual(want, got) {
				return fmt.Errorf("power lost at operation %d, seed %d: %q, want %q: %w", at, seed, got, want, err)
			}
		}
	}
	return nil
}

func TestPartsOnLostPower(t *testing.T) {
	for kind := range partSinks("/d", lack{}) {
		require.NoError(t, partsOnLostPower(t, kind, 12, 8, lack{}), kind)
		require.NoError(t, partsOnLostPower(t, kind, 1, 8, lack{}), kind)
		assert.Error(t, partsOnLostPower(t, kind, 12, 8, lack{sync: true}), "%s without the sync of a checkpoint", kind)
	}
}

// An error of any operation fails the run, and the next one makes it good.
func TestEachOperationOfPartsFails(t *testing.T) {
	for kind := range partSinks("/d", lack{}) {
		whole := &fsystest.Faults{FS: fsystest.NewDisk("/d")}
		require.NoError(t, writeParts(fsys.With(t.Context(), whole), partSinks("/d", lack{})[kind], 12))
		want, err := treeOn(whole, "/d", "/d")
		require.NoError(t, err)
		for at := 1; at <= whole.Count(); at++ {
			disk := fsystest.NewDisk("/d")
			faults := &fsystest.Faults{FS: disk, Before: fsystest.FailAt(at, errPower)}
			if err := writeParts(fsys.With(t.Context(), faults), partSinks("/d", lack{})[kind], 12); err == nil {
				continue
			}
			store := checkpoint.File("/d/job.checkpoint")
			ctx := fsys.With(t.Context(), disk)
			require.NoError(t, store.Open(ctx))
			state, _, err := store.Load(ctx)
			require.NoError(t, errors.Join(err, store.Close(ctx)))
			if !state.Finished {
				require.NoError(t, writeParts(ctx, partSinks("/d", lack{})[kind], 12), "%s: operation %d", kind, at)
			}
			got, err := treeOn(disk, "/d", "/d")
			require.NoError(t, err, "%s: operation %d", kind, at)
			require.Equal(t, want, got, "%s: operation %d", kind, at)
		}
	}
}

// However often a run fails and goes on, the files together have what an undisturbed
// one writes, and a run without a checkpoint.
func TestPartsOfRunsThatGoOnProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(r, "n")
		disk := fsystest.NewDisk("/d")
		ctx := fsys.With(t.Context(), disk)
		opts := []FileOption{MaxBytes(rapid.Int64Range(1, 40).Draw(r, "max"))}
		kind := rapid.SampledFrom([]string{"blocks", "items", "partitions"}).Draw(r, "kind")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 9).Draw(r, "chunks")
		for runs := 0; ; runs++ {
			require.Less(r, runs, 500)
			came, fail := 0, rapid.IntRange(4, 30).Draw(r, "fails")
			rows := stage.Map(source.Range(0, n), func(_ context.Context, v int) (small, error) {
				if came++; came == fail {
					return small{}, errBoom
				}
				return small{v}, nil
			})
			save := stage.Checkpoint(checkpoint.File("/d/job.checkpoint"), 1)
			var err error
			var sum stage.Summary
			switch kind {
			case "blocks":
				enc := CSVEncoder[small]()
				format, _ := enc.(stage.Format)
				blocks := stage.Map(rows.Named("rows"), func(_ context.Context, s small) (stage.Block, error) {
					b, err := enc.Encode(nil, &stage.Chunk[small]{Items: []small{s}})
					return stage.Block{Bytes: b, Items: 1, Format: format}, err
				})
				sum, err = stage.Run(ctx, blocks, File("/d/out.csv", opts...), save)
			case "items":
				sum, err = stage.Run(ctx, rows, CSV[small]("/d/out.csv", opts...), save)
			case "partitions":
				by := By("n", func(s small) string { return fmt.Sprint(s.N % (1 + sizes[0])) })
				sum, err = stage.Run(ctx, rows, Partitioned("/d/out", "part.csv", CSVEncoder[small](), by, append(opts, MaxOpen(2))...), save)
			}
			if err == nil {
				require.Equal(r, stage.ExactlyOnce, sum.Guarantee)
				break
			}
			require.ErrorIs(r, err, errBoom)
		}
		got, err := treeOn(disk, "/d", "/d")
		require.NoError(r, err)
		var all []int
		for name, text := range got {
			if text == "a manifest" || text == "" && n == 0 {
				continue
			}
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			require.Equal(r, "N", lines[0], name)
			last := -1
			for _, line := range lines[1:] {
				var v int
				_, err := fmt.Sscan(line, &v)
				require.NoError(r, err)
				require.Greater(r, v, last, "in order")
				last = v
				all = append(all, v)
			}
		}
		require.Len(r, all, n)
		seen := map[int]bool{}
		for _, v := range all {
			seen[v] = true
		}
		require.Len(r, seen, n)
	})
}

// Files of an earlier run stay until others take their place; what is in no manifest
// is never replaced.
func TestPartsReplaceThoseOfTheRunBefore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.csv")
	job := func(n int, opts ...FileOption) error {
		_, err := stage.Run(t.Context(), rowsOf(0, n), CSV[small](path, opts...), stage.Checkpoint(checkpoint.File(filepath.Join(dir, "job")), 0))
		return err
	}
	require.NoError(t, job(9, MaxBytes(6)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "out-1.csv"), []byte("mine"), 0o600))
	require.NoError(t, job(2, MaxBytes(6)))
	assert.Equal(t, map[string]string{"out-00001.csv": "N\n0\n1\n", "out-1.csv": "mine"}, data(t, dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "out-00003.csv"), []byte("mine"), 0o600))
	require.ErrorContains(t, job(9, MaxBytes(6)), "out-00003.csv is there and in no manifest")
	assert.Equal(t, map[string]string{"out-00001.csv": "N\n0\n1\n", "out-1.csv": "mine", "out-00003.csv": "mine"}, data(t, dir))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "_out.manifest.json"), []byte(`{"version":1,"run":"x","parts":[{"file":"../a"}]}`), 0o600))
	require.ErrorIs(t, job(9, MaxBytes(6)), errManifest)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "_out.manifest.json"), []byte(`[`), 0o600))
	require.ErrorIs(t, job(9, MaxBytes(6)), errManifest)

	_, err := stage.Run(t.Context(), rowsOf(0, 1), CSV[small](path, MaxBytes(6)))
	require.NoError(t, err)
	assert.NoFileExists(t, filepath.Join(dir, "_out.manifest.json"), "it would not be true after a run without a checkpoint")
}

// data is the files of a folder but for those of checkpoints and manifests.
func data(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for name, text := range tree(t, dir) {
		if base := filepath.Base(name); !strings.HasPrefix(base, "job") && !strings.HasPrefix(base, "_") {
			files[name] = text
		}
	}
	return files
}

// Folders that a run writes nothing to keep the files of the runs before.
func TestPartitionsKeepOtherFolders(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "out")
	job := func(day string, from, to int) error {
		by := By("day", func(small) string { return day })
		_, err := stage.Run(t.Context(), rowsOf(from, to), Partitioned(root, "part.csv", CSVEncoder[small](), by, MaxBytes(5)),
			stage.Checkpoint(checkpoint.File(filepath.Join(dir, "job")), 0))
		return err
	}
	require.NoError(t, job("mon", 0, 4))
	require.NoError(t, job("tue", 4, 6))
	require.NoError(t, job("mon", 7, 8))
	assert.Equal(t, map[string]string{
		"day=mon/part-00001.csv": "N\n7\n", "day=tue/part-00001.csv": "N\n4\n5\n",
	}, data(t, root))
	require.NoError(t, checkManifest(fsys.OS{}, filepath.Join(root, "_part.manifest.json")))

	require.NoError(t, os.Symlink(dir, filepath.Join(root, "day=wed")))
	require.ErrorContains(t, job("wed", 0, 1), "a link leads to")
}

// What the state says must be there, and be what it was.
func TestRestoredParts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	s := Lines(path, MaxBytes(4))
	for want, state := range map[string]string{
		"the checkpoint's state":                      `[`,
		"the checkpoint is of a run that wrote other": `{"path":"other"}`,
		"lists 0 files of this run, and did list 2":   `{"path":"` + path + `","run":"x","published":2}`,
		"2 files go on":                               `{"path":"` + path + `","run":"x","open":[{"file":"out-00001"},{"file":"out-00002"}]}`,
		"no such file":                                `{"path":"` + path + `","run":"x","open":[{"file":"out-00003","bytes":1}]}`,
		"has 0 bytes, and had 1":                      `{"path":"` + path + `","run":"x","open":[{"file":"out-00001","bytes":1}]}`,
	} {
		for _, name := range []string{".out-00001.unfinished", ".out-00002.unfinished"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		}
		_, err := s.Open(t.Context(), []byte(state))
		require.ErrorContains(t, err, want)
	}
	_, err := s.Open(t.Context(), []byte(`{"path":"`+path+`","run":"x"}`))
	require.NoError(t, err)
	assert.Empty(t, tree(t, dir), "what no checkpoint speaks of")
	w, err := s.Open(t.Context(), []byte(`{"path":"`+path+`","run":"x","full":[{"file":"out-00001","bytes":1,"crc32c":"00000000"}]}`))
	require.NoError(t, err)
	commits, ok := w.(stage.Committer)
	require.True(t, ok)
	require.ErrorIs(t, commits.Commit(t.Context(), 1), fs.ErrNotExist)
}

// What came after the checkpoint is cut off: here more than comes again.
func TestRestoredPartIsCutBack(t *testing.T) {
	for want, without := range map[string]lack{"ab\n": {}, "ab\nlonger": {cut: true}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".out-00001.unfinished"), []byte("ab\nlonger"), 0o600))
		w, err := Lines(path, MaxBytes(10), withoutOption(without)).Open(t.Context(),
			[]byte(`{"path":"`+path+`","run":"x","open":[{"file":"out-00001","bytes":3,"crc32c":"00000000","rows":1,"size":3}],"begun":true}`))
		require.NoError(t, err)
		require.NoError(t, w.Close(t.Context(), nil))
		assert.Equal(t, want, tree(t, dir)["out-00001"])
	}
}
