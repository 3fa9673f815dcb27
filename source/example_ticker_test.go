package source_test

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/source"
)

func ExampleTicker() {
	start := time.Now()
	ticks := source.Ticker(10 * time.Millisecond).Take(3)
	for tick, err := range ticks.All(context.Background()) {
		fmt.Println(tick.Sub(start) >= 10*time.Millisecond, err)
	}
	// Output:
	// true <nil>
	// true <nil>
	// true <nil>
}
