package sink

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/atomicfile"
	"github.com/penstock-go/penstock/stage"
)

type product struct {
	ID    int      `csv:"id"    json:"id"`
	Name  string   `csv:"name"  json:"name"`
	Price *float64 `csv:"price" json:"price"`
}

// unpack reads a file that is compressed as its name says.
func unpack(t *testing.T, path string) string {
	t.Helper()
	data := content(t, path)
	switch filepath.Ext(path) {
	case ".gz":
		r, err := gzip.NewReader(strings.NewReader(data))
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(b)
	case ".zst":
		r, err := zstd.NewReader(strings.NewReader(data), zstd.WithDecoderConcurrency(1))
		require.NoError(t, err)
		defer r.Close()
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(b)
	}
	return data
}

func TestFiles(t *testing.T) {
	price := 2.5
	products := []product{{1, "plain", &price}, {2, "a \"b\", c\nd", nil}}
	for _, name := range []string{"out", "out.gz", "out.zst"} {
		for _, n := range []int{1, 10} {
			dir, path := old(t, name)
			require.NoError(t, run(t, Lines(path), n, "one", "", "three\r"))
			assert.Equal(t, "one\n\nthree\r\n", unpack(t, path))
			require.NoError(t, run(t, CSV[product](path), n, products...))
			assert.Equal(t, "id,name,price\n1,plain,2.5\n2,\"a \"\"b\"\", c\nd\",\n", unpack(t, path))
			require.NoError(t, run(t, CSV[*product](path), n, &products[0]))
			assert.Equal(t, "id,name,price\n1,plain,2.5\n", unpack(t, path))
			require.NoError(t, run(t, NDJSON[product](path), n, products...))
			want := "{\"id\":1,\"name\":\"plain\",\"price\":2.5}\n" +
				"{\"id\":2,\"name\":\"a \\\"b\\\", c\\nd\",\"price\":null}\n"
			assert.Equal(t, want, unpack(t, path))
			assert.Equal(t, []string{name}, names(t, dir))
		}
	}
}

func TestFilesOfNothing(t *testing.T) {
	for _, name := range []string{"out", "out.gz", "out.zst"} {
		_, path := old(t, name)
		require.NoError(t, run(t, Lines(path), 1))
		assert.Empty(t, unpack(t, path))
		require.NoError(t, run(t, NDJSON[product](path), 1))
		assert.Empty(t, unpack(t, path))
		require.NoError(t, run(t, CSV[product](path), 1))
		assert.Equal(t, "id,name,price\n", unpack(t, path))
	}
}

func TestLargeFile(t *testing.T) {
	lines := make([]string, 50_000)
	for i := range lines {
		lines[i] = strings.Repeat("x", i%50)
	}
	for _, name := range []string{"out", "out.gz", "out.zst"} {
		_, path := old(t, name)
		require.NoError(t, run(t, Lines(path), 777, lines...))
		require.Equal(t, strings.Join(lines, "\n")+"\n", unpack(t, path))
	}
}

// A run that fails leaves the old file byte for byte, and no temporary one.
func TestAbortLeavesTheOldFile(t *testing.T) {
	for _, name := range []string{"out", "out.gz", "out.zst"} {
		dir, path := old(t, name)
		w := open(t, Lines(path))
		for _, c := range chunks([]string{"new", strings.Repeat("x", 100_000), "more"}, 1) {
			require.NoError(t, w.Write(t.Context(), c))
			assert.Equal(t, "old", content(t, path), "until it is closed")
		}
		require.NoError(t, w.Close(t.Context(), errBoom))
		assert.Equal(t, "old", content(t, path))
		assert.Equal(t, []string{name}, names(t, dir))
	}
	dir := t.TempDir()
	w := open(t, Lines(filepath.Join(dir, "new")))
	require.NoError(t, w.Close(t.Context(), errBoom))
	assert.Empty(t, names(t, dir))
}

