package pool_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// A connection serves two items at most, then the worker dials anew.
func ExampleRecycleAfter() {
	p := pool.New(1)
	defer p.Close()

	var open, dialled atomic.Int64
	codes := pool.ImapWith(p, source.Of("abq", "phx", "sea", "jfk", "lax"), dial(&open, &dialled),
		func(ctx context.Context, c *conn, name string) (string, error) { return c.lookUp(ctx, name) },
		pool.RecycleAfter(2))
	fmt.Println(codes.Collect(context.Background()))
	fmt.Println("dialled:", dialled.Load(), "left open:", open.Load())
	// Output:
	// [ABQ PHX SEA JFK LAX] <nil>
	// dialled: 3 left open: 0
}
