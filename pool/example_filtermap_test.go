package pool_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

func ExampleFilterMap() {
	config := source.Of("# sizes", "size=3", "colour=red", "size=12")
	sizes := pool.FilterMap(nil, config, func(_ context.Context, line string) (int, bool, error) {
		value, found := strings.CutPrefix(line, "size=")
		if !found {
			return 0, false, nil
		}
		size, err := strconv.Atoi(value)
		return size, true, err
	})
	fmt.Println(sizes.Collect(context.Background()))
	// Output: [3 12] <nil>
}
