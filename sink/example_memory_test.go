package sink_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleCollect() {
	var got []int
	_, err := stage.Run(context.Background(), source.Range(0, 4), sink.Collect(&got))
	fmt.Println(got, err)
	// Output: [0 1 2 3] <nil>
}

func ExampleFunc() {
	show := func(_ context.Context, word string) error {
		_, err := fmt.Println(word)
		return err
	}
	_, err := stage.Run(context.Background(), source.Of("gate", "pipe"), sink.Func(show))
	fmt.Println(err)
	// Output:
	// gate
	// pipe
	// <nil>
}

func ExampleChan() {
	ch := make(chan int)
	done := make(chan error)
	go func() {
		defer close(ch) // the sink does not
		_, err := stage.Run(context.Background(), source.Range(0, 3), sink.Chan(ch))
		done <- err
	}()
	for range 3 {
		fmt.Println(<-ch)
	}
	fmt.Println(<-done)
	// Output:
	// 0
	// 1
	// 2
	// <nil>
}

func ExampleDiscard() {
	sum, err := stage.Run(context.Background(), source.Range(0, 1000), sink.Discard[int]())
	fmt.Println(sum.Written, err)
	// Output: 1000 <nil>
}
