package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// Each call looks up as many users as a query may name.
func ExampleMapChunks() {
	names := pool.MapChunks(nil, source.Range(1, 6), func(_ context.Context, ids []int) ([]string, error) {
		var names []string
		for _, id := range ids { // as one query would
			names = append(names, fmt.Sprintf("user %d of %d", id, len(ids)))
		}
		return names, nil
	}, pool.ChunkSize(3))
	for name, err := range names.All(context.Background()) {
		fmt.Println(name, err)
	}
	// Output:
	// user 1 of 3 <nil>
	// user 2 of 3 <nil>
	// user 3 of 3 <nil>
	// user 4 of 2 <nil>
	// user 5 of 2 <nil>
}
