package pool_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// conn is a connection that one worker uses at a time.
type conn struct{ open *atomic.Int64 }

func dial(open, dialled *atomic.Int64) func(context.Context) (*conn, error) {
	return func(context.Context) (*conn, error) {
		open.Add(1)
		dialled.Add(1)
		return &conn{open}, nil
	}
}

func (c *conn) lookUp(_ context.Context, name string) (string, error) {
	return strings.ToUpper(name), nil
}

func (c *conn) Close() error {
	c.open.Add(-1)
	return nil
}

// Each worker dials a connection of its own, and closes it at the end.
func ExampleImapWith() {
	p := pool.New(2)
	defer p.Close()

	var open, dialled atomic.Int64
	codes := pool.ImapWith(p, source.Of("abq", "phx", "sea"), dial(&open, &dialled),
		func(ctx context.Context, c *conn, name string) (string, error) { return c.lookUp(ctx, name) })
	fmt.Println(codes.Collect(context.Background()))
	fmt.Println("at most one a worker:", dialled.Load() <= 2, "left open:", open.Load())
	// Output:
	// [ABQ PHX SEA] <nil>
	// at most one a worker: true left open: 0
}
