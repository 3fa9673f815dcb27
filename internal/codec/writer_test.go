package codec

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// noise is a text that compresses by about half.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnop"[r.IntN(16)]
	}
	return b
}

// The number of goroutines does not change what gzip writes; any level of any
// format reads back.
func TestWriterLevelsAndWorkers(t *testing.T) {
	text := noise(300_000)
	for _, name := range []string{"a.gz", "a.zst", "a"} {
		for _, level := range []int{0, 1, MaxLevel(name) / 2} {
			var first []byte
			for _, workers := range []int{0, 1, 3} {
				var b bytes.Buffer
				w, err := NewWriter(&b, name, WriterOptions{Level: level, Workers: workers})
				require.NoError(t, err)
				for rest := text; len(rest) > 0; {
					n := min(len(rest), 100_000)
					_, err := w.Write(rest[:n])
					require.NoError(t, err)
					rest = rest[n:]
				}
				require.NoError(t, w.Close())
				require.NoError(t, w.Close(), "again")
				w.Abort()
				got, err := unpack(b.Bytes(), name)
				require.NoError(t, err)
				require.Equal(t, string(text), got)
				if first == nil {
					first = b.Bytes()
				}
				require.True(t, bytes.Equal(first, b.Bytes()), "%s, level %d: %d workers write something else", name, level, workers)
			}
		}
	}
}

// full takes so many bytes, then fails.
type full struct{ room int }

var errFull = errors.New("full")

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return f.room, errFull
	}
	f.room -= len(p)
	return len(p), nil
}

// An error of the underlying writer comes out as it was, at the latest from
// Close, and no goroutine stays, whether the writer is closed or aborted then.
func TestWriterFails(t *testing.T) {
	text := noise(1 << 20)
	for _, name := range []string{"a.gz", "a.zst", "a"} {
		for _, room := range []int{0, 3, 11, 100_000, 400_000} {
			for _, abort := range []bool{false, true} {
				w, err := NewWriter(&full{room}, name, WriterOptions{Workers: 3})
				require.NoError(t, err)
				for rest := text; len(rest) > 0 && err == nil; {
					n := min(len(rest), 70_000)
					_, err = w.Write(rest[:n])
					rest = rest[n:]
				}
				if err != nil {
					require.Equal(t, errFull, err)
				}
				if abort {
					w.Abort()
					w.Abort()
				} else {
					require.Equal(t, errFull, w.Close())
				}
				require.NoError(t, goleak.Find())
			}
		}
	}
}

// After Abort nothing is written any more.
func TestAbort(t *testing.T) {
	text := noise(1 << 20)
	for _, name := range []string{"a.gz", "a.zst", "a"} {
		var b bytes.Buffer
		w, err := NewWriter(&b, name, WriterOptions{Workers: 2})
		require.NoError(t, err)
		_, err = w.Write(text)
		require.NoError(t, err)
		w.Abort()
		n := b.Len()
		require.NoError(t, w.Close())
		assert.Equal(t, n, b.Len())
		require.NoError(t, goleak.Find())
	}
}

// shortly writes less than it is given and does not say so.
type shortly struct{}

func (shortly) Write(p []byte) (int, error) { return len(p) / 2, nil }

func TestShortWrite(t *testing.T) {
	for _, name := range []string{"a.gz", "a.zst", "a"} {
		w, err := NewWriter(shortly{}, name, WriterOptions{})
		require.NoError(t, err)
		_, err = io.WriteString(w, strings.Repeat("text", 1000))
		require.ErrorIs(t, errors.Join(err, w.Close()), io.ErrShortWrite)
	}
}

func TestPacker(t *testing.T) {
	for _, name := range []string{"a.gz", "a.zst", "a"} {
		p, err := NewPacker(name, WriterOptions{Level: 3})
		require.NoError(t, err)
		var file []byte
		want := ""
		for _, piece := range []string{"one ", "", strings.Repeat("two ", 50_000), "three"} {
			out, err := p.Pack([]byte(piece))
			require.NoError(t, err)
			file = append(file, out...)
			want += piece
		}
		got, err := unpack(file, name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestMaxLevel(t *testing.T) {
	assert.Equal(t, 9, MaxLevel("a.GZ"))
	assert.Equal(t, 22, MaxLevel("a.zst"))
	assert.Equal(t, 0, MaxLevel("a.csv"))
	_, err := NewWriter(io.Discard, "a.gz", WriterOptions{Level: 10})
	require.Error(t, err)
	_, err = zstd.NewWriter(nil, zstdOptions(22, 1)...)
	require.NoError(t, err)
}
