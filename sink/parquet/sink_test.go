package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	reading "github.com/penstock-go/penstock/source/parquet"
	"github.com/penstock-go/penstock/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type flight struct {
	Date   time.Time `parquet:"date,timestamp(microsecond)"`
	Origin string    `parquet:"origin"`
	Note   *string   `parquet:"note"`
	Delay  *int64    `parquet:"delay"`
	Miles  int64     `parquet:"miles"`
	Tags   []string  `parquet:"tags,list"`
}

func flights(n int, seed uint64) []flight {
	random := rand.New(rand.NewPCG(seed, 0))
	rows := make([]flight, n)
	for i := range rows {
		rows[i] = flight{
			Date: time.UnixMicro(random.Int64N(1e15)).UTC(), Origin: []string{"LAS", "SFO", "ABE"}[random.IntN(3)], Miles: int64(i), Tags: []string{},
		}
		if random.IntN(3) > 0 {
			note, delay := fmt.Sprint("note ", random.Uint64()), random.Int64N(100)
			rows[i].Note, rows[i].Delay = &note, &delay
		}
		for k := range random.IntN(3) {
			rows[i].Tags = append(rows[i].Tags, fmt.Sprint(k))
		}
	}
	return rows
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	rapid.Check(t, func(t *rapid.T) {
		rows := flights(rapid.IntRange(0, 500).Draw(t, "rows"), rapid.Uint64().Draw(t, "seed"))
		opts := []Option{
			RowGroupBytes(rapid.SampledFrom([]int64{0, 1, 1000, 20_000}).Draw(t, "group")),
			Compression(rapid.SampledFrom([]Codec{Uncompressed, Snappy, Gzip, Zstd, Brotli}).Draw(t, "codec")),
		}
		p := pool.New(rapid.IntRange(1, 4).Draw(t, "workers"))
		defer p.Close()
		chunk := pool.ChunkSize(rapid.SampledFrom([]int{0, 1, 7, 300}).Draw(t, "chunk"))
		keep := func(_ context.Context, f flight) (flight, error) { return f, nil }
		in := source.Slice(rows)
		want := slices.Clone(rows)
		if rapid.Bool().Draw(t, "ordered") {
			_, err := stage.Run(context.Background(), pool.Imap(p, in, keep, chunk), Sink[flight](path, opts...))
			require.NoError(t, err)
		} else {
			_, err := stage.Run(context.Background(), pool.ImapUnordered(p, in, keep, chunk), Sink[flight](path, opts...))
			require.NoError(t, err)
		}
		got, err := reading.Source[flight](path).Collect(context.Background())
		require.NoError(t, err)
		slices.SortFunc(got, func(a, b flight) int { return int(a.Miles - b.Miles) })
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	})
}

func TestPointersAsItems(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	rows := flights(10, 1)
	var items []*flight
	for i := range rows {
		items = append(items, &rows[i])
	}
	_, err := stage.Run(t.Context(), source.Slice(items), Sink[*flight](path))
	require.NoError(t, err)
	got, err := reading.Source[flight](path).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, rows, got)
	items[7] = nil
	_, err = stage.Run(t.Context(), source.Slice(items), Sink[*flight](path))
	require.EqualError(t, err, "sink: "+path+": item 7: it is nil")
}

func TestRowGroupsHaveTheirSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	_, err := stage.Run(t.Context(), source.Slice(flights(100_000, 1)), Sink[flight](path, RowGroupBytes(1<<19)))
	require.NoError(t, err)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	info, err := f.Stat()
	require.NoError(t, err)
	file, err := parquet.OpenFile(f, info.Size())
	require.NoError(t, err)
	groups := file.Metadata().RowGroups
	require.Greater(t, len(groups), 3)
	for _, g := range groups[:len(groups)-1] {
		var bytes int64
		for _, c := range g.Columns {
			bytes += c.MetaData.TotalCompressedSize
		}
		assert.Less(t, bytes, int64(1<<19+1<<16))
		assert.Greater(t, bytes, int64(1<<17))
	}
	assert.Equal(t, "RLE_DICTIONARY", lastEncoding(file, "origin"))
	assert.NotEqual(t, "RLE_DICTIONARY", lastEncoding(file, "miles"))
}