// touchy panics when it is encoded.
type touchy struct{}

func (touchy) MarshalText() ([]byte, error) { panic("touched") }

func TestItemErrors(t *testing.T) {
	dir, path := old(t, "out")
	err := run(t, Lines(path), 2, "one", "two", "thr\nee")
	require.ErrorIs(t, err, ErrNewline)
	require.EqualError(t, err, "sink: "+path+": item 2: the item holds a newline")

	err = run(t, NDJSON[float64](path), 2, 1, math.NaN())
	require.ErrorContains(t, err, "sink: "+path+": item 1: json: ")

	err = run(t, CSV[*product](path), 2, &product{}, nil)
	require.ErrorContains(t, err, "sink: "+path+": item 1: csvutil: ")

	type row struct{ T touchy }
	for _, s := range []stage.Sink[row]{CSV[row](path), NDJSON[row](path)} {
		err = run(t, s, 2, row{})
		require.EqualError(t, err, "sink: "+path+": item 0: panic: touched")
		pe, ok := errors.AsType[*stage.PanicError](err)
		require.True(t, ok)
		assert.Contains(t, string(pe.Stack), "MarshalText")
	}
	assert.Equal(t, "old", content(t, path))
	assert.Equal(t, []string{"out"}, names(t, dir))
}

// A writer that failed does not commit, whatever its caller makes of it.
func TestFailureIsSticky(t *testing.T) {
	dir, path := old(t, "out")
	w := open(t, Lines(path))
	require.Error(t, w.Write(t.Context(), &stage.Chunk[string]{Items: []string{"\n"}}))
	require.ErrorIs(t, w.Write(t.Context(), &stage.Chunk[string]{Items: []string{"fine"}}), ErrNewline)
	require.ErrorIs(t, w.Close(t.Context(), nil), ErrNewline)
	assert.Equal(t, "old", content(t, path))
	assert.Equal(t, []string{"out"}, names(t, dir))
}

// faulty makes operations on files fail.
func faulty(fault atomicfile.Fault) FileOption {
	return fileOption(func(o *fileOptions) { o.fault = fault })
}

// fullAt is a disk that has room for so many writes.
func fullAt(writes int) FileOption {
	return faulty(func(op atomicfile.Op, _ string) error {
		if op != atomicfile.Write {
			return nil
		}
		if writes--; writes < 0 {
			return syscall.ENOSPC
		}
		return nil
	})
}

// jumble are lines that do not compress well.
func jumble(n int) []string {
	r := rand.New(rand.NewPCG(3, 4))
	lines := make([]string, n)
	for i := range lines {
		lines[i] = strconv.FormatUint(r.Uint64(), 36)
	}
	return lines
}

func TestDiskIsFull(t *testing.T) {
	lines := jumble(100_000)
	for _, name := range []string{"out.txt", "out.txt.gz", "out.txt.zst"} {
		for _, split := range []int64{0, 500_000} {
			writes := 0
			count := faulty(func(op atomicfile.Op, _ string) error {
				if op == atomicfile.Write {
					writes++
				}
				return nil
			})
			require.NoError(t, run(t, Lines(filepath.Join(t.TempDir(), name), MaxBytes(split), count), 1000, lines...))
			require.Greater(t, writes, 3)
			for room := 0; room < writes; room += 1 + writes/5 {
				dir, path := old(t, name)
				err := run(t, Lines(path, MaxBytes(split), fullAt(room)), 1000, lines...)
				require.ErrorIs(t, err, syscall.ENOSPC)
				require.ErrorContains(t, err, "sink: "+path+": ")
				require.ErrorContains(t, err, "write: no space left on device")
				require.Equal(t, "old", content(t, path))
				require.Equal(t, []string{name}, names(t, dir))
			}
		}
	}
}

