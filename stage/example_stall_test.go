package stage_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleStallAfter() {
	answer := make(chan struct{}) // of a server that does not
	ask := func(_ context.Context, v int) (int, error) {
		if v == 30 {
			<-answer
		}
		return v + 1, nil
	}
	asked := pool.Imap(pool.New(2), source.Slice([]int{10, 20, 30, 40}), ask, pool.Name("ask"))

	var once sync.Once
	sum, err := stage.Run(context.Background(), asked, sink.Func(func(context.Context, int) error { return nil }),
		stage.StallAfter(200*time.Millisecond, func(s stage.Stall) {
			once.Do(func() {
				stuck := s.Culprit()
				fmt.Printf("the run waits for %s (%s): item %d is %s\n", stuck.Stage, stuck.Op, stuck.Index, stuck.Doing)
				close(answer)
			})
		}))
	fmt.Println(sum.Written, err)
	// Output:
	// the run waits for ask (Imap): item 2 is running
	// 4 <nil>
}
