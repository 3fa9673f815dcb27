package stage_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
	"github.com/penstock-go/penstock/stage/fold"
)

func ExampleGroupBy() {
	words := source.Of("dam", "gate", "pump", "dike", "grate")
	initial := func(s string) string { return s[:1] }
	groups := stage.GroupBy(words, initial, fold.Count[string](), stage.MaxKeys(26), stage.ByKey[string]())
	for g, err := range groups.All(context.Background()) {
		fmt.Println(g.First, g.Second, err)
	}
	// Output:
	// d 2 <nil>
	// g 2 <nil>
	// p 1 <nil>
}

// With Spill no number of keys is too large: here no more than two are in memory.
func ExampleSpill() {
	words := source.Of("dam", "gate", "pump", "dike", "grate", "valve", "drain")
	initial := func(s string) string { return s[:1] }
	groups := stage.GroupBy(words, initial, fold.Count[string](), stage.MaxKeys(2), stage.Spill(stage.SpillMemory(1<<20)))
	for g, err := range groups.All(context.Background()) {
		fmt.Println(g.First, g.Second, err)
	}
	// Output:
	// d 3 <nil>
	// g 2 <nil>
	// p 1 <nil>
	// v 1 <nil>
}
