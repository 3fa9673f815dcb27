package pool_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Where the order does not matter, no result waits for one before it.
func ExampleUnordered() {
	sizes := pool.Imap(nil, source.Of("gate", "pipe", "turbine"), stage.Pure(func(s string) int { return len(s) }), pool.Unordered())
	got, err := sizes.Collect(context.Background())
	slices.Sort(got)
	fmt.Println(got, err)
	// Output: [4 4 7] <nil>
}
