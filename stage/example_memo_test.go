package stage_test

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/stage"
)

func ExampleMemo() {
	calls := 0
	country := func(_ context.Context, city string) (string, error) { // as a service would
		calls++
		return map[string]string{"Oslo": "Norway", "Rome": "Italy"}[city], nil
	}
	fn := stage.Memo(stage.Retry(stage.RateLimit(stage.Timeout(country, 2*time.Second), 1000, 10)), 10_000)
	show(stage.Map(of("Oslo", "Rome", "Oslo"), fn))
	fmt.Println(calls, "calls")
	// Output:
	// Norway
	// Italy
	// Norway
	// 2 calls
}
