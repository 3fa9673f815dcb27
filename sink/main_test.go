package sink

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a sink for a test that writes by hand.
func open[T any](tb testing.TB, s stage.Sink[T]) stage.Writer[T] {
	tb.Helper()
	w, err := s.Open(tb.Context(), nil)
	require.NoError(tb, err)
	return w
}

// chunks cuts items into chunks of n.
func chunks[T any](items []T, n int) (out []*stage.Chunk[T]) {
	for len(items) > 0 {
		k := min(n, len(items))
		out = append(out, &stage.Chunk[T]{Items: append([]T(nil), items[:k]...)})
		items = items[k:]
	}
	return out
}

// run writes items to a sink in chunks of n, as stage.Run does: the first error
// closes the sink with that cause.
func run[T any](tb testing.TB, s stage.Sink[T], n int, items ...T) error {
	tb.Helper()
	w, err := s.Open(tb.Context(), nil)
	if err != nil {
		return err
	}
	for _, c := range chunks(items, n) {
		if err := w.Write(tb.Context(), c); err != nil {
			require.NoError(tb, w.Close(tb.Context(), err))
			return err
		}
	}
	return w.Close(tb.Context(), nil)
}

// names lists a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// old writes a file for a sink to replace, in a folder of its own.
func old(t *testing.T, name string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	return dir, path
}

// panics calls fn and returns what it panicked with.
func panics(t *testing.T, fn func()) (message string) {
	t.Helper()
	defer func() { message = fmt.Sprint(recover()) }()
	fn()
	return ""
}
