package source

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

// scan is the plain answer: what bufio makes of the text.
func scan(text string) (lines []string) {
	sc := bufio.NewScanner(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	sc.Buffer(nil, 1<<30)
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	return lines
}

func TestLinesAreLikeBufio(t *testing.T) {
	texts := []string{
		"", "\n", "a", "a\n", "a\nb", "a\r\nb\r\n", "\r", "a\r", "\r\n\r\n", "\ufeffa\nb\n", "\ufeff", "a\n\n\nb\n",
		"nul \x00\ninvalid \xff\xfe\nbell \a\n", strings.Repeat("x", 200_000) + "\nshort\n", strings.Repeat("a longer line\n", 10_000),
	}
	for _, how := range []string{"", "gz", "zst"} {
		for i, text := range texts {
			path := file(t, "in", packed(t, how, text))
			for _, max := range limits() {
				if len(text) > 10_000 && max != (stage.Limit{}) && max.Items != 1000 {
					continue
				}
				require.Equal(t, scan(text), all(t, Lines(path), max), "text %d, %s, %+v", i, how, max)
			}
		}
	}
}

func TestLinesAnyTextAnyLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab\r\n\n\n\x00é\ufeff"))).Draw(t, "text")
		how := rapid.SampledFrom([]string{"", "gz", "zst"}).Draw(t, "how")
		require.NoError(t, os.WriteFile(path, []byte(packed(t, how, text)), 0o600))
		max := stage.Limit{Items: rapid.IntRange(0, 5).Draw(t, "items"), Bytes: rapid.Int64Range(0, 30).Draw(t, "bytes")}
		s := Lines(path, BlockSize(rapid.IntRange(1, 40).Draw(t, "block")))
		r := read(t, s, max)
		require.NoError(t, r.err)
		require.Equal(t, scan(text), r.items)
		for i, at := range r.places {
			require.Equal(t, int64(i), at.Record)
			require.Equal(t, path, at.Key)
			require.True(t, strings.HasPrefix(text[at.Offset:], r.items[i]), "the byte is where the line begins")
		}
	})
}

func TestLinesPlaces(t *testing.T) {
	a, b := file(t, "a", "\ufeffone\ntwo\n"), file(t, "b", "three\r\nfour")
	for _, max := range limits() {
		r := read(t, Lines(a, Paths(b)), max)
		require.NoError(t, r.err)
		assert.Equal(t, []string{"one", "two", "three", "four"}, r.items)
		assert.Equal(t, []stage.Position{
			{Part: 0, Offset: 3, Record: 0, Key: a}, {Part: 0, Offset: 7, Record: 1, Key: a},
			{Part: 1, Offset: 0, Record: 0, Key: b}, {Part: 1, Offset: 7, Record: 1, Key: b},
		}, r.places)
	}
}

func TestLinesTakesWhatWasAskedFor(t *testing.T) {
	path := file(t, "in", strings.Repeat("0123456\n", 50_000))
	for _, c := range []struct {
		opts  []Option
		max   stage.Limit
		lines int64
	}{
		{nil, stage.Limit{}, defaultBlockSize / 8},
		{[]Option{BlockSize(800)}, stage.Limit{}, 100},
		{[]Option{BlockSize(800)}, stage.Limit{Bytes: 1600}, 100}, // fixed is fixed
		{[]Option{BlockSize(800)}, stage.Limit{Items: 1000}, 100},
		{nil, stage.Limit{Items: 7}, 7},
		{nil, stage.Limit{Items: 7, Bytes: 80}, 8}, // the bytes decide: a power of two
		{nil, stage.Limit{Bytes: 1 << 30}, maxBlockSize / 8},
		{nil, stage.Limit{Items: 1 << 30}, defaultBlockSize / 8},
	} {
		p := filler(t, Lines(path, c.opts...))
		var chunk stage.Chunk[string]
		require.NoError(t, p.Pull(t.Context(), &chunk, c.max))
		assert.Empty(t, chunk.Items, "pulling finds no lines")
		require.NoError(t, p.Fill(t.Context(), &chunk))
		assert.Equal(t, c.lines, chunk.Tokens[0].N, "%+v", c)
		assert.Len(t, chunk.Items, int(c.lines))
		assert.Len(t, chunk.Offsets, int(c.lines))
		assert.Nil(t, chunk.Block, "nobody may recycle what items are views of")
	}
}

// filler opens a stream as a pool does: what it pulls is filled apart.
func filler[T any](tb testing.TB, s stage.Stream[T]) stage.Filler[T] {
	tb.Helper()
	p := open(tb, s)
	b, ok := p.(interface{ Blocks() stage.Filler[T] })
	require.True(tb, ok)
	f := b.Blocks()
	require.NotNil(tb, f)
	return f
}

