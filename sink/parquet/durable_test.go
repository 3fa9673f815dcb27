package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var errPower = errors.New("the power is gone")

type number struct {
	N int64 `parquet:"n"`
}

// numbersOn writes n rows to /d/out.parquet, one a chunk.
func numbersOn(ctx context.Context, n int, item func(int) error) (stage.Summary, error) {
	rows := pool.Imap(nil, source.Range(0, n), func(_ context.Context, v int) (number, error) {
		return number{int64(v)}, item(v)
	}, pool.ChunkSize(1), pool.InFlight(1))
	return stage.Run(ctx, rows, Sink[number]("/d/out.parquet"), stage.Checkpoint(checkpoint.File("/d/job.checkpoint"), 1))
}

func nothing(int) error { return nil }

// whole says what is wrong with the file and the folder after a run of n rows.
func whole(disk fsys.FS, n int) error {
	data, err := disk.ReadFile("/d/out.parquet")
	if err != nil {
		return err
	}
	rows, err := parquet.Read[number](bytes.NewReader(data), int64(len(data)))
	if err != nil || len(rows) != n {
		return fmt.Errorf("there are %d rows, want %d: %w", len(rows), n, err)
	}
	for i, row := range rows {
		if row.N != int64(i) {
			return fmt.Errorf("row %d is %d", i, row.N)
		}
	}
	return nil
}

// leftBehind are the hidden files of a folder.
func leftBehind(t *testing.T, disk fsys.FS) (names []string) {
	t.Helper()
	here, err := disk.ReadDir("/d")
	require.NoError(t, err)
	for _, e := range here {
		if strings.HasSuffix(e.Name(), unfinished) {
			names = append(names, e.Name())
		}
	}
	return names
}

// The power is lost at each operation of a job, and of many things is lost what may
// be; what is durable when the next run has ended is whole.
func TestPowerLoss(t *testing.T) {
	for _, n := range []int{0, 1, 5} {
		count := &fsystest.Faults{FS: fsystest.NewDisk("/d")}
		sum, err := numbersOn(fsys.With(t.Context(), count), n, nothing)
		require.NoError(t, err)
		require.Equal(t, stage.ExactlyOnce, sum.Guarantee)
		require.NoError(t, whole(count, n))
		for at := 1; at <= count.Count(); at++ {
			for seed := range 4 {
				chance := rand.New(rand.NewPCG(uint64(seed), uint64(at)))
				disk := fsystest.NewDisk("/d")
				faults := &fsystest.Faults{FS: disk, Before: fsystest.FailFrom(at, errPower)}
				if _, err := numbersOn(fsys.With(t.Context(), faults), n, nothing); err == nil {
					continue
				}
				disk = disk.Crash(chance.IntN)
				_, err := numbersOn(fsys.With(t.Context(), disk), n, nothing)
				require.NoError(t, err, "operation %d, seed %d", at, seed)
				require.Empty(t, leftBehind(t, disk), "operation %d, seed %d", at, seed)
				require.NoError(t, whole(disk.Crash(func(int) int { return 0 }), n), "operation %d, seed %d", at, seed)
			}
		}
	}
}

// A run that failed at an item goes on behind the last checkpoint, and leaves the
// old file until it has ended.
func TestRunsThatGoOn(t *testing.T) {
	disk := fsystest.NewDisk("/d")
	ctx := fsys.With(t.Context(), disk)
	came := 0
	_, err := numbersOn(ctx, 20, func(v int) error {
		if v == 12 {
			return errPower
		}
		return nil
	})
	require.ErrorIs(t, err, errPower)
	require.Error(t, whole(disk, 20))
	require.NotEmpty(t, leftBehind(t, disk))
	sum, err := numbersOn(ctx, 20, func(int) error { came++; return nil })
	require.NoError(t, err)
	require.NotNil(t, sum.Resumed)
	assert.Less(t, came, 20)
	require.NoError(t, whole(disk, 20))
	assert.Empty(t, leftBehind(t, disk))
}

