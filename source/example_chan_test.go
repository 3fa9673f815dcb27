package source_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/source"
)

func ExampleChan() {
	ch := make(chan int)
	go func() {
		defer close(ch) // ends the stream
		for i := range 3 {
			ch <- i
		}
	}()
	got, err := source.Chan(ch).Collect(context.Background())
	fmt.Println(got, err)
	// Output: [0 1 2] <nil>
}
