package stage_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// One source, read once, goes to two sinks.
func ExampleRunAll() {
	branches := stage.Tee(source.Range(1, 6), 2)
	squares := stage.Map(branches[1], func(_ context.Context, v int) (int, error) { return v * v, nil })

	var plain, squared []int
	_, err := stage.RunAll(context.Background(),
		stage.To(branches[0], sink.Collect(&plain)),
		stage.To(squares, sink.Collect(&squared)),
	)
	fmt.Println(plain, squared, err)
	// Output: [1 2 3 4 5] [1 4 9 16 25] <nil>
}

// Each item goes to one of two sinks.
func ExamplePartition() {
	branches := stage.Partition(source.Range(1, 6), 2, func(v int) int { return v % 2 })

	var even, odd []int
	_, err := stage.RunAll(context.Background(),
		stage.To(branches[0], sink.Collect(&even)),
		stage.To(branches[1], sink.Collect(&odd)),
	)
	fmt.Println(even, odd, err)
	// Output: [2 4] [1 3 5] <nil>
}

// Two stages read the same items.
func ExampleTee() {
	branches := stage.Tee(source.Of("gate", "pipe", "turbine"), 2)
	lengths := stage.Map(branches[0], func(_ context.Context, word string) (int, error) { return len(word), nil })
	ones := stage.Map(branches[1], func(context.Context, string) (int, error) { return 1, nil })

	var letters, words []int
	_, err := stage.RunAll(context.Background(),
		stage.To(lengths, sink.Collect(&letters)),
		stage.To(ones, sink.Collect(&words)),
	)
	fmt.Println(letters, words, err)
	// Output: [4 4 7] [1 1 1] <nil>
}

// No branch is more than 10 items ahead of the other, as long as that is read.
func ExampleAhead() {
	branches := stage.Tee(source.Range(0, 100), 2, stage.Ahead(10))

	var all, few []int
	_, err := stage.RunAll(context.Background(),
		stage.To(branches[0], sink.Collect(&all)),
		stage.To(branches[1].Take(3), sink.Collect(&few)), // then it is closed, and holds nobody back
	)
	fmt.Println(len(all), few, err)
	// Output: 100 [0 1 2] <nil>
}
