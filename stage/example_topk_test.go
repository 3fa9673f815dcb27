package stage_test

import (
	"cmp"
	"context"
	"fmt"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// The three largest of a stream of any length, in memory for three.
func ExampleTopK() {
	levels := source.Of(31, 4, 15, 92, 6, 53)
	top := stage.TopK(levels, 3, func(a, b int) int { return cmp.Compare(b, a) })
	fmt.Println(top.Collect(context.Background()))
	// Output: [92 53 31] <nil>
}
