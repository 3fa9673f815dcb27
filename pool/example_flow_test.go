package pool_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// words sends words, as a source of go-streams does.
func words(words ...any) *extension.ChanSource {
	ch := make(chan any)
	go func() {
		defer close(ch)
		for _, w := range words {
			ch <- w
		}
	}()
	return extension.NewChanSource(ch)
}

// Four workers between two flows of go-streams, in order.
func ExampleFlow() {
	atoi := pool.Flow(context.Background(), pool.New(4), stage.Try(strconv.Atoi))
	words("1", "2", "3").
		Via(atoi).
		Via(flow.NewMap(func(n int) string { return fmt.Sprint("number ", n) }, 1)).
		To(extension.NewStdoutSink())
	fmt.Println(atoi.Err())
	// Output:
	// number 1
	// number 2
	// number 3
	// <nil>
}

// Without OnItemError the first item that fails ends the flow.
func ExampleOnItemError() {
	ctx := context.Background()
	handle := pool.OnItemError(func(e *stage.ItemError) { fmt.Println("dropped:", e) })
	atoi := pool.Flow(ctx, nil, stage.Try(strconv.Atoi), handle, pool.ChunkSize(1), pool.InFlight(1))
	words("1", "two", 3, "4").Via(atoi).To(extension.NewStdoutSink())
	fmt.Println(atoi.Err())

	atoi = pool.Flow(ctx, nil, stage.Try(strconv.Atoi))
	words("1", "two", "3", "4").Via(atoi).To(extension.NewIgnoreSink())
	fmt.Println(atoi.Err())
	// Unordered output:
	// 1
	// dropped: Flow: item 1: strconv.Atoi: parsing "two": invalid syntax
	// dropped: inlet: item 2: the value is int, want string
	// 4
	// <nil>
	// Flow: item 1: strconv.Atoi: parsing "two": invalid syntax
}
