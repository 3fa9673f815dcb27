package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// However many items there are, the pool never holds more than eight of them.
func ExampleInFlight() {
	p := pool.New(4)
	defer p.Close()

	checks := pool.Imap(p, source.Range(0, 10_000), stage.Pure(func(n int) int { return n * n % 1024 }), pool.InFlight(8))
	sum, err := stage.Run(context.Background(), checks, sink.Discard[int]())
	imap := sum.Stages[len(sum.Stages)-1]
	fmt.Println(imap.In, imap.PeakInFlight <= 8, err)
	// Output: 10000 true <nil>
}
