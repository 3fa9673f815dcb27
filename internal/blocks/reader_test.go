package blocks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// from reads an io.Reader whatever the context says.
func from(r io.Reader) ReadFunc {
	return func(_ context.Context, p []byte) (int, error) { return r.Read(p) }
}

// drain reads all blocks, checks that they follow one another, and returns what
// they hold, with the records over the limit as their lengths.
func drain(t require.TestingT, r *Reader, want, records int) (data string, lengths []int64, count int64, err error) {
	var (
		all    strings.Builder
		offset = int64(-1)
	)
	for {
		b, err := r.Next(context.Background(), want, records)
		if err != nil {
			require.Empty(t, b.Data)
			return all.String(), lengths, count, err
		}
		if offset < 0 {
			offset = b.Offset
			require.Contains(t, []int64{0, 3}, offset)
		}
		b.Records = counted(r, b)
		require.Positive(t, b.Records)
		require.GreaterOrEqual(t, b.Offset, offset)
		if records > 0 {
			require.LessOrEqual(t, b.Records, int64(records))
		}
		if b.Long > 0 {
			require.Nil(t, b.Data)
			lengths = append(lengths, b.Long)
			offset = b.Offset + b.Long
		} else {
			require.LessOrEqual(t, int(b.Records), len(b.Data))
			all.Write(b.Data)
			offset = b.Offset + int64(len(b.Data))
		}
		count += b.Records
	}
}

// counted is how many records a block has, also if that is left to Count.
func counted(r *Reader, b Block) int64 {
	if c, ok := r.split.(Counter); ok && b.Records < 0 {
		return c.Count(b.Data)
	}
	return b.Records
}

// scanLines is the plain answer: what bufio makes of the text.
func scanLines(text string) (lines []string) {
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 1<<30)
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	return lines
}

func TestLinesEveryBlockSize(t *testing.T) {
	texts := []string{
		"", "\n", "\n\n\n", "a", "a\n", "a\nb", "a\r\nb\r\n", "one\ntwo\n\nthree and more\n\x00\xff\nlast",
		strings.Repeat("0123456789\n", 10) + strings.Repeat("x", 90) + "\nend",
	}
	for _, text := range texts {
		for want := 1; want <= len(text)+2; want++ {
			for _, records := range []int{0, 1, 2, 7} {
				r := New(&Lines{}, 1<<20)
				r.Reset(from(strings.NewReader(text)), false)
				data, long, count, err := drain(t, r, want, records)
				require.ErrorIs(t, err, io.EOF)
				require.Equal(t, text, data)
				require.Empty(t, long)
				require.Len(t, scanLines(text), int(count))
				require.Equal(t, int64(len(text)), r.Bytes())
			}
		}
	}
}

func TestBlocksHoldWhatWasAskedFor(t *testing.T) {
	text := strings.Repeat("0123456\n", 1000)
	r := New(&Lines{}, 1<<20)
	for _, c := range []struct{ want, records, bytes int }{
		{1, 0, 8}, {8, 0, 8}, {15, 0, 8}, {16, 0, 16}, {1000, 0, 1000}, {1000, 3, 24}, {16, 3, 16}, {1 << 20, 0, 8000},
	} {
		r.Reset(from(strings.NewReader(text)), false)
		b, err := r.Next(t.Context(), c.want, c.records)
		require.NoError(t, err)
		assert.Len(t, b.Data, c.bytes, "%+v", c)
		assert.Equal(t, int64(c.bytes/8), counted(r, b))
	}
}

func TestBlockIsItsOwnMemory(t *testing.T) {
	r := New(&Lines{}, 1<<20)
	r.Reset(from(strings.NewReader("a\nb\nc\n")), false)
	first, err := r.Next(t.Context(), 2, 0)
	require.NoError(t, err)
	second, err := r.Next(t.Context(), 2, 0)
	require.NoError(t, err)
	clear(first.Data[:cap(first.Data)])
	assert.Equal(t, "b\n", string(second.Data))
	third, err := r.Next(t.Context(), 2, 0)
	require.NoError(t, err)
	assert.Equal(t, "c\n", string(third.Data))
}

func TestByteOrderMark(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"\ufeffa\n", "a\n"}, {"\ufeff", ""},
		{"\xef\xbb", "\xef\xbb"}, {"\xef", "\xef"}, {"a\ufeff\n", "a\ufeff\n"}, {"\ufeff\ufeffx", "\ufeffx"},
	} {
		for _, live := range []bool{false, true} {
			r := New(&Lines{}, 1<<20)
			r.Reset(from(iotest.OneByteReader(strings.NewReader(c.text))), live)
			data, _, _, err := drain(t, r, 1<<10, 0)
			require.ErrorIs(t, err, io.EOF)
			assert.Equal(t, c.want, data)
			assert.Equal(t, int64(len(c.text)), r.Bytes())
		}
	}
}

