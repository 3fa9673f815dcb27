package stage_test

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleBatchWait() {
	events := make(chan string, 3)
	events <- "login"
	events <- "click"
	batches := stage.BatchWait(source.Chan(events), 100, 5*time.Millisecond)
	for batch, err := range batches.All(context.Background()) {
		if err != nil {
			fmt.Println("error:", err)
			break
		}
		fmt.Println(batch)
		close(events) // the batch did not wait for this
	}
	// Output: [login click]
}

func ExampleStream_Throttle() {
	began := time.Now()
	show(of("a", "b", "c").Throttle(100, 1))
	fmt.Println(time.Since(began) >= 20*time.Millisecond)
	// Output:
	// a
	// b
	// c
	// true
}
