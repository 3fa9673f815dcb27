package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// result is what a run of a stream gave.
type result[T any] struct {
	items  []T
	places []stage.Position // of the items
	errs   []*stage.ItemError
	tokens []stage.Token
	order  string // "i" for an item, "e" for an item's error, in stream order
	err    error  // what ended it, nil for its end
}

// read runs a stream in chunks of the given limit, and checks what every source
// promises: chunks within the limit, and tokens that account for every item and
// error, one after the other.
func read[T any](t require.TestingT, s stage.Stream[T], max stage.Limit) (r result[T]) {
	ctx := context.Background()
	p, err := s.Open(ctx)
	if err != nil {
		r.err = err
		return r
	}
	defer func() { require.NoError(t, p.Close()) }()
	return drained(t, p, 0, max)
}

// drained is what is left of an opened stream, whose next record is number next.
func drained[T any](t require.TestingT, p stage.Puller[T], next int64, max stage.Limit) (r result[T]) {
	ctx := context.Background()
	var c stage.Chunk[T]
	for {
		err := p.Pull(ctx, &c, max)
		if max.Items > 0 {
			require.LessOrEqual(t, len(c.Items), max.Items)
		}
		before := next
		for _, tok := range c.Tokens {
			require.Equal(t, next, tok.First)
			require.Positive(t, tok.N)
			next += tok.N
			r.tokens = append(r.tokens, tok)
		}
		require.Equal(t, int64(len(c.Items)+len(c.Errors)), next-before)
		e := 0
		for i := 0; i <= len(c.Items); i++ {
			for ; e < len(c.Errors) && c.Errors[e].Before == i; e++ {
				require.Equal(t, before+int64(i+e), c.Errors[e].Index)
				r.errs = append(r.errs, c.Errors[e])
				r.order += "e"
			}
			if i < len(c.Items) {
				r.items = append(r.items, c.Items[i])
				r.places = append(r.places, c.Locate(i))
				r.order += "i"
			}
		}
		require.Len(t, c.Errors, e)
		if err != nil {
			if err != io.EOF {
				r.err = err
			}
			return r
		}
	}
}

// all is the items of a stream that must not fail.
func all[T any](t require.TestingT, s stage.Stream[T], max stage.Limit) []T {
	r := read(t, s, max)
	require.NoError(t, r.err)
	require.Empty(t, r.errs)
	return r.items
}

// limits are what streams are read with where the chunk must not matter.
func limits() []stage.Limit {
	return []stage.Limit{
		{}, {Items: 1}, {Items: 2}, {Items: 3}, {Items: 1000}, {Bytes: 1}, {Bytes: 17}, {Bytes: 1 << 20}, {Items: 2, Bytes: 100},
	}
}

// file writes a file for a test and returns its path.
func file(tb testing.TB, name, content string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	require.NoError(tb, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// packed is the content compressed as "gz", "zst" or not at all.
func packed(t require.TestingT, how, content string) string {
	var w io.WriteCloser
	var err error
	out := new(strings.Builder)
	switch how {
	case "gz":
		w = gzip.NewWriter(out)
	case "zst":
		w, err = zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
		require.NoError(t, err)
	default:
		return content
	}
	_, err = io.WriteString(w, content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.String()
}

// open opens a stream for a test that pulls by hand.
func open[T any](tb testing.TB, s stage.Stream[T]) stage.Puller[T] {
	tb.Helper()
	p, err := s.Open(tb.Context())
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, p.Close()) })
	return p
}

// panics calls fn and returns what it panicked with.
func panics(t *testing.T, fn func()) (message string) {
	t.Helper()
	defer func() { message = fmt.Sprint(recover()) }()
	fn()
	return ""
}
