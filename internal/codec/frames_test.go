package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// zframe is one zstd frame.
func zframe(t require.TestingT, text string, opts ...zstd.EOption) []byte {
	e, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true)}, opts...)...)
	require.NoError(t, err)
	defer e.Close() //nolint:errcheck // nothing was written through it
	return e.EncodeAll([]byte(text), nil)
}

// streamed is one zstd frame that does not say how much it holds.
func streamed(t require.TestingT, text string) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<12))
	require.NoError(t, err)
	for _, part := range strings.SplitAfter(text, " ") { // in several blocks
		_, err = io.WriteString(w, part)
		require.NoError(t, err)
		require.NoError(t, w.Flush())
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// skippable is a frame without data.
func skippable(content string) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{0x5e, 0x2a, 0x4d, 0x18}, uint32(len(content))), content...)
}

// manyFrames are frames of every kind, and what they hold.
func manyFrames(t require.TestingT) (data []byte, text string, ends []int) {
	add := func(frame []byte, more string) {
		data, text = append(data, frame...), text+more
		ends = append(ends, len(data))
	}
	add(zframe(t, "one "), "one ")
	add(skippable("nothing"), "")
	add(streamed(t, "two and more, "), "two and more, ")
	add(zframe(t, ""), "")
	add(zframe(t, strings.Repeat("a", 300), zstd.WithEncoderCRC(false)), strings.Repeat("a", 300))
	add(zframe(t, strings.Repeat("long ", 100)), strings.Repeat("long ", 100))
	add(skippable(""), "")
	add(zframe(t, "end", zstd.WithSingleSegment(true)), "end")
	return data, text, ends
}

func TestFramesAheadAreLikeAStream(t *testing.T) {
	data, text, _ := manyFrames(t)
	got, err := unpack(data, "a")
	require.NoError(t, err)
	assert.Equal(t, text, got)
	for _, reader := range []io.Reader{iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
		got, err := unpackFrom(reader, "a", 3)
		require.NoError(t, err)
		assert.Equal(t, text, got)
	}
}

// Cut anywhere but behind a whole frame, the data ends in an error, behind all
// that came before.
func TestFramesTruncatedAnywhere(t *testing.T) {
	data, text, ends := manyFrames(t)
	boundary := map[int]bool{}
	for _, end := range ends {
		boundary[end] = true
	}
	for n := 2; n < len(data); n++ {
		got, err := unpack(data[:n], "a")
		require.True(t, strings.HasPrefix(text, got), "cut to %d bytes", n)
		if boundary[n] {
			require.NoError(t, err, "cut to %d bytes", n)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut to %d bytes", n)
		}
	}
}

// A byte that changed is an error, or makes no difference: every frame has a
// checksum.
func TestFlippedBytes(t *testing.T) {
	texts := "some text that compresses, some text that compresses"
	zst := append(append(zframe(t, texts), streamed(t, texts)...), zframe(t, texts)...)
	gz := append(pack(t, "a.gz", texts), pack(t, "a.gz", texts)...)
	for name, data := range map[string][]byte{"a.zst": zst, "a.gz": gz} {
		whole, err := unpack(data, name)
		require.NoError(t, err)
		for i := range data {
			for _, bit := range []byte{1, 0x10, 0x80, 0xff} {
				bad := bytes.Clone(data)
				bad[i] ^= bit
				got, err := unpack(bad, name)
				if err != nil || i < 4 || got == whole {
					continue // an error, other data by its magic number, or a byte without meaning
				}
				// What is left is a frame that turned into a skippable one.
				require.True(t, name == "a.zst" && len(got) < len(whole), "%s byte %d: %q", name, i, got)
			}
		}
	}
}

func TestLargeFrames(t *testing.T) {
	noise := rand.New(rand.NewPCG(1, 2))
	large := make([]byte, maxFrame+1)
	for i := range large {
		large[i] = "abcdefgh"[noise.IntN(8)]
	}
	data := append(zframe(t, "before "), zframe(t, string(large))...)
	data = append(data, streamed(t, strings.Repeat(" word", 30_000))...) // no size, and many blocks
	data = append(data, zframe(t, " behind")...)
	want := "before " + string(large) + strings.Repeat(" word", 30_000) + " behind"
	for _, ahead := range aheads {
		got, err := unpackFrom(bytes.NewReader(data), "a", ahead)
		require.NoError(t, err)
		require.Len(t, got, len(want), "%d ahead", ahead)
		require.Zero(t, strings.Compare(want, got), "%d ahead", ahead) // too much to print
	}
}

