package parquet

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// plainRow has a column of each kind that is decoded here.
type plainRow struct {
	Inner
	ID      int64      `parquet:"id"`
	Bool    bool       `parquet:"bool"`
	Int     int        `parquet:"int,delta"`
	Int32   int32      `parquet:"int32"`
	Uint32  uint32     `parquet:"uint32,dict"`
	Uint64  uint64     `parquet:"uint64"`
	Float32 float32    `parquet:"float32,split"`
	Float64 float64    `parquet:"float64"`
	Text    string     `parquet:"text"`
	Word    string     `parquet:"word,dict"`
	Delta   string     `parquet:"delta,delta"`
	Bytes   []byte     `parquet:"bytes"`
	Milli   time.Time  `parquet:"milli,timestamp(millisecond)"`
	Micro   time.Time  `parquet:"micro,timestamp(microsecond)"`
	Nano    time.Time  `parquet:"nano"`
	Number  *int64     `parquet:"number"`
	Name    *string    `parquet:"name,dict"`
	Flag    *bool      `parquet:"flag"`
	When    *time.Time `parquet:"when"`
	Half    *float32   `parquet:"half,dict"`
	Maybe   int64      `parquet:"maybe,optional"`
}

// Inner is embedded: its fields are columns of the row.
type Inner struct {
	Depth float64 `parquet:"depth,dict"`
}

// richRow has columns that the library decodes.
type richRow struct {
	ID    int64            `parquet:"id"`
	Tags  []string         `parquet:"tags,list"`
	Where *spot            `parquet:"where"`
	Marks map[string]int64 `parquet:"marks"`
	Sizes []int32          `parquet:"sizes"`
}

type spot struct {
	Lat  float64 `parquet:"lat"`
	Name *string `parquet:"name"`
}

func plainRows(t *rapid.T, n int) []plainRow {
	rows := make([]plainRow, n)
	words := []string{"", "a", "LAS", "naïve", "a\x00b"}
	numbers := []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 42}
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	nulls := rapid.SampledFrom([]int{0, 1, 2, 100}).Draw(t, "nulls")
	for i := range rows {
		v := numbers[random.IntN(len(numbers))]
		w := words[random.IntN(len(words))]
		at := time.Unix(v%1_000_000_000, 123_456_789).UTC()
		rows[i] = plainRow{
			ID: int64(i), Bool: v > 0, Int: int(v), Int32: int32(v), Uint32: uint32(v), Uint64: uint64(v),
			Float32: float32(v), Float64: float64(v) / 3, Text: fmt.Sprint(w, i), Word: w, Delta: w + w, Bytes: []byte(w + "!"),
			Milli: at.Truncate(time.Millisecond), Micro: at.Truncate(time.Microsecond), Nano: at, Maybe: v, Inner: Inner{Depth: float64(i % 3)},
		}
		if nulls > 0 && i%nulls == 0 {
			continue
		}
		r := &rows[i]
		r.Number, r.Name, r.Flag, r.When, r.Half = &v, &w, &r.Bool, &at, &r.Float32
	}
	return rows
}

func richRows(t *rapid.T, n int) []richRow {
	rows := make([]richRow, n)
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	for i := range rows {
		k := random.IntN(5)
		rows[i].ID = int64(i)
		for j := range k {
			rows[i].Tags = append(rows[i].Tags, fmt.Sprint("tag", j))
			rows[i].Sizes = append(rows[i].Sizes, int32(i*j))
		}
		if k > 1 {
			rows[i].Marks = map[string]int64{"a": int64(i), "b": int64(k)}
			rows[i].Where = &spot{Lat: float64(k)}
		}
		if k > 2 {
			name := fmt.Sprint("place", i)
			rows[i].Where.Name = &name
		}
	}
	return rows
}

