package codec

import (
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// Whatever the bytes are, the boundaries are places in the file, in order, and where
// the whole can be read, reading from one gives what the whole has behind it.
func FuzzBoundaries(f *testing.F) {
	z, err := zstd.NewWriter(nil)
	require.NoError(f, err)
	one := z.EncodeAll([]byte("a,b\n1,2\n"), nil)
	two := z.EncodeAll(bytes.Repeat([]byte("3,4\n"), 100), nil)
	skipped := append([]byte("\x50\x2a\x4d\x18\x03\x00\x00\x00"), 1, 2, 3)
	for _, seed := range [][]byte{
		nil, []byte("a,b\n"), one, two, append(bytes.Clone(one), two...), append(bytes.Clone(skipped), one...),
		append(append(bytes.Clone(one), skipped...), two...), two[:len(two)-3], []byte("\x28\xb5\x2f\xfd"), []byte("\x1f\x8b\x08"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		starts, anywhere, err := Boundaries(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		require.Equal(t, Boundary{}, starts[0])
		for i := 1; i < len(starts); i++ {
			require.Greater(t, starts[i].At, starts[i-1].At)
			require.Greater(t, starts[i].Offset, starts[i-1].Offset)
			require.Less(t, starts[i].At, int64(len(data)))
		}
		limits := func() *Limits { return NewLimits(0, 1<<20, 1<<20) }
		whole, err := io.ReadAll(NewReader(bytes.NewReader(data), "x", limits(), 1))
		if err != nil || anywhere {
			return
		}
		for _, b := range starts[1:] {
			rest, err := io.ReadAll(NewReader(bytes.NewReader(data[b.At:]), "x", limits(), 1))
			require.NoError(t, err)
			require.LessOrEqual(t, b.Offset, int64(len(whole)))
			require.Equal(t, whole[b.Offset:], rest)
		}
	})
}
