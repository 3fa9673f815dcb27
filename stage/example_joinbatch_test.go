package stage_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// cities asks for the cities of many airports at once.
func cities(_ context.Context, codes []string) (map[string]string, error) {
	fmt.Println("asked for", slices.Sorted(slices.Values(codes)))
	all := map[string]string{"OAK": "Oakland", "SFO": "San Francisco"}
	found := map[string]string{}
	for _, code := range codes {
		if city, ok := all[code]; ok {
			found[code] = city
		}
	}
	return found, nil
}

// Each key is asked for once, those of a chunk together.
func ExampleJoinBatch() {
	lookup := stage.LookupBatch(cities, 100)
	code := func(s string) string { return s }
	// In the workers of a pool, in order.
	show(pool.MapChunks(nil, source.Of("OAK", "XXX", "SFO", "OAK"), stage.MatchingBatch(code, lookup), pool.ChunkSize(4)))
	// One chunk after the other. All that is asked for is known now.
	show(stage.JoinBatch(source.Of("SFO", "XXX"), 100, code, lookup))
	// Output:
	// asked for [OAK SFO XXX]
	// {OAK Oakland}
	// {SFO San Francisco}
	// {OAK Oakland}
	// {SFO San Francisco}
}

func ExampleLeftJoinBatch() {
	lookup := stage.LookupBatch(cities, 100)
	code := func(s string) string { return s }
	for p, err := range stage.LeftJoinBatch(source.Of("XXX"), 100, code, lookup).All(context.Background()) {
		fmt.Printf("%s %q %t %v\n", p.First, p.Second.Value, p.Second.OK, err)
	}
	// Output:
	// asked for [XXX]
	// XXX "" false <nil>
}
