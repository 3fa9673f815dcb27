package stage_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Logs of several machines, each in the order of time, become one.
func ExampleMergeSorted() {
	a := source.Of("07:00 a opens", "09:30 a closes")
	b := source.Of("06:45 b opens", "07:00 b full", "12:00 b closes")
	byTime := func(a, b string) int { return strings.Compare(a[:5], b[:5]) }
	for line, err := range stage.MergeSorted(byTime, a, b).All(context.Background()) {
		fmt.Println(line, err)
	}
	// Output:
	// 06:45 b opens <nil>
	// 07:00 a opens <nil>
	// 07:00 b full <nil>
	// 09:30 a closes <nil>
	// 12:00 b closes <nil>
}