// drainConcurrently fills every chunk on a goroutine of its own, all at once.
func drainConcurrently[T any](tb testing.TB, s stage.Stream[T], max stage.Limit) (chunks []*stage.Chunk[T], err error) {
	tb.Helper()
	p := filler(tb, s)
	var wg sync.WaitGroup
	for {
		c := new(stage.Chunk[T])
		err := p.Pull(tb.Context(), c, max)
		chunks = append(chunks, c)
		wg.Go(func() { assert.NoError(tb, p.Fill(tb.Context(), c)) })
		if err != nil {
			wg.Wait()
			if err == io.EOF {
				err = nil
			}
			return chunks, err
		}
	}
}

func TestLinesFillInAnyOrder(t *testing.T) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	path := file(t, "in", packed(t, "gz", text.String()))
	chunks, err := drainConcurrently(t, Lines(path), stage.Limit{Bytes: 1000})
	require.NoError(t, err)
	var got []string
	for _, c := range chunks {
		got = append(got, c.Items...)
	}
	assert.Equal(t, scan(text.String()), got)
}

func TestLinesBlocksAreNotShared(t *testing.T) {
	path := file(t, "in", strings.Repeat("abcdefg\n", 100))
	p := filler(t, Lines(path))
	var a, b stage.Chunk[string]
	require.NoError(t, p.Pull(t.Context(), &a, stage.Limit{Bytes: 80}))
	block := a.Block
	require.NoError(t, p.Pull(t.Context(), &b, stage.Limit{Bytes: 80}))
	clear(b.Block[:cap(b.Block)])
	require.NoError(t, p.Fill(t.Context(), &a))
	assert.Equal(t, "abcdefg", a.Items[7])
	assert.Equal(t, unsafe.StringData(a.Items[0]), unsafe.SliceData(block), "lines are views of their block")
}

func TestLinesTooLong(t *testing.T) {
	text := "ok\n" + strings.Repeat("x", 50) + "\n" + strings.Repeat("y", 20) + "\n" +
		strings.Repeat("z", 600_000) + "\r\nlast\n" + strings.Repeat("w", 21)
	for _, how := range []string{"", "gz", "zst"} {
		path := file(t, "in", packed(t, how, text))
		for _, max := range limits() {
			r := read(t, Lines(path, MaxRecord(20)), max)
			require.NoError(t, r.err)
			assert.Equal(t, []string{"ok", strings.Repeat("y", 20), "last"}, r.items)
			assert.Equal(t, "ieieie", r.order)
			var said []string
			for _, e := range r.errs {
				require.ErrorIs(t, e, ErrTooLong)
				said = append(said, e.Error())
			}
			assert.Equal(t, []string{
				"source: " + path + ": record 2, byte 3: record too long: 50 bytes, limit 20",
				"source: " + path + ": record 4, byte 75: record too long: 600001 bytes, limit 20",
				"source: " + path + ": record 6, byte 600082: record too long: 21 bytes, limit 20",
			}, said)
		}
	}
}

// Everything that a truncated file still holds is delivered, then an error that
// names the place. What was cut off is not taken for a line.
func TestLinesTruncated(t *testing.T) {
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "line %d of some\n", i*i)
	}
	lines := scan(text.String())
	for _, how := range []string{"gz", "zst"} {
		data := packed(t, how, text.String())
		for n := range len(data) {
			path := file(t, "in."+how, data[:n])
			for _, max := range []stage.Limit{{}, {Items: 1}, {Bytes: 20}} {
				r := read(t, Lines(path), max)
				require.ErrorIs(t, r.err, io.ErrUnexpectedEOF, "%s of %d bytes cut to %d", how, len(data), n)
				fail, ok := errors.AsType[*Error](r.err)
				require.True(t, ok)
				require.Equal(t, path, fail.File)
				require.Equal(t, int64(len(r.items)+1), fail.Record)
				require.Equal(t, fmt.Sprintf("source: %s: record %d, byte %d: unexpected EOF", path, fail.Record, fail.Byte), fail.Error())
				require.GreaterOrEqual(t, fail.Byte, int64(len(strings.Join(r.items, "\n"))))
				require.LessOrEqual(t, fail.Byte, int64(text.Len()))
				if len(r.items) > 0 {
					require.Equal(t, lines[:len(r.items)], r.items)
				}
			}
		}
	}
}

