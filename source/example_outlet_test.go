package source_test

import (
	"context"
	"fmt"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"

	"github.com/penstock-go/penstock/source"
)

// A source of go-streams with a flow behind it; both end when the context does.
func ExampleFromOutlet() {
	squares := source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
		numbers := make(chan any)
		go func() {
			defer close(numbers)
			for n := 0; ; n++ {
				select {
				case numbers <- n:
				case <-ctx.Done():
					return
				}
			}
		}()
		return extension.NewChanSource(numbers).Via(flow.NewMap(func(n int) int { return n * n }, 1)), nil
	})
	got, err := squares.Take(5).Collect(context.Background())
	fmt.Println(got, err)
	// Output: [0 1 4 9 16] <nil>
}

// A value of another type is a failed item; the rest comes.
func ExampleFromOutlet_types() {
	words := source.FromOutlet[string](func(context.Context) (streams.Outlet, error) {
		ch := make(chan any, 3)
		ch <- "one"
		ch <- 2
		ch <- "three"
		close(ch)
		return extension.NewChanSource(ch), nil
	})
	for word, err := range words.All(context.Background()) {
		fmt.Printf("%q %v\n", word, err)
	}
	// Output:
	// "one" <nil>
	// "" FromOutlet: item 1: the value is int, want string
	// "three" <nil>
}