func lastEncoding(f *parquet.File, column string) string {
	for _, c := range f.Root().Columns() {
		if c.Name() == column {
			return c.Encoding().String()
		}
	}
	return ""
}

var errStop = errors.New("stop")

// old writes a file for the sink to replace.
func old(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "rows.parquet")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	return dir, path
}

// intact checks that the old file is as it was, and alone.
func intact(t *testing.T, dir, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "old", string(content))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestFailedRunLeavesTheOldFile(t *testing.T) {
	dir, path := old(t)
	n := 0
	in := stage.Map(source.Slice(flights(5000, 1)), func(_ context.Context, f flight) (flight, error) {
		if n++; n == 3000 {
			return f, errStop
		}
		return f, nil
	})
	_, err := stage.Run(t.Context(), in, Sink[flight](path, RowGroupBytes(1000)))
	require.ErrorIs(t, err, errStop)
	intact(t, dir, path)
}

// failing is an output that fails after some bytes, or when it is committed.
type failing struct {
	room    int
	commit  error
	aborted bool
}

func (f *failing) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}
func (f *failing) Commit() error { return f.commit }

func (f *failing) Abort() error {
	f.aborted = true
	return nil
}

func TestFullDisk(t *testing.T) {
	s := &sink[flight]{path: "rows.parquet", opts: settings([]Option{RowGroupBytes(5000)}), schema: schemaOf[flight]()}
	room := 0
	for ; ; room += 3001 {
		out := &failing{room: room}
		w, err := s.writer(out)
		require.NoError(t, err)
		c := &stage.Chunk[flight]{Items: flights(2000, 1)}
		err = w.Write(t.Context(), c)
		if err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			require.ErrorIs(t, w.Write(t.Context(), c), syscall.ENOSPC, "and stays")
			require.NoError(t, w.Close(t.Context(), err))
		} else if err = w.Close(t.Context(), nil); err == nil {
			assert.False(t, out.aborted)
			break
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.True(t, strings.HasPrefix(err.Error(), "sink: rows.parquet: "), "%v", err)
		assert.True(t, out.aborted)
	}
	assert.Greater(t, room, 20_000, "bytes")
}

func TestCommitFails(t *testing.T) {
	s := &sink[flight]{path: "rows.parquet", opts: settings(nil), schema: schemaOf[flight]()}
	w, err := s.writer(&failing{room: 1 << 20, commit: errStop})
	require.NoError(t, err)
	require.EqualError(t, w.Close(t.Context(), nil), "sink: rows.parquet: stop")
}

func TestPanicOfTheLibraryIsAnItemsError(t *testing.T) {
	type odd struct {
		ID   int64 `parquet:"id"`
		When any   `parquet:"when,json"`
	}
	dir, path := old(t)
	items := make([]odd, 600)
	items[300].When = make(chan int)
	_, err := stage.Run(t.Context(), source.Slice(items), Sink[odd](path))
	require.ErrorContains(t, err, "sink: "+path+": item 300: ")
	intact(t, dir, path)
}

func TestFolderThatIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "rows.parquet")
	_, err := Sink[flight](path).Open(t.Context(), nil)
	require.ErrorContains(t, err, "sink: "+path+": folder ")
	_, err = Sink[flight](path).Open(t.Context(), json.RawMessage(`{"path":"`+path+`"}`))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestArguments(t *testing.T) {
	for want, f := range map[string]func(){
		"penstock: parquet.Sink: T is int, want a struct":                func() { Sink[int]("x") },
		"penstock: parquet.Sink: T is struct {}: it has no columns":      func() { Sink[struct{}]("x") },
		"penstock: parquet.Sink: an option is nil":                       func() { Sink[flight]("x", nil) },
		"penstock: parquet.RowGroupBytes: n is -1, want 0 to 2147483647": func() { RowGroupBytes(-1) },
		"penstock: parquet.Compression: c is 0, which is no codec":       func() { Compression(0) },
		`penstock: parquet.Sink: T is struct { A int; B int "parquet:\"A\"" }: column "A" comes twice`: func() {
			Sink[struct {
				A int
				B int `parquet:"A"`
			}]("x")
		},
	} {
		func() {
			defer func() { assert.Equal(t, want, fmt.Sprint(recover())) }()
			f()
		}()
	}
}
