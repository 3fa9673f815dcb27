package pool_test

import (
	"context"
	"fmt"
	"math"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func hypot(_ context.Context, a, b float64) (float64, error) { return math.Hypot(a, b), nil }

func ExampleStarmap() {
	sides := source.Of(stage.Pair[float64, float64]{First: 3, Second: 4}, stage.Pair[float64, float64]{First: 5, Second: 12})
	fmt.Println(pool.Starmap(context.Background(), nil, sides, hypot))
	// Output: [5 13] <nil>
}

func ExampleStarmapAsync() {
	ctx := context.Background()
	sides := stage.Zip(source.Of(3., 5.), source.Of(4., 12.))
	lengths := pool.StarmapAsync(ctx, nil, sides, hypot)
	fmt.Println(lengths.Get(ctx))
	// Output: [5 13] <nil>
}