// What a state speaks of must be there, whole, or be in the file.
func TestRestoredSegments(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.parquet")
	s := Sink[number](path)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".out.parquet-segment-00001.unfinished"), []byte("x"), 0o600))
	for want, state := range map[string]string{
		"the checkpoint's state":                      `[`,
		"the checkpoint is of a run that wrote other": `{"path":"other"}`,
		"has 1 bytes, and had 2":                      `{"path":"` + path + `","segments":[{"name":".out.parquet-segment-00001.unfinished","bytes":2,"crc32c":"00000000"}]}`,
		"what the run before has written is gone":     `{"path":"` + path + `","segments":[{"name":".gone","bytes":2,"crc32c":"00000000"}]}`,
	} {
		_, err := s.Open(t.Context(), []byte(state))
		require.ErrorContains(t, err, want)
	}
	_, err := s.Open(t.Context(), []byte(`{"path":"`+path+`"}`))
	require.NoError(t, err)
	here, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, here, "what no checkpoint speaks of is removed")
}

// The file is recognised by what it was made of where its segments are gone.
func TestPublishedFileIsRecognised(t *testing.T) {
	disk := fsystest.NewDisk("/d")
	ctx := fsys.With(t.Context(), disk)
	s := Sink[number]("/d/out.parquet")
	for _, segments := range []int{1, 3} {
		state := []byte(`{"path":"/d/out.parquet"}`)
		w, err := s.Open(ctx, state)
		require.NoError(t, err)
		commits, ok := w.(stage.Committer)
		require.True(t, ok)
		for i := range segments {
			require.NoError(t, w.Write(ctx, &stage.Chunk[number]{Items: []number{{int64(i)}}}))
			state, err = commits.Prepare(ctx, uint64(i+1))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close(ctx, nil))
		require.NoError(t, whole(disk, segments))
		w, err = s.Open(ctx, state)
		require.NoError(t, err)
		require.ErrorIs(t, w.Write(ctx, &stage.Chunk[number]{Items: []number{{9}}}), errPublished)
		require.ErrorIs(t, w.Close(ctx, nil), errPublished)
		w, err = s.Open(ctx, state)
		require.NoError(t, err)
		require.NoError(t, w.Close(ctx, nil))
		require.NoError(t, whole(disk, segments))
	}
}

// Pages are copied as they are: those of a column's chunk in the file are in a segment,
// byte for byte.
func TestRowGroupsAreCopiedAsTheyAre(t *testing.T) {
	disk := fsystest.NewDisk("/d")
	ctx := fsys.With(t.Context(), disk)
	w, err := Sink[flight]("/d/out.parquet").Open(ctx, []byte(`{"path":"/d/out.parquet"}`))
	require.NoError(t, err)
	commits, ok := w.(stage.Committer)
	require.True(t, ok)
	var segments [][]byte
	for i := range 3 {
		require.NoError(t, w.Write(ctx, &stage.Chunk[flight]{Items: flights(200, uint64(i))}))
		_, err = commits.Prepare(ctx, uint64(i+1))
		require.NoError(t, err)
		text, err := disk.ReadFile(fmt.Sprintf("/d/.out.parquet-segment-%05d.unfinished", i+1))
		require.NoError(t, err)
		segments = append(segments, text)
	}
	require.NoError(t, w.Close(ctx, nil))
	data, err := disk.ReadFile("/d/out.parquet")
	require.NoError(t, err)
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.Len(t, file.RowGroups(), 3)
	for i, group := range file.Metadata().RowGroups {
		for _, column := range group.Columns {
			m := column.MetaData
			from := m.DataPageOffset
			if m.DictionaryPageOffset > 0 {
				from = m.DictionaryPageOffset
			}
			require.True(t, bytes.Contains(segments[i], data[from:from+m.TotalCompressedSize]), "%v of row group %d", m.PathInSchema, i)
		}
	}
}
