package source

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// A file that decompresses to too much ends the stream there: file, record and
// byte are named, and what came before is delivered.
func TestDecompressionLimits(t *testing.T) {
	text := strings.Repeat(strings.Repeat("x", 1023)+"\n", 20<<10)
	for _, how := range []string{"gz", "zst"} {
		path := file(t, "in", packed(t, how, text))
		for want, opts := range map[string][]Option{
			": record 16385, byte 16777216: decompressed data over the limit: more than 10 bytes for each of ": {MaxRatio(10), MaxTotal(0)},
			": record 977, byte 1000000: decompressed data over the limit: more than 1000000 bytes in total":   {MaxRatio(1 << 40), MaxTotal(1_000_000)},
		} {
			r := read(t, Lines(path, opts...), stage.Limit{})
			require.ErrorIs(t, r.err, ErrExpands)
			require.ErrorContains(t, r.err, "source: "+path+want)
			fail := r.err.(*Error)                            //nolint:errorlint // it comes bare
			assert.Equal(t, int(fail.Record-1), len(r.items)) //nolint:testifylint // too many to print
		}
		n, err := Lines(path, MaxRatio(1<<40), MaxTotal(1<<40)).Count(t.Context())
		require.NoError(t, err)
		assert.Equal(t, int64(20<<10), n)
	}
	path := file(t, "in.zst", packed(t, "zst", text))
	r := read(t, Lines(path, MaxWindow(1<<10)), stage.Limit{})
	require.ErrorIs(t, r.err, ErrExpands)
	require.ErrorContains(t, r.err, "source: "+path+": record 1, byte 0: decompressed data over the limit: a zstd frame refers back further")
}

func TestLimitOptionsAreChecked(t *testing.T) {
	for want, fn := range map[string]func(){
		"penstock: source.MaxRatio: ratio is -1, want 0 or at least 1":       func() { MaxRatio(-1) },
		"penstock: source.MaxTotal: bytes is -1, want 0 or at least 1":       func() { MaxTotal(-1) },
		"penstock: source.MaxWindow: bytes is 1023, want 0 or at least 1024": func() { MaxWindow(1023) },
	} {
		assert.Equal(t, want, panics(t, fn))
	}
}

// Records that cross the borders of zstd's frames are whole, and stand in order.
func TestLinesAcrossFrames(t *testing.T) {
	var text, data strings.Builder
	for i := range 3000 {
		text.WriteString(strings.Repeat("x", i%67) + "\r\n")
	}
	for s := text.String(); s != ""; {
		n := min(len(s), 1+len(s)%977)
		data.WriteString(packed(t, "zst", s[:n]))
		s = s[n:]
	}
	path := file(t, "in", data.String())
	want := scan(text.String())
	for _, max := range limits() {
		require.Equal(t, want, all(t, Lines(path), max))
	}
	p := pool.New(4)
	defer p.Close()
	got, err := pool.Map(t.Context(), p, Lines(path, BlockSize(500)), stage.Pure(strings.Clone))
	require.NoError(t, err)
	require.Equal(t, want, got)

	// Cut in the middle of its frames, it ends there.
	path = file(t, "cut", data.String()[:data.Len()/2])
	got, err = Lines(path).Collect(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, got)
	r := read(t, Lines(path), stage.Limit{})
	require.Equal(t, want[:len(r.items)], r.items)
	require.NotEmpty(t, r.items)
}