func TestLongRecordIsSkipped(t *testing.T) {
	const limit = 1000
	long := strings.Repeat("x", 2*(256<<10)+123)
	for _, tail := range []string{"after\n", "after", ""} {
		text := "before\n" + long + "\n" + strings.Repeat("y", limit) + "\n" + tail
		r := New(&Lines{}, limit)
		r.Reset(from(strings.NewReader(text)), false)
		data, lengths, count, err := drain(t, r, 64, 0)
		require.ErrorIs(t, err, io.EOF)
		assert.Equal(t, []int64{int64(len(long))}, lengths)
		assert.Equal(t, "before\n"+strings.Repeat("y", limit)+"\n"+tail, data)
		assert.Len(t, scanLines(text), int(count))
		assert.LessOrEqual(t, cap(r.buf), minRead, "never in memory")
	}
	r := New(&Lines{}, limit)
	r.Reset(from(strings.NewReader(long)), false)
	_, lengths, _, err := drain(t, r, 64, 0)
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, []int64{int64(len(long))}, lengths, "without a newline")
}

func TestRecordLargerThanTheBuffer(t *testing.T) {
	const limit = 4 << 20
	text := strings.Repeat("x", limit) + "\nnext\n" + strings.Repeat("z", limit+(256<<10)) + "\nlast\n"
	r := New(&Lines{}, limit)
	r.Reset(from(iotest.HalfReader(strings.NewReader(text))), false)
	data, lengths, count, err := drain(t, r, 64<<10, 0)
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, strings.Repeat("x", limit)+"\nnext\nlast\n", data)
	assert.Equal(t, []int64{limit + (256 << 10)}, lengths)
	assert.Equal(t, int64(4), count)
	r.Reset(from(strings.NewReader("small\n")), false)
	data, _, _, err = drain(t, r, 64<<10, 0)
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, "small\n", data)
	assert.LessOrEqual(t, cap(r.buf), 64<<10, "the large buffer is let go")
}

var errBoom = errors.New("boom")

func TestReadErrorComesAfterWholeRecords(t *testing.T) {
	for want := 1; want < 20; want++ {
		r := New(&Lines{}, 1<<20)
		r.Reset(from(io.MultiReader(strings.NewReader("one\ntwo\nthr"), iotest.ErrReader(errBoom))), false)
		data, _, count, err := drain(t, r, want, 0)
		require.ErrorIs(t, err, errBoom)
		assert.Equal(t, "one\ntwo\n", data, "the partial record is not handed on")
		assert.Equal(t, int64(2), count)
		assert.Equal(t, int64(11), r.Bytes())
	}
	r := New(&Lines{}, 5)
	r.Reset(from(io.MultiReader(strings.NewReader("one\n0123456789"), iotest.ErrReader(errBoom))), false)
	data, long, _, err := drain(t, r, 4, 0)
	require.ErrorIs(t, err, errBoom)
	assert.Equal(t, "one\n", data)
	assert.Empty(t, long, "a long record that is cut off is not one")
	assert.Equal(t, int64(14), r.Bytes())
}

func TestReaderWithoutProgress(t *testing.T) {
	r := New(&Lines{}, 1<<20)
	r.Reset(func(context.Context, []byte) (int, error) { return 0, nil }, false)
	_, err := r.Next(t.Context(), 1, 0)
	require.ErrorIs(t, err, io.ErrNoProgress)
}

func TestLiveInputIsNotWaitedFor(t *testing.T) {
	pieces := []string{"one\ntw", "o", "\n\nfour\n", "five"}
	reads := 0
	r := New(&Lines{}, 1<<20)
	r.Reset(func(_ context.Context, p []byte) (int, error) {
		if reads == len(pieces) {
			return 0, io.EOF
		}
		reads++
		return copy(p, pieces[reads-1]), nil
	}, true)
	for _, c := range []struct {
		data  string
		reads int
	}{{"one\n", 1}, {"two\n\nfour\n", 3}, {"five", 4}} {
		b, err := r.Next(t.Context(), 1<<20, 0)
		require.NoError(t, err)
		assert.Equal(t, c.data, string(b.Data))
		assert.Equal(t, c.reads, reads)
	}
}

func TestContextEndsAndNothingIsLost(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	src := strings.NewReader("one\ntwo\nthree\n")
	ask := 0
	r := New(&Lines{}, 1<<20)
	r.Reset(func(ctx context.Context, p []byte) (int, error) {
		if ask++; ask == 2 {
			cancel() // while the read waits
		}
		if ctx.Err() != nil {
			return 0, ErrGaveUp
		}
		return src.Read(p[:6])
	}, false)
	_, err := r.Next(ctx, 100, 0)
	require.ErrorIs(t, err, ErrGaveUp)
	_, err = r.Next(ctx, 100, 0)
	require.ErrorIs(t, err, ErrGaveUp)
	b, err := r.Next(t.Context(), 13, 0)
	require.NoError(t, err)
	assert.Equal(t, "one\ntwo\n", string(b.Data))
	b, err = r.Next(t.Context(), 13, 0)
	require.NoError(t, err)
	assert.Equal(t, "three\n", string(b.Data))
}

func TestSkippingIsGivenUpAndGoesOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	src := strings.NewReader(strings.Repeat("x", 5000) + "\nend\n")
	reads := 0
	r := New(&Lines{}, 10)
	r.Reset(func(_ context.Context, p []byte) (int, error) {
		if reads++; reads == 20 {
			cancel()
		}
		return src.Read(p[:100])
	}, false)
	_, err := r.Next(ctx, 10, 0)
	require.ErrorIs(t, err, ErrGaveUp)
	b, err := r.Next(t.Context(), 10, 0)
	require.NoError(t, err)
	assert.Equal(t, int64(5000), b.Long)
	b, err = r.Next(t.Context(), 10, 0)
	require.NoError(t, err)
	assert.Equal(t, Block{Data: []byte("end\n"), Offset: 5001, Records: -1}, b)
}

// However the bytes arrive and whatever is asked for, the records are the same.
func TestAnyReadsSameRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab\",\r\n\n é€\ufeff"))).Draw(t, "text")
		want := rapid.IntRange(1, 40).Draw(t, "want")
		records := rapid.IntRange(0, 5).Draw(t, "records")
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		live := rapid.Bool().Draw(t, "live")
		comma := rapid.SampledFrom([]rune{',', 'é', '€'}).Draw(t, "comma")
		splitters := map[string]func() Splitter{
			"lines": func() Splitter { return &Lines{} },
			"json":  func() Splitter { return &Lines{Blank: BlankJSON} },
			"csv":   func() Splitter { return NewCSV(comma) },
		}
		kind := rapid.SampledFrom([]string{"lines", "json", "csv"}).Draw(t, "kind")

		// The whole text at once, as one block.
		whole := New(splitters[kind](), limit)
		whole.Reset(from(strings.NewReader(text)), false)
		wantRecords := records1(t, whole, kind, string(comma), limit, 1<<20, 0)

		r := New(splitters[kind](), limit)
		src := strings.NewReader(text)
		r.Reset(func(_ context.Context, p []byte) (int, error) {
			return src.Read(p[:min(len(p), rapid.IntRange(0, 7).Draw(t, "read"))])
		}, live)
		require.Equal(t, wantRecords, records1(t, r, kind, string(comma), limit, want, records))
	})
}

// records1 lists the records with their places, those over the limit by length.
func records1(t require.TestingT, r *Reader, kind, comma string, limit, want, records int) (out []string) {
	n := int64(0)
	for {
		b, err := r.Next(context.Background(), want, records)
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		if b.Long > 0 {
			require.Greater(t, b.Long, int64(limit))
			out = append(out, fmt.Sprintf("%d at %d: %d bytes", n, b.Offset, b.Long))
			n++
			continue
		}
		from := n
		for pos := 0; pos < len(b.Data); {
			var size int
			switch kind {
			case "csv":
				_, size, _ = Record(string(b.Data[pos:]), comma, nil)
			default:
				size = bytes.IndexByte(b.Data[pos:], '\n') + 1
				if size == 0 {
					size = len(b.Data) - pos
				}
			}
			raw := bytes.TrimSuffix(b.Data[pos:pos+size], []byte("\n"))
			at := b.Offset + int64(pos)
			pos += size
			switch {
			case kind == "csv" && BlankCSV(raw) || kind == "json" && BlankJSON(raw):
				continue
			case len(raw) > limit:
				out = append(out, fmt.Sprintf("%d at %d: %d bytes", n, at, len(raw)))
			default:
				out = append(out, fmt.Sprintf("%d at %d: %q", n, at, raw))
			}
			n++
		}
		require.Equal(t, counted(r, b), n-from)
	}
}

func BenchmarkLines(b *testing.B) {
	text := bytes.Repeat([]byte("2001-01-01,12,345,ABC,DEF,abcdef\n"), 1<<15)
	r := New(&Lines{}, 16<<20)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(from(bytes.NewReader(text)), false)
		for {
			if _, err := r.Next(context.Background(), 64<<10, 0); err != nil {
				break
			}
		}
	}
}

func BenchmarkCSV(b *testing.B) {
	for name, row := range map[string]string{
		"plain": "2001-01-01,12,345,ABC,DEF,abcdef\n", "quoted": "2001-01-01,12,345,\"ABC\",DEF,abcdef\n",
	} {
		b.Run(name, func(b *testing.B) {
			text := bytes.Repeat([]byte(row), 1<<15)
			r := New(NewCSV(','), 16<<20)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(from(bytes.NewReader(text)), false)
				for {
					if _, err := r.Next(context.Background(), 64<<10, 0); err != nil {
						break
					}
				}
			}
		})
	}
}
