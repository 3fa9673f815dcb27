package stage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Items come as they are ready, so that only their order within a stream is known.
func ExampleMerge() {
	evens := source.Of(0, 2, 4)
	odds := source.Of(1, 3, 5)

	all, err := stage.Merge(evens, odds).Collect(context.Background())
	slices.Sort(all)
	fmt.Println(all, err)
	// Output: [0 1 2 3 4 5] <nil>
}

// A broken stream does not keep the rest of the others back.
func ExampleMergeToEnd() {
	whole := source.Of(1, 2, 3)
	broken := source.Func(func(context.Context) (int, error) { return 0, errors.New("the line is dead") })

	var got []int
	for v, err := range stage.MergeToEnd(whole, broken).All(context.Background()) {
		if err != nil {
			fmt.Println("at the end:", err)
			break
		}
		got = append(got, v)
	}
	fmt.Println(got)
	// Output:
	// at the end: source: item 0: the line is dead
	// [1 2 3]
}
