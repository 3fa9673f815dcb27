package stage_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// An item that takes too long fails alone.
func ExampleTimeout() {
	load := func(ctx context.Context, page string) (string, error) {
		if page == "stuck" {
			<-ctx.Done()
			return "", ctx.Err()
		}
		return "<" + page + ">", nil
	}
	pages := stage.Map(of("home", "stuck", "about"), stage.Timeout(load, time.Millisecond)).Named("load")
	for text, err := range pages.All(context.Background()) {
		fmt.Println(text, err, errors.Is(err, context.DeadlineExceeded))
	}
	// Output:
	// <home> <nil> false
	//  load: item 1: not done within 1ms true
	// <about> <nil> false
}
