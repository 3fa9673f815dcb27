package source_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// The keys of the map are cloned, and only looked up with what is borrowed: they
// would change when the block that they are parts of is used again.
func ExampleBorrow() {
	dir, remove := folder(map[string]string{"flights.csv": "delay,origin\n14,ABQ\n-3,LAX\n6,ABQ\n"})
	defer remove()

	flights := source.Records(filepath.Join(dir, "flights.csv"), source.Columns("origin"), source.Borrow())
	total, err := pool.Reduce(context.Background(), nil, flights,
		func() map[string]*int { return map[string]*int{} },
		func(_ context.Context, counts map[string]*int, r source.Record) (map[string]*int, error) {
			n := counts[r.At(0)]
			if n == nil {
				n = new(int)
				counts[strings.Clone(r.At(0))] = n
			}
			*n++
			return counts, nil
		},
		func(a, b map[string]*int) (map[string]*int, error) {
			for origin, n := range b {
				if a[origin] == nil {
					a[origin] = new(int)
				}
				*a[origin] += *n
			}
			return a, nil
		})
	fmt.Println(*total["ABQ"], *total["LAX"], err)
	// Output: 2 1 <nil>
}
