package pool_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleMapAsync() {
	ctx := context.Background()
	codes := pool.MapAsync(ctx, nil, source.Of("abq", "phx"), stage.Pure(strings.ToUpper))
	// Other work goes here.
	fmt.Println(codes.Get(ctx))
	// Output: [ABQ PHX] <nil>
}
