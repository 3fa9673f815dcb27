package parquet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// encoded is a file of rows, with a row group after every group rows.
func encoded[T any](t require.TestingT, group int, rows []T, opts ...parquet.WriterOption) []byte {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, opts...)
	for len(rows) > 0 {
		n := min(group, len(rows))
		_, err := w.Write(rows[:n])
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		rows = rows[n:]
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// written writes a file of rows into a folder of its own.
func written[T any](tb testing.TB, group int, rows []T, opts ...parquet.WriterOption) string {
	tb.Helper()
	return stored(tb, encoded(tb, group, rows, opts...))
}

func stored(tb testing.TB, content []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "rows.parquet")
	require.NoError(tb, os.WriteFile(path, content, 0o600))
	return path
}

// read runs a stream in chunks of the given limit, and checks that the tokens
// account for every row, one after the other.
func read[T any](t require.TestingT, s stage.Stream[T], limit stage.Limit) (items []T, places []stage.Position, err error) {
	ctx := context.Background()
	p, err := s.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { require.NoError(t, p.Close()) }()
	var c stage.Chunk[T]
	for {
		err := p.Pull(ctx, &c, limit)
		if limit.Items > 0 {
			require.LessOrEqual(t, len(c.Items), limit.Items)
		}
		require.LessOrEqual(t, len(c.Items), defaultRows)
		require.Empty(t, c.Errors)
		before := int64(len(items))
		for i, v := range c.Items {
			items = append(items, v)
			places = append(places, c.Locate(i))
		}
		if err == io.EOF {
			return items, places, nil
		}
		if err != nil {
			return items, places, err
		}
		for _, tok := range c.Tokens {
			require.Equal(t, before, tok.First)
			require.Positive(t, tok.N)
			before += tok.N
		}
		require.Equal(t, int64(len(items)), before)
	}
}

// all is the items of a stream that must not fail.
func all[T any](t require.TestingT, s stage.Stream[T], limit stage.Limit) []T {
	items, _, err := read(t, s, limit)
	require.NoError(t, err)
	return items
}

func limits() []stage.Limit {
	return []stage.Limit{{}, {Items: 1}, {Items: 2}, {Items: 7}, {Items: 5000}, {Bytes: 100}}
}

// panics calls fn and returns what it panicked with.
func panics(t *testing.T, fn func()) (message string) {
	t.Helper()
	defer func() { message = fmt.Sprint(recover()) }()
	fn()
	return ""
}
