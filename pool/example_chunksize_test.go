package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleChunkSize() {
	half := func(n int) int { return n / 2 }
	halves := pool.Imap(nil, source.Range(0, 1000), stage.Pure(half), pool.ChunkSize(100))
	sum, err := stage.Run(context.Background(), halves, sink.Discard[int]())
	imap := sum.Stages[len(sum.Stages)-1]
	fmt.Println(imap.Name, imap.In, "items in", imap.ChunksIn, "chunks", err)
	// Output: Imap 1000 items in 10 chunks <nil>
}
