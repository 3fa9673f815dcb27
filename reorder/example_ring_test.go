package reorder_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/penstock-go/penstock/backpressure"
	"github.com/penstock-go/penstock/reorder"
)

// Producers hold a credit for each value, so the ring always has room for it, and
// the buffers in its slots are used over and over.
func ExampleRing() {
	ctx := context.Background()
	gate := backpressure.New(backpressure.Cost{Chunks: 2})
	ring := reorder.NewRing[bytes.Buffer](2)
	go func() {
		for seq := range uint64(5) {
			if gate.Acquire(ctx, backpressure.Cost{Chunks: 1}) != nil {
				return
			}
			block := ring.Place(seq)
			block.Reset() // the memory of the block that was here before
			fmt.Fprint(block, "block ", seq)
			_ = ring.Publish(seq)
		}
		ring.CloseAt(5)
	}()
	for ring.Wait(ctx) == nil {
		fmt.Println(ring.Ready().String())
		ring.Taken()
		gate.Release(backpressure.Cost{Chunks: 1})
	}
	// Output:
	// block 0
	// block 1
	// block 2
	// block 3
	// block 4
}
