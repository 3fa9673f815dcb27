package fold_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
	"github.com/penstock-go/penstock/stage/fold"
)

type reading struct {
	pump  string
	level float64
}

// Several folds of several values go through the items once.
func Example() {
	readings := source.Of(reading{"a", 2}, reading{"b", 7}, reading{"a", 4})
	level := func(r reading) float64 { return r.level }
	perPump := stage.GroupBy(readings, func(r reading) string { return r.pump },
		fold.Both(fold.Of(level, fold.Stats[float64]()), fold.Last[reading]()))
	for g, err := range perPump.All(context.Background()) {
		stats, last := g.Second.First, g.Second.Second.Value
		fmt.Println(g.First, stats.Count(), stats.Mean(), last.level, err)
	}
	// Output:
	// a 2 3 4 <nil>
	// b 1 7 7 <nil>
}
