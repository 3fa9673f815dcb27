//go:build unix

package source

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// feed makes standard input a pipe. A blocking one cannot be interrupted while
// it is read, as standard input mostly is.
func feed(t *testing.T, blocking bool) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	if blocking {
		fd, err := syscall.Dup(int(r.Fd())) // Fd makes it blocking
		require.NoError(t, err)
		require.NoError(t, r.Close())
		r = os.NewFile(uintptr(fd), "stdin")
	}
	swap(t, r)
	t.Cleanup(func() {
		_ = w.Close() // ends a read that was abandoned
		_, _ = io.Copy(io.Discard, r)
		_ = r.Close()
	})
	return w
}

// swap makes f standard input for the test.
func swap(t *testing.T, f *os.File) {
	t.Helper()
	old := os.Stdin
	os.Stdin = f
	t.Cleanup(func() { os.Stdin = old })
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	_, err := io.WriteString(w, s)
	require.NoError(t, err)
}

func TestStdinReturnsWhatIsThere(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		w := feed(t, blocking)
		p := open(t, Lines("-"))
		var c stage.Chunk[string]
		for _, s := range []string{"one\n", "two\nthree\n"} {
			write(t, w, s)
			require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 100}))
			assert.Equal(t, scan(s), c.Items)
		}
		assert.Equal(t, stage.Position{Offset: 4, Record: 1, Key: "stdin"}, c.Locate(0))
		write(t, w, "four\nfive")
		require.NoError(t, w.Close())
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 1}))
		assert.Equal(t, []string{"four"}, c.Items)
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 100}))
		assert.Equal(t, []string{"five"}, c.Items)
		require.ErrorIs(t, p.Pull(t.Context(), &c, stage.Limit{}), io.EOF)
	}
}

func TestStdinIsCompressed(t *testing.T) {
	for _, how := range []string{"gz", "zst", ""} {
		w := feed(t, true)
		write(t, w, packed(t, how, "one\ntwo\n"))
		require.NoError(t, w.Close())
		assert.Equal(t, []string{"one", "two"}, all(t, Lines("-"), stage.Limit{}))
	}
}

func TestStdinIsAFile(t *testing.T) {
	f, err := os.Open(file(t, "in", strings.Repeat("line\n", 1000)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	swap(t, f)
	assert.Len(t, all(t, Lines("-"), stage.Limit{}), 1000)
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err, "it is left open")
	assert.Len(t, all(t, Lines("-"), stage.Limit{}), 1000)
}

func TestStdinReadError(t *testing.T) {
	f, err := os.Open(file(t, "in", "x"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	swap(t, f)
	r := read(t, Lines("-"), stage.Limit{})
	require.ErrorIs(t, r.err, os.ErrClosed)
	assert.EqualError(t, r.err, "source: stdin: record 1, byte 0: file already closed")
}

// begun is a context that says when something waits under it.
type begun struct {
	context.Context
	waits chan struct{}
}

func (b begun) Value(key any) any {
	if key == (plan.LenderKey{}) {
		return b
	}
	return b.Context.Value(key)
}

func (b begun) Lend() func() {
	b.waits <- struct{}{}
	return func() {}
}

// R5: a blocked read of standard input does not hold up the end of the context;
// what it delivers is there for the next pull.
func TestStdinBlockedReadIsGivenUp(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		w := feed(t, blocking)
		p := open(t, Lines("-"))
		ctx, cancel := context.WithCancelCause(t.Context())
		watched := begun{ctx, make(chan struct{})}
		var c stage.Chunk[string]
		done := make(chan error)
		go func() { done <- p.Pull(watched, &c, stage.Limit{}) }()
		<-watched.waits
		cancel(errBoom)
		require.ErrorIs(t, <-done, errBoom)

		write(t, w, "late\n")
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
		assert.Equal(t, []string{"late"}, c.Items)
	}
}

func TestStdinClosedWhileARead(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		w := feed(t, blocking)
		p, err := Lines("-").Open(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		watched := begun{ctx, make(chan struct{})}
		var c stage.Chunk[string]
		done := make(chan error)
		go func() { done <- p.Pull(watched, &c, stage.Limit{}) }()
		<-watched.waits
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.NoError(t, p.Close(), "it does not wait for the read")
		if !blocking {
			// The read was interrupted, so a second run has all of the input.
			write(t, w, "again\n")
			require.NoError(t, w.Close())
			assert.Equal(t, []string{"again"}, all(t, Lines("-"), stage.Limit{}))
		}
	}
}

func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	written := make(chan error)
	go func() { written <- os.WriteFile(path, []byte("one\ntwo\n"), 0) }()
	assert.Equal(t, []string{"one", "two"}, all(t, Lines(path), stage.Limit{}))
	require.NoError(t, <-written)
}

func TestNamedPipeWithoutAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	p, err := Lines(path).Open(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	watched := begun{ctx, make(chan struct{})}
	var c stage.Chunk[string]
	done := make(chan error)
	go func() { done <- p.Pull(watched, &c, stage.Limit{}) }()
	<-watched.waits
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NoError(t, p.Close())
	w, err := os.OpenFile(path, os.O_WRONLY, 0) // lets the abandoned goroutine go on, and end
	require.NoError(t, err)
	require.NoError(t, w.Close())
}
