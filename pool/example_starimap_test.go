package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleStarImap() {
	names := source.Of("gate", "pipe", "turbine")
	prices := source.Of(120, 15, 9800)
	label := func(_ context.Context, name string, price int) (string, error) {
		return fmt.Sprintf("%s: %d EUR", name, price), nil
	}
	for line, err := range pool.StarImap(nil, stage.Zip(names, prices), label).All(context.Background()) {
		fmt.Println(line, err)
	}
	// Output:
	// gate: 120 EUR <nil>
	// pipe: 15 EUR <nil>
	// turbine: 9800 EUR <nil>
}
