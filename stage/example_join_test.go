package stage_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleJoin() {
	names := stage.InMap(map[string]string{"OAK": "Oakland", "SFO": "San Francisco"})
	code := func(s string) string { return s }
	for p, err := range stage.Join(source.Of("OAK", "XXX", "SFO"), code, names).All(context.Background()) {
		fmt.Println(p.First, p.Second, err)
	}
	// The same in the workers of a pool, for lookups that take long.
	inPool := pool.FilterMap(nil, source.Of("OAK", "XXX"), stage.Matching(code, names))
	for p, err := range inPool.All(context.Background()) {
		fmt.Println(p.First, p.Second, err)
	}
	// Output:
	// OAK Oakland <nil>
	// SFO San Francisco <nil>
	// OAK Oakland <nil>
}

func ExampleLeftJoin() {
	names := stage.InMap(map[string]string{"OAK": "Oakland"})
	code := func(s string) string { return s }
	for p, err := range stage.LeftJoin(source.Of("OAK", "XXX"), code, names).All(context.Background()) {
		fmt.Printf("%s %q %t %v\n", p.First, p.Second.Value, p.Second.OK, err)
	}
	// Output:
	// OAK "Oakland" true <nil>
	// XXX "" false <nil>
}
