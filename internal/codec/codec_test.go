package codec

import (
	"bytes"
	"errors"
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

func unpack(src io.Reader, name string) (string, error) {
	r := NewReader(src, name)
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
				got, err := unpack(reader, name)
				require.NoError(t, err)
				require.Equal(t, text, got)
			}
		}
	}
}

func TestRecognisedByContentNotName(t *testing.T) {
	for _, name := range []string{"a.gz", "a.zst"} {
		got, err := unpack(bytes.NewReader(pack(t, name, "hello")), "a.txt")
		require.NoError(t, err)
		assert.Equal(t, "hello", got)
	}
	got, err := unpack(strings.NewReader("hello"), "a.gz")
	require.NoError(t, err)
	assert.Equal(t, "hello", got)
}

func TestManyMembers(t *testing.T) {
	for _, name := range []string{"a.gz", "a.zst"} {
		data := append(pack(t, name, "one "), pack(t, name, "two ")...)
		data = append(data, pack(t, name, "three")...)
		got, err := unpack(bytes.NewReader(data), name)
		require.NoError(t, err)
		assert.Equal(t, "one two three", got)
	}
}

func TestSkippableFrameFirst(t *testing.T) {
	data := append([]byte{0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}, pack(t, "a.zst", "text")...)
	got, err := unpack(bytes.NewReader(data), "a")
	require.NoError(t, err)
	assert.Equal(t, "text", got)
}

func TestShortTexts(t *testing.T) {
	for _, text := range []string{"", "(", "P", "P*", "P*M", "(x", "P*Mx", "\xef"} {
		got, err := unpack(strings.NewReader(text), "a.txt")
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
			_, err := unpack(bytes.NewReader(data[:n]), name)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s cut to %d bytes", name, n)
			if n > 1 {
				_, err = unpack(bytes.NewReader(data[:n]), "a.txt")
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s without its name cut to %d bytes", name, n)
			}
		}
	}
}

func TestErrorsAreSticky(t *testing.T) {
	boom := errors.New("boom")
	r := NewReader(iotest.ErrReader(boom), "a")
	for range 2 {
		_, err := r.Read(make([]byte, 10))
		require.ErrorIs(t, err, boom)
	}
	r.Close()

	r = NewReader(bytes.NewReader([]byte{0x1f, 0x8b, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}), "a")
	for range 2 {
		_, err := r.Read(make([]byte, 10))
		require.Error(t, err)
		require.NotErrorIs(t, err, io.EOF)
	}
}

func TestWindowIsLimited(t *testing.T) {
	// A frame header that asks for a window of 2 GiB, and a block that follows.
	data := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00}
	_, err := unpack(bytes.NewReader(data), "a.zst")
	require.ErrorIs(t, err, zstd.ErrWindowSizeExceeded)
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data), "a")
		defer r.Close()
		if _, err := io.CopyN(io.Discard, r, 1<<20); errors.Is(err, io.EOF) && len(data) > 0 {
			if k, sure := match(string(data)); !sure && k == plain && len(data) > 1 && data[0] != 0x28 && data[0]&0xf0 != 0x50 {
				t.Fatal("an incomplete magic number was read as text")
			}
		}
	})
}
