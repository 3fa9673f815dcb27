package source_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// lineOf is an element reader for connections.
func lineOf() extension.ElementReader {
	var r *bufio.Reader
	return func(conn io.Reader) ([]byte, error) {
		if r == nil {
			r = bufio.NewReader(conn)
		}
		line, err := r.ReadBytes('\n')
		return []byte(strings.TrimSuffix(string(line), "\n")), err
	}
}

// dialled reads lines from a TCP connection until the stream is closed.
func dialled(addr string) stage.Stream[[]byte] {
	return source.FromOutlet[[]byte](func(ctx context.Context) (streams.Outlet, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
		return extension.NewReaderSource(conn, lineOf(), extension.WithContext(ctx), quiet)
	})
}

// serve accepts one connection, and sends n lines. It then waits for the other side
// to close if idle, or closes.
func serve(t *testing.T, n int, idle bool) (addr string, done <-chan error) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		defer conn.Close() //nolint:errcheck // the test has what it wants
		for i := range n {
			if _, err := fmt.Fprintln(conn, "line", i); err != nil {
				served <- err
				return
			}
		}
		if idle {
			_, err = io.Copy(io.Discard, conn)
		}
		served <- err
	}()
	return l.Addr().String(), served
}

func TestFromOutletReadsConnections(t *testing.T) {
	addr, served := serve(t, 500, false)
	lines, err := dialled(addr).Collect(t.Context())
	require.NoError(t, err)
	require.Len(t, lines, 500)
	assert.Equal(t, "line 499", string(lines[499]))
	require.NoError(t, <-served)
}

// A connection on which nothing comes is let go when the range is left.
func TestFromOutletLeavesIdleConnections(t *testing.T) {
	addr, served := serve(t, 3, true)
	n := 0
	for line, err := range dialled(addr).All(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint("line ", n), string(line))
		if n++; n == 3 {
			break
		}
	}
	require.NoError(t, <-served, "the server sees the end")

	addr, served = serve(t, 3, true)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	n = 0
	var last error
	for _, err := range dialled(addr).All(ctx) {
		if last = err; err != nil {
			break
		}
		if n++; n == 3 {
			cancel(errCause)
		}
	}
	require.ErrorIs(t, last, errCause)
	require.NoError(t, <-served)
}