func writerOptions(t *rapid.T, more ...compress.Codec) []parquet.WriterOption {
	codecs := append([]compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Brotli, &parquet.Zstd}, more...)
	return []parquet.WriterOption{
		parquet.PageBufferSize(rapid.SampledFrom([]int{1, 64, 1000, 1 << 20}).Draw(t, "page")),
		parquet.DataPageVersion(rapid.IntRange(1, 2).Draw(t, "version")),
		parquet.Compression(rapid.SampledFrom(codecs).Draw(t, "codec")),
	}
}

// normal makes rows comparable: an empty list and none are the same in a file.
func normal(rows []richRow) []richRow {
	out := slices.Clone(rows)
	for i := range out {
		if len(out[i].Tags) == 0 {
			out[i].Tags = nil
		}
		if len(out[i].Sizes) == 0 {
			out[i].Sizes = nil
		}
		if len(out[i].Marks) == 0 {
			out[i].Marks = nil
		}
	}
	return out
}

// everyWay reads a file in every way: chunk by chunk, and with workers.
func everyWay[T any](t *rapid.T, path string, want []T, id func(T) int64, same func([]T) []T) {
	limit := rapid.SampledFrom(limits()).Draw(t, "limit")
	require.Equal(t, want, same(all(t, Source[T](path), limit)))
	p := pool.New(rapid.IntRange(1, 8).Draw(t, "workers"))
	defer p.Close()
	var opts []pool.Option
	if n := rapid.SampledFrom([]int{0, 1, 3, 500}).Draw(t, "chunk"); n > 0 {
		opts = append(opts, pool.ChunkSize(n))
	}
	if n := rapid.SampledFrom([]int{0, 1, 10}).Draw(t, "inflight"); n > 0 {
		opts = append(opts, pool.InFlight(n))
	}
	keep := func(_ context.Context, v T) (T, error) { return v, nil }
	got, err := pool.Imap(p, Source[T](path), keep, opts...).Collect(context.Background())
	require.NoError(t, err)
	require.Equal(t, want, same(got), "ordered")
	got, err = pool.ImapUnordered(p, Source[T](path), keep, opts...).Collect(context.Background())
	require.NoError(t, err)
	slices.SortFunc(got, func(a, b T) int { return int(id(a) - id(b)) })
	require.Equal(t, want, same(got), "unordered")
}

func TestRoundTripOfPlainColumns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	rapid.Check(t, func(t *rapid.T) {
		rows := plainRows(t, rapid.IntRange(1, 120).Draw(t, "rows"))
		content := encoded(t, rapid.SampledFrom([]int{5, 30, 1000}).Draw(t, "group"), rows, writerOptions(t, &parquet.Lz4Raw)...)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		f, err := openFile(settings(path, nil), path)
		require.NoError(t, err)
		plan, err := shapeOf[plainRow]("Source").match(f)
		require.NoError(t, err)
		require.NotNil(t, plan.setters, "decoded here")
		require.NoError(t, f.release())
		everyWay(t, path, rows, func(r plainRow) int64 { return r.ID }, func(r []plainRow) []plainRow { return r })
		var pointers []*plainRow
		for i := range rows {
			pointers = append(pointers, &rows[i])
		}
		require.Equal(t, pointers, all(t, Source[*plainRow](path), stage.Limit{}))
		library, err := parquet.ReadFile[plainRow](path)
		require.NoError(t, err)
		require.Equal(t, library, rows, "the library agrees")
	})
}

func TestRoundTripOfNestedColumns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	rapid.Check(t, func(t *rapid.T) {
		rows := richRows(t, rapid.IntRange(1, 100).Draw(t, "rows"))
		content := encoded(t, rapid.SampledFrom([]int{5, 30, 1000}).Draw(t, "group"), rows, writerOptions(t)...)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		everyWay(t, path, normal(rows), func(r richRow) int64 { return r.ID }, normal)
	})
}

func TestNoRows(t *testing.T) {
	path := written[plainRow](t, 1, nil)
	for _, limit := range limits() {
		assert.Empty(t, all(t, Source[plainRow](path), limit))
		assert.Empty(t, all(t, Source[plainRow](path, Between("id", 1, 2)), limit))
	}
}
