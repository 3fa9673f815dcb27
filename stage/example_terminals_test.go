package stage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/penstock-go/penstock/stage"
)

func ExampleStream_All() {
	ctx := context.Background()
	for n, err := range stage.Map(of("1", "x", "3"), stage.Try(strconv.Atoi)).All(ctx) {
		var failed *stage.ItemError
		switch {
		case errors.As(err, &failed):
			fmt.Println("skipped:", failed.Input)
		case err != nil:
			fmt.Println("the stream ended:", err)
		default:
			fmt.Println(n)
		}
	}
	// Output:
	// 1
	// skipped: x
	// 3
}

func ExampleStream_Collect() {
	fmt.Println(of(1, 2, 3).Collect(context.Background()))
	fmt.Println(stage.Map(of("1", "x"), stage.Try(strconv.Atoi)).Collect(context.Background()))
	// Output:
	// [1 2 3] <nil>
	// [] Map: item 1: strconv.Atoi: parsing "x": invalid syntax
}

func ExampleStream_Count() {
	fmt.Println(of("a", "b").Count(context.Background()))
	// Output: 2 <nil>
}

func ExampleStream_First() {
	ctx := context.Background()
	fmt.Println(of(5, 12, 20).Filter(func(v int) bool { return v > 10 }).First(ctx))
	_, err := of[int]().First(ctx)
	fmt.Println(err)
	// Output:
	// 12 <nil>
	// penstock: the stream has no items
}

func ExampleStream_ForEach() {
	err := of("a", "b").ForEach(context.Background(), func(_ context.Context, s string) error {
		_, err := fmt.Println(s)
		return err
	})
	fmt.Println(err)
	// Output:
	// a
	// b
	// <nil>
}

func ExampleReduce() {
	fmt.Println(stage.Reduce(context.Background(), of(1, 2, 3), 0,
		func(_ context.Context, sum, v int) (int, error) { return sum + v, nil }))
	// Output: 6 <nil>
}

// A stream can be opened and pulled by hand, chunk by chunk.
func ExampleStream_Open() {
	ctx := context.Background()
	p, err := of(1, 2, 3, 4, 5).Open(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer p.Close()
	var c stage.Chunk[int]
	for err == nil {
		err = p.Pull(ctx, &c, stage.Limit{Items: 3})
		fmt.Println(c.Items, err == io.EOF)
	}
	// Output:
	// [1 2 3] false
	// [4 5] true
}
