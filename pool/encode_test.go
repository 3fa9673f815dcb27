package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

type note struct {
	ID   int    `csv:"id"   json:"id"`
	Text string `csv:"text" json:"text"`
}

// numberLines is an encoder that fails, panics or ends its goroutine at some items.
type numberLines struct{ exits bool }

func (e numberLines) Encode(dst []byte, c *stage.Chunk[int]) ([]byte, error) {
	for _, n := range c.Items {
		switch {
		case n%7 == 3:
			return dst, errItem
		case n%11 == 5:
			panic("panicked")
		case e.exits && n == 20:
			runtime.Goexit()
		}
		dst = fmt.Appendln(dst, n)
	}
	return dst, nil
}

// files are the contents of a folder by name.
func files(t require.TestingT, dir string) map[string]string {
	got := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		got[e.Name()] = string(b)
	}
	return got
}

// Encoding in workers and writing the blocks makes the same files, byte for byte,
// as the sequential sink, whatever the format, the chunks, the workers, the
// compression and where files are cut; and the records read back.
func TestEncodeWritesWhatTheSinkWrites(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("ab\",;\n \u00e9"))), 0, 120).Draw(r, "texts")
		entries := make([]note, len(texts))
		for i, text := range texts {
			entries[i] = note{i, text}
		}
		name := rapid.SampledFrom([]string{"part", "part.x.gz", "part.x.zst"}).Draw(r, "name")
		split := sink.MaxBytes(rapid.SampledFrom([]int64{0, 1, 30, 200}).Draw(r, "split"))
		kind := rapid.SampledFrom([]string{"csv", "ndjson"}).Draw(r, "kind")
		enc := sink.CSVEncoder[note]()
		sequential := func(path string) stage.Sink[note] { return sink.CSV[note](path, split) }
		back := func(paths []string) stage.Stream[note] { return source.CSV[note](paths[0], source.Paths(paths[1:]...)) }
		if kind == "ndjson" {
			enc = sink.NDJSONEncoder[note]()
			sequential = func(path string) stage.Sink[note] { return sink.NDJSON[note](path, split) }
			back = func(paths []string) stage.Stream[note] {
				return source.NDJSON[note](paths[0], source.Paths(paths[1:]...))
			}
		}
		for _, sub := range []string{"one", "two"} {
			require.NoError(r, os.RemoveAll(filepath.Join(dir, sub)))
			require.NoError(r, os.Mkdir(filepath.Join(dir, sub), 0o700))
		}
		_, err := stage.Run(t.Context(), source.Slice(entries), sequential(filepath.Join(dir, "one", name)))
		require.NoError(r, err)

		p := pool.New(rapid.IntRange(1, 5).Draw(r, "workers"))
		defer p.Close()
		unordered := rapid.Bool().Draw(r, "unordered")
		opts := []pool.Option{pool.ChunkSize(rapid.IntRange(0, 40).Draw(r, "chunk")), pool.InFlight(rapid.IntRange(0, 90).Draw(r, "budget"))}
		if unordered {
			opts = append(opts, pool.Unordered())
		}
		blocks := pool.Encode(p, source.Slice(entries), enc, opts...)
		_, err = stage.Run(t.Context(), blocks, sink.File(filepath.Join(dir, "two", name), split))
		require.NoError(r, err)
		want, got := files(r, filepath.Join(dir, "one")), files(r, filepath.Join(dir, "two"))
		if !unordered {
			require.Equal(r, want, got)
		}

		var paths []string
		for _, name := range slices.Sorted(maps.Keys(got)) {
			paths = append(paths, filepath.Join(dir, "two", name))
		}
		read, err := back(paths).Collect(t.Context())
		require.NoError(r, err)
		if unordered {
			slices.SortFunc(read, func(a, b note) int { return a.ID - b.ID })
		}
		require.Equal(r, entries, append([]note{}, read...))
	})
}

// Lines of any other bytes come back as they were.
func TestEncodeLinesRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("a \t\x00\u00e9,\""))), 0, 100).Draw(r, "lines")
		path := filepath.Join(dir, rapid.SampledFrom([]string{"out", "out.gz", "out.zst"}).Draw(r, "name"))
		p := pool.New(rapid.IntRange(1, 5).Draw(r, "workers"))
		defer p.Close()
		opts := []pool.Option{pool.ChunkSize(rapid.IntRange(0, 40).Draw(r, "chunk"))}
		unordered := rapid.Bool().Draw(r, "unordered")
		if unordered {
			opts = append(opts, pool.Unordered())
		}
		_, err := stage.Run(t.Context(), pool.Encode(p, source.Slice(lines), sink.LinesEncoder[string](), opts...), sink.File(path))
		require.NoError(r, err)
		got, err := source.Lines(path).Collect(t.Context())
		require.NoError(r, err)
		if unordered {
			require.ElementsMatch(r, lines, got)
		} else {
			require.Equal(r, lines, append([]string{}, got...))
		}
	})
}

