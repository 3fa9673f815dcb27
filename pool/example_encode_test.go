package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// The workers format chunks; the sink writes the blocks in order.
func ExampleEncode() {
	type square struct {
		N      int `json:"n"`
		Square int `json:"square"`
	}
	squares := pool.Imap(nil, source.Range(1, 4), stage.Pure(func(n int) square { return square{n, n * n} }))
	blocks := pool.Encode(nil, squares, sink.NDJSONEncoder[square]())
	_, err := stage.Run(context.Background(), blocks, sink.File("-"))
	fmt.Println(err)
	// Output:
	// {"n":1,"square":1}
	// {"n":2,"square":4}
	// {"n":3,"square":9}
	// <nil>
}
