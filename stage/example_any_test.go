package stage_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/stage"
)

func ExampleStream_Any() {
	large := func(n int) (bool, error) { return n > 2, nil }
	found, err := of(1, 2, 3, 4).Any(context.Background(), stage.Try(large))
	fmt.Println(found, err)
	// Output: true <nil>
}

func ExampleStream_Every() {
	large := func(n int) (bool, error) { return n > 2, nil }
	all, err := of(3, 2, 1).Every(context.Background(), stage.Try(large))
	fmt.Println(all, err)
	// Output: false <nil>
}