// Items that cannot be encoded fail at their places, errors from upstream pass,
// and all other items are encoded, in order or in any.
func TestEncodeErrors(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		for _, workers := range []int{1, 3} {
			for _, chunk := range []int{0, 1, 8, 100} {
				in := numbers(100)
				in.fails = func(i int) bool { return i%13 == 6 }
				p := pool.New(workers)
				opts := []pool.Option{pool.ChunkSize(chunk)}
				if unordered {
					opts = append(opts, pool.Unordered())
				}
				s := pool.Encode(p, in.stream(), numberLines{}, opts...)
				var lines []string
				failed := 0
				for b, err := range s.All(t.Context()) {
					if err == nil {
						assert.Equal(t, b.Items, bytes.Count(b.Bytes, []byte{'\n'}))
						lines = append(lines, strings.Fields(string(b.Bytes))...)
						b.Release()
						continue
					}
					e, ok := errors.AsType[*stage.ItemError](err)
					require.True(t, ok)
					failed++
					if e.Stage == "Encode" {
						n, ok := e.Input.(int)
						require.True(t, ok && (n%7 == 3 || n%11 == 5), "%v", e)
						if n%7 != 3 {
							require.NotEmpty(t, e.Stack)
						}
					}
					lines = append(lines, "error")
				}
				var want []string
				for i := range 100 {
					switch {
					case i%13 == 6, i%7 == 3, i%11 == 5:
						want = append(want, "error")
					default:
						want = append(want, fmt.Sprint(i))
					}
				}
				if unordered {
					require.ElementsMatch(t, want, lines)
				} else {
					require.Equal(t, want, lines)
				}
				require.Equal(t, int64(1), in.closed.Load())
				p.Close()
			}
		}
	}
}

// An encoder that ends its goroutine fails its block, nothing else.
func TestEncodeGoexit(t *testing.T) {
	p := pool.New(2)
	defer p.Close()
	ok, gone := 0, 0
	s := pool.Encode(p, source.Range(0, 100), numberLines{exits: true}, pool.ChunkSize(10))
	for b, err := range s.All(t.Context()) {
		ok += b.Items
		if errors.Is(err, stage.ErrGoexit) {
			gone++
		}
	}
	assert.Positive(t, gone)
	assert.LessOrEqual(t, gone, 10)
	assert.Greater(t, ok, 60)
}

func TestEncodeOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	none := source.Slice([]note(nil))
	sum, err := stage.Run(t.Context(), pool.Encode(nil, none, sink.CSVEncoder[note]()), sink.File(path))
	require.NoError(t, err)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "id,text\n", string(b))
	st := sum.Stages[len(sum.Stages)-1]
	assert.Equal(t, st.In+st.Expanded, st.Out+st.Filtered+st.Failed+st.Merged+st.Abandoned)

	blocks, err := pool.Encode(nil, source.Range(0, 0), numberLines{}).Collect(t.Context())
	require.NoError(t, err)
	assert.Empty(t, blocks, "without a format there is nothing to say")
}

// Stopping early joins the workers, accounts for the items and leaves the file.
func TestEncodeStopsEarly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv.gz")
	in := numbers(noEnd)
	ctx, cancel := context.WithCancelCause(t.Context())
	in.took = func(_ stage.Limit, next, _ int) {
		if next > 5000 {
			cancel(errCause)
		}
	}
	sum, err := stage.Run(ctx, pool.Encode(nil, in.stream(), numberLines{}), sink.File(path), stage.Continue(0))
	require.ErrorIs(t, err, errCause)
	require.NoFileExists(t, path)
	require.Equal(t, int64(1), in.closed.Load())
	st := sum.Stages[len(sum.Stages)-1]
	assert.Equal(t, st.In+st.Expanded, st.Out+st.Filtered+st.Failed+st.Merged+st.Abandoned)
}

// A budget of bytes counts the blocks' memory.
func TestEncodeInFlightBytes(t *testing.T) {
	s := pool.Encode(nil, source.Range(0, 1000), numberLines{}, pool.InFlightBytes(100))
	n := 0
	for b, err := range s.All(t.Context()) {
		if err == nil {
			n += b.Items
		}
	}
	assert.Greater(t, n, 700)
	assert.Panics(t, func() { pool.Encode[int](nil, source.Range(0, 1), nil) })
}

// BenchmarkEncode compares encoding in workers with the sequential sink.
func BenchmarkEncode(b *testing.B) {
	type flight struct {
		Date        string `csv:"date"        json:"date"`
		Delay       int    `csv:"delay"       json:"delay"`
		Distance    int    `csv:"distance"    json:"distance"`
		Origin      string `csv:"origin"      json:"origin"`
		Destination string `csv:"destination" json:"destination"`
	}
	flights := make([]flight, 500_000)
	for i := range flights {
		flights[i] = flight{"2001-01-01T00:01:00", i % 100, i, "ABQ", "PHX, \"Sky Harbor\""}
	}
	lines := make([]string, len(flights))
	for i := range lines {
		lines[i] = "2001-01-01T00:01:00,12,345,ABQ,PHX"
	}
	path := filepath.Join(b.TempDir(), "out")
	measure(b, "csv", source.Slice(flights), sink.CSVEncoder[flight](), path)
	measure(b, "ndjson", source.Slice(flights), sink.NDJSONEncoder[flight](), path)
	measure(b, "lines", source.Slice(lines), sink.LinesEncoder[string](), path)
	measure(b, "csv.gz", source.Slice(flights), sink.CSVEncoder[flight](), path+".gz")
	measure(b, "csv.zst", source.Slice(flights), sink.CSVEncoder[flight](), path+".zst")
}

func measure[T any](b *testing.B, name string, in stage.Stream[T], enc stage.Encoder[T], path string) {
	b.Helper()
	for _, how := range []string{"sequential", "pool"} {
		b.Run(name+"/"+how, func(b *testing.B) {
			items := 0
			for b.Loop() {
				var err error
				var sum stage.Summary
				if how == "pool" {
					sum, err = stage.Run(b.Context(), pool.Encode(nil, in, enc), sink.File(path))
				} else {
					sum, err = stage.Run(b.Context(), in, sink.Encoded(path, enc))
				}
				require.NoError(b, err)
				items += int(sum.Read)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(items), "ns/item")
		})
	}
}