func TestLinesReadErrorInTheMiddle(t *testing.T) {
	good := packed(t, "gz", strings.Repeat("hello\n", 20_000))
	bad := []byte(good)
	bad[len(bad)-6] ^= 0xff // the checksum
	path := file(t, "in", string(bad))
	r := read(t, Lines(path, Paths(file(t, "other", "x\n"))), stage.Limit{})
	assert.Len(t, r.items, 20_000)
	require.EqualError(t, r.err, "source: "+path+": record 20001, byte 120000: gzip: invalid checksum")
}

func TestLinesContext(t *testing.T) {
	path := file(t, "in", strings.Repeat("line\n", 100))
	p := open(t, Lines(path))
	ctx, cancel := context.WithCancelCause(t.Context())
	var c stage.Chunk[string]
	require.NoError(t, p.Pull(ctx, &c, stage.Limit{Items: 60}))
	cancel(errBoom)
	require.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{}), errBoom)
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}), "and nothing is lost")
	assert.Len(t, c.Items, 40)

	_, err := Lines(path).Open(ctx)
	require.ErrorIs(t, err, errBoom)
}

func TestLinesRunsAgain(t *testing.T) {
	path := file(t, "in", "one\n")
	s := Lines(path)
	assert.Equal(t, []string{"one"}, all(t, s, stage.Limit{}))
	require.NoError(t, os.WriteFile(path, []byte("two\nthree\n"), 0o600))
	assert.Equal(t, []string{"two", "three"}, all(t, s, stage.Limit{}))
}

func TestLinesPlan(t *testing.T) {
	n := Lines("a.log", Paths("b-*.log", "-")).Plan()
	assert.Equal(t, "Lines", n.Op)
	assert.Equal(t, "a.log, b-*.log, -", n.Detail)
}

func TestOptionsAreChecked(t *testing.T) {
	decoder := Decoder(json.Unmarshal)
	for want, fn := range map[string]func(){
		"penstock: source.MaxRecord: bytes is -1, want 0 to 1073741824":         func() { MaxRecord(-1) },
		"penstock: source.BlockSize: bytes is 1073741825, want 0 to 1073741824": func() { BlockSize(1<<30 + 1) },
		"penstock: source.Comma: r is '\"', which cannot separate fields":       func() { Comma('"') },
		"penstock: source.Comma: r is '\\n', which cannot separate fields":      func() { Comma('\n') },
		"penstock: source.Decoder: decode is nil":                               func() { Decoder(nil) },
		"penstock: source.Lines: Comma is an option of CSV, Records only":       func() { Lines("x", Comma(';')) },
		"penstock: source.NDJSON: Comma is an option of CSV, Records only":      func() { NDJSON[int]("x", Comma(';')) },
		"penstock: source.Lines: an option is nil":                              func() { Lines("x", nil) },
		"penstock: source.CSV: T is int, want a struct":                         func() { CSV[int]("x") },
		"penstock: source.CSV: T is struct { a int }: it has no exported field": func() { CSV[struct{ a int }]("x") },
		"penstock: source.CSV: T is **struct { A int }, want a struct":          func() { CSV[**struct{ A int }]("x") },
		"penstock: source.CSV: Decoder is an option of NDJSON, JSON only":       func() { CSV[struct{ A int }]("x", decoder) },
		"penstock: source.CSV: T is struct { A chan int }: " +
			"csvutil: unsupported type: chan int": func() { CSV[struct{ A chan int }]("x") },
	} {
		assert.Equal(t, want, panics(t, fn))
	}
	assert.Equal(t, []string{"x"}, all(t, Lines(file(t, "in", "x"), MaxRecord(0), BlockSize(0)), stage.Limit{}), "zero is the default")
}

func BenchmarkLines(b *testing.B) {
	const line = "2001-01-01,12,345,ABC,DEF,abcdef\n"
	for _, how := range []string{"plain", "gz", "zst"} {
		b.Run(how, func(b *testing.B) {
			text := strings.Repeat(line, 1<<17)
			s := Lines(file(b, "in", packed(b, how, text)))
			benchmark(b, s, len(text), 1<<17)
		})
	}
}

// benchmark runs a stream again and again.
func benchmark[T any](b *testing.B, s stage.Stream[T], bytes, items int) {
	b.Helper()
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		p, err := s.Open(b.Context())
		require.NoError(b, err)
		var c stage.Chunk[T]
		n := 0
		for err == nil {
			err = p.Pull(b.Context(), &c, stage.Limit{})
			n += len(c.Items)
		}
		require.Equal(b, io.EOF, err)
		require.Equal(b, items, n)
		require.NoError(b, p.Close())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(items), "ns/item")
}
