package pool_test

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// Each worker counts words in a map of its own; the maps are added up at the end.
func ExampleReduce() {
	lines := source.Of("to be or", "not to be", "that is")
	counts, err := pool.Reduce(context.Background(), nil, lines,
		func() map[string]int { return map[string]int{} },
		func(_ context.Context, counts map[string]int, line string) (map[string]int, error) {
			for word := range strings.FieldsSeq(line) {
				counts[word]++
			}
			return counts, nil
		},
		func(counts, more map[string]int) (map[string]int, error) {
			for word, n := range maps.All(more) {
				counts[word] += n
			}
			return counts, nil
		})
	fmt.Println(counts, err)
	// Output: map[be:2 is:1 not:1 or:1 that:1 to:2] <nil>
}