// Closing joins the goroutines, whatever they are at; TestMain looks for them.
func TestCloseWhileDecodingAhead(t *testing.T) {
	var data []byte
	for range 50 {
		data = append(data, zframe(t, strings.Repeat("some text\n", 20_000))...)
	}
	for n := range 10 {
		r := NewReader(bytes.NewReader(data), "a", NewLimits(0, 0, 0), 3)
		_, err := io.ReadFull(r, make([]byte, 100_000*n))
		require.NoError(t, err)
		r.Close()
		r.Close()
	}
}

var errBoom = errors.New("boom")

func TestSourceFailsBetweenAndInFrames(t *testing.T) {
	data, text, _ := manyFrames(t)
	for n := range data {
		for _, ahead := range aheads {
			got, err := unpackFrom(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(errBoom)), "a", ahead)
			require.ErrorIs(t, err, errBoom, "%d bytes, %d ahead", n, ahead)
			require.True(t, strings.HasPrefix(text, got))
		}
	}
}

func TestAnyFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var data []byte
		var want strings.Builder
		for range rapid.IntRange(1, 30).Draw(t, "frames") {
			text := strings.Repeat(rapid.StringN(0, 20, 40).Draw(t, "text"), rapid.IntRange(0, 50).Draw(t, "times"))
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				data = append(data, streamed(t, text)...)
			case 1:
				data, text = append(data, skippable(text)...), ""
			default:
				data = append(data, zframe(t, text)...)
			}
			want.WriteString(text)
		}
		got, err := unpack(data, "a")
		require.NoError(t, err)
		require.Equal(t, want.String(), got)
	})
}

func TestLimits(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	for range 64 {
		_, err := io.WriteString(w, zeros)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	var zst []byte
	for range 64 {
		zst = append(zst, zframe(t, zeros)...)
	}
	for name, data := range map[string][]byte{"gz": gz.Bytes(), "zst": zst} {
		for _, ahead := range aheads {
			unpacked := func(l *Limits) (int64, error) {
				r := NewReader(bytes.NewReader(data), name, l, ahead)
				defer r.Close()
				return io.Copy(io.Discard, r)
			}
			n, err := unpacked(NewLimits(100, 0, 0))
			require.ErrorIs(t, err, ErrLimit)
			assert.ErrorContains(t, err, "more than 100 bytes for each of")
			assert.Equal(t, int64(freeRatio), n)

			n, err = unpacked(NewLimits(1_000_000, 5_000_000, 0))
			require.ErrorIs(t, err, ErrLimit)
			require.EqualError(t, err, "decompressed data over the limit: more than 5000000 bytes in total (see source.MaxTotal)")
			assert.Equal(t, int64(5_000_000), n)

			n, err = unpacked(NewLimits(1<<62, 1<<62, 0))
			require.NoError(t, err)
			assert.Equal(t, int64(64<<20), n)

			two := NewLimits(1<<62, 100<<20, 0)
			_, err = unpacked(two)
			require.NoError(t, err)
			n, err = unpacked(two)
			require.ErrorIs(t, err, ErrLimit, "the total is for both")
			assert.Equal(t, int64(36<<20), n)
		}
	}
	for _, ahead := range aheads {
		r := NewReader(bytes.NewReader(zframe(t, strings.Repeat("text ", 10_000))), "a", NewLimits(0, 0, 1<<10), ahead)
		_, err := io.ReadAll(r)
		require.ErrorIs(t, err, ErrLimit)
		assert.ErrorContains(t, err, "source.MaxWindow")
		r.Close()
	}
	_, err := unpack([]byte(strings.Repeat("not compressed", 10)), "a")
	require.NoError(t, err)
}

// Whatever the bytes are, decoding ahead makes no difference.
func FuzzFrames(f *testing.F) {
	data, _, ends := manyFrames(f)
	f.Add(data)
	for _, end := range ends {
		f.Add(data[:end])
		f.Add(data[:end-1])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.HasPrefix(data, []byte(zstMagic)) {
			data = append([]byte(zstMagic), data...)
		}
		var first string
		for i, ahead := range []int{1, 3} {
			r := NewReader(bytes.NewReader(data), "a", NewLimits(0, 1<<20, 1<<20), ahead)
			got, err := io.ReadAll(r)
			r.Close()
			said := "an error" // how much comes before it is the decoder's business
			if err == nil {
				said = string(got)
			}
			if i > 0 {
				require.Equal(t, first, said)
			}
			first = said
		}
	})
}