// What the system says when a file is completed is what the run fails with.
func TestCommitFails(t *testing.T) {
	for _, op := range []atomicfile.Op{atomicfile.Sync, atomicfile.Close, atomicfile.Rename} {
		for _, split := range []int64{0, 4} {
			dir, path := old(t, "out")
			err := run(t, Lines(path, MaxBytes(split), faulty(func(o atomicfile.Op, _ string) error {
				if o == op {
					return syscall.EIO
				}
				return nil
			})), 1, "one", "two")
			require.ErrorIs(t, err, syscall.EIO)
			require.ErrorContains(t, err, "sink: "+path+": ")
			require.ErrorContains(t, err, string(op)+": input/output error")
			assert.Equal(t, "old", content(t, path))
			assert.Equal(t, []string{"out"}, names(t, dir))
		}
	}
}

func TestFolderIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "out")
	_, err := Lines(path).Open(t.Context(), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "sink: "+path+": folder "+filepath.Dir(path)+": no such file or directory")
}

func TestFolderIsRemovedBeforeTheEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "out")
	w := open(t, Lines(path))
	require.NoError(t, w.Write(t.Context(), &stage.Chunk[string]{Items: []string{"new"}}))
	require.NoError(t, os.RemoveAll(dir))
	require.EqualError(t, w.Close(t.Context(), nil), "sink: "+path+": rename: no such file or directory")
}

// standard makes standard output a file for the time of a call, and returns what
// was written to it.
func standard(t *testing.T, call func(f *os.File)) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	was := os.Stdout
	os.Stdout = f
	defer func() { os.Stdout = was }()
	call(f)
	require.NoError(t, f.Close(), "standard output is left open")
	return content(t, f.Name())
}

func TestStandardOutput(t *testing.T) {
	got := standard(t, func(f *os.File) {
		require.NoError(t, run(t, Lines("-"), 2, "one", "two"))
		w := open(t, CSV[product]("-"))
		assert.Equal(t, "one\ntwo\nid,name,price\n", content(t, f.Name()), "the header comes at once")
		require.NoError(t, w.Write(t.Context(), &stage.Chunk[product]{Items: []product{{ID: 7}}}))
		assert.Equal(t, "one\ntwo\nid,name,price\n7,,\n", content(t, f.Name()), "and each chunk")
		require.NoError(t, w.Close(t.Context(), errBoom))
		err := run(t, NDJSON[float64]("-"), 3, 1, 2, math.Inf(1))
		require.ErrorContains(t, err, "sink: stdout: item 2: ")
	})
	assert.Equal(t, "one\ntwo\nid,name,price\n7,,\n1\n2\n", got, "whole items only")
}

func TestStandardOutputFails(t *testing.T) {
	standard(t, func(f *os.File) {
		closed, err := os.Open(f.Name()) // not for writing
		require.NoError(t, err)
		defer func() { require.NoError(t, closed.Close()) }()
		os.Stdout = closed
		require.ErrorContains(t, run(t, Lines("-"), 1, "x"), "sink: stdout: ")
		_, err = CSV[product]("-").Open(t.Context(), nil)
		require.ErrorContains(t, err, "sink: stdout: ")
		os.Stdout = f
	})
}

func TestDevicesAreWrittenTo(t *testing.T) {
	require.NoError(t, run(t, Lines(os.DevNull), 1, "x"))
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	assert.False(t, info.Mode().IsRegular())
}

func TestNDJSONDetails(t *testing.T) {
	_, path := old(t, "out")
	require.NoError(t, run(t, NDJSON[any](path), 1,
		any(map[string]int{"b": 1, "a": 2, "c": 3}), any("bad \xff utf-8"), any(jsontext.Value("{\n \"x\" : 1 }")), nil, any("<&>")))
	assert.Equal(t, "{\"a\":2,\"b\":1,\"c\":3}\n\"bad \ufffd utf-8\"\n{\"x\":1}\nnull\n\"<&>\"\n", content(t, path))
	letter := stage.Letter{Stage: "parse", Index: 3, Input: "1,\xff", Reason: "bad"}
	require.NoError(t, run(t, NDJSON[stage.Letter](path), 1, letter))
	assert.Contains(t, content(t, path), "\"input\":\"1,\ufffd\",\"reason\":\"bad\"", "any rejected line can be written")
}

