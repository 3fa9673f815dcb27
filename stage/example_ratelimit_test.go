package stage_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// 200 calls a second, none at once.
func ExampleRateLimit() {
	began := time.Now()
	shout := stage.RateLimit(stage.Pure(strings.ToUpper), 200, 1)
	all, err := stage.Map(of("a", "b", "c"), shout).Collect(context.Background())
	fmt.Println(all, err, time.Since(began) >= 9*time.Millisecond)
	// Output: [A B C] <nil> true
}
