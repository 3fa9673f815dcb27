package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pack compresses text by the name's extension.
func pack(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, name, WriterOptions{})
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// aheads are the numbers of goroutines that may decode ahead.
var aheads = []int{1, 2, 5}

// unpack decompresses, with and without decoding ahead: that must not matter.
func unpack(data []byte, name string) (text string, err error) {
	for i, ahead := range aheads {
		got, failed := unpackFrom(bytes.NewReader(data), name, ahead)
		if i > 0 && (got != text || fmt.Sprint(failed) != fmt.Sprint(err)) {
			return "", fmt.Errorf("%d ahead: %d bytes, %w; one: %d bytes, %w", ahead, len(got), failed, len(text), err)
		}
		text, err = got, failed
	}
	return text, err
}

func unpackFrom(src io.Reader, name string, ahead int) (string, error) {
	r := NewReader(src, name, NewLimits(0, 0, 0), ahead)
	defer r.Close()
	got, err := io.ReadAll(r)
	return string(got), err
}

var names = []string{"a.txt", "a.gz", "a.zst", "a.GZ"}

func TestRoundTrip(t *testing.T) {
	texts := []string{"", "x", "hello\nworld\n", strings.Repeat("line of text\n", 20_000)}
	for _, name := range names {
		for _, text := range texts {
			data := pack(t, name, text)
			for _, reader := range []io.Reader{
				bytes.NewReader(data), iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data)),
			} {
				got, err := unpackFrom(reader, name, 2)
				require.NoError(t, err)
				require.Equal(t, text, got)
			}
		}
	}
}

func TestRecognisedByContentNotName(t *testing.T) {
	for _, name := range []string{"a.gz", "a.zst"} {
		got, err := unpack(pack(t, name, "hello"), "a.txt")
		require.NoError(t, err)
		assert.Equal(t, "hello", got)
	}
	got, err := unpack([]byte("hello"), "a.gz")
	require.NoError(t, err)
	assert.Equal(t, "hello", got)
}

func TestManyMembers(t *testing.T) {
	for _, name := range []string{"a.gz", "a.zst"} {
		data := append(pack(t, name, "one "), pack(t, name, "two ")...)
		data = append(data, pack(t, name, "three")...)
		got, err := unpack(data, name)
		require.NoError(t, err)
		assert.Equal(t, "one two three", got)
	}
}

func TestSkippableFrameFirst(t *testing.T) {
	data := append([]byte{0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}, pack(t, "a.zst", "text")...)
	got, err := unpack(data, "a")
	require.NoError(t, err)
	assert.Equal(t, "text", got)
}

func TestShortTexts(t *testing.T) {
	for _, text := range []string{"", "(", "P", "P*", "P*M", "(x", "P*Mx", "\xef"} {
		got, err := unpack([]byte(text), "a.txt")
		require.NoError(t, err, "%q", text)
		assert.Equal(t, text, got)
	}
}

// Whatever is cut off a compressed file, reading it is an error. Only an empty
// file that is not named like a compressed one cannot be told from an empty text.
func TestTruncatedAnywhere(t *testing.T) {
	for _, name := range []string{"a.gz", "a.zst"} {
		data := append(pack(t, name, strings.Repeat("some text, ", 30)), pack(t, name, "x")...)
		boundary := len(pack(t, name, strings.Repeat("some text, ", 30)))
		for n := range data {
			if n == boundary {
				continue // a whole file
			}
			_, err := unpack(data[:n], name)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s cut to %d bytes", name, n)
			if n > 1 {
				_, err = unpack(data[:n], "a.txt")
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s without its name cut to %d bytes", name, n)
			}
		}
	}
}

func TestErrorsAreSticky(t *testing.T) {
	boom := errors.New("boom")
	r := NewReader(iotest.ErrReader(boom), "a", NewLimits(0, 0, 0), 2)
	for range 2 {
		_, err := r.Read(make([]byte, 10))
		require.ErrorIs(t, err, boom)
	}
	r.Close()

	r = NewReader(bytes.NewReader([]byte{0x1f, 0x8b, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}), "a", NewLimits(0, 0, 0), 2)
	for range 2 {
		_, err := r.Read(make([]byte, 10))
		require.Error(t, err)
		require.NotErrorIs(t, err, io.EOF)
	}
}

func TestWindowIsLimited(t *testing.T) {
	// A frame header that asks for a window of 2 GiB, and a block that follows.
	data := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00}
	_, err := unpack(data, "a.zst")
	require.ErrorIs(t, err, zstd.ErrWindowSizeExceeded)
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data), "a", NewLimits(0, 0, 0), 1)
		defer r.Close()
		if _, err := io.CopyN(io.Discard, r, 1<<20); errors.Is(err, io.EOF) && len(data) > 0 {
			if k, sure := match(string(data)); !sure && k == plain && len(data) > 1 && data[0] != 0x28 && data[0]&0xf0 != 0x50 {
				t.Fatal("an incomplete magic number was read as text")
			}
		}
	})
}