// What is written is what encoding/csv writes, and reads back the same, an only
// empty field included.
func TestCSVLikeEncodingCSV(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.OneOf(
			rapid.StringOf(rapid.RuneFrom([]rune("ab\",;\r\n \té\u00a0"))),
			rapid.SampledFrom([]string{"", `\.`, `"`, "\xff", " "}), rapid.String(),
		)
		n := rapid.IntRange(1, 4).Draw(t, "columns")
		records1 := rapid.SliceOfN(rapid.SliceOfN(field, n, n), 1, 5).Draw(t, "records")
		var theirs bytes.Buffer
		w := csv.NewWriter(&theirs)
		var r records
		for _, fields := range records1 {
			require.NoError(t, r.Write(fields))
			if n == 1 && fields[0] == "" {
				w.Flush()
				theirs.WriteString("\"\"\n")
			} else {
				require.NoError(t, w.Write(fields))
			}
		}
		w.Flush()
		require.Equal(t, theirs.String(), string(r.buf))
		back, err := csv.NewReader(bytes.NewReader(r.buf)).ReadAll()
		require.NoError(t, err)
		require.Len(t, back, len(records1))
		for i := range back {
			for k := range back[i] {
				// encoding/csv reads a carriage return and newline as a newline.
				require.Equal(t, strings.ReplaceAll(records1[i][k], "\r\n", "\n"), back[i][k])
			}
		}
	})
}

// Whatever the chunks, the file is the same.
func TestAnyChunksSameFile(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		items := rapid.SliceOf(rapid.StringMatching(`[a-z ]{0,9}`)).Draw(rt, "items")
		n := rapid.IntRange(1, 7).Draw(rt, "chunk")
		name := rapid.SampledFrom([]string{"out", "out.gz", "out.zst"}).Draw(rt, "name")
		path := filepath.Join(dir, name)
		require.NoError(t, run(t, Lines(path), n, items...))
		want := ""
		for _, item := range items {
			want += item + "\n"
		}
		require.Equal(rt, want, unpack(t, path))
	})
}

func BenchmarkFiles(b *testing.B) {
	type flight struct {
		Date        string
		Delay       int
		Distance    int
		Origin      string
		Destination string
	}
	rows := make([]flight, 20_000)
	lines := make([]string, len(rows))
	for i := range rows {
		rows[i] = flight{"2001-01-01T00:01:00", i % 100, i, "ABQ", "PHX"}
		lines[i] = "2001-01-01T00:01:00,12,345,ABQ,PHX"
	}
	dir := b.TempDir()
	b.Run("lines", func(b *testing.B) { write(b, Lines(filepath.Join(dir, "lines")), lines) })
	b.Run("csv", func(b *testing.B) { write(b, CSV[flight](filepath.Join(dir, "csv")), rows) })
	b.Run("ndjson", func(b *testing.B) { write(b, NDJSON[flight](filepath.Join(dir, "ndjson")), rows) })
	b.Run("lines.zst", func(b *testing.B) { write(b, Lines(filepath.Join(dir, "lines.zst")), lines) })
	b.Run("lines.gz", func(b *testing.B) { write(b, Lines(filepath.Join(dir, "lines.gz")), lines) })
}

func write[T any](b *testing.B, s stage.Sink[T], items []T) {
	b.Helper()
	all := chunks(items, 256)
	b.ReportAllocs()
	for b.Loop() {
		w := open(b, s)
		for _, c := range all {
			require.NoError(b, w.Write(context.Background(), c))
		}
		require.NoError(b, w.Close(context.Background(), nil))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(items)), "ns/item")
}
