package sink_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Any sink of go-streams; what is sent to one that has failed fails the run, if the
// connector says so.
func ExampleToInlet() {
	lines := stage.Map(source.Range(1, 4), stage.Pure(strconv.Itoa))
	sum, err := stage.Run(context.Background(), lines,
		sink.ToInlet[string](func(context.Context, context.CancelFunc) (streams.Inlet, error) {
			return extension.NewStdoutSink(), nil
		}))
	fmt.Println(sum.Written, err)

	_, err = stage.Run(context.Background(), lines,
		sink.ToInlet[string](func(ctx context.Context, fail context.CancelFunc) (streams.Inlet, error) {
			return extension.NewFileSink("/no/such/folder/out.txt", extension.WithContext(ctx), extension.WithContextCancel(fail), quiet), nil
		}))
	fmt.Println(err != nil)
	// Output:
	// 1
	// 2
	// 3
	// 3 <nil>
	// true
}

// For sinks that add to what is there: no checkpoint speaks of what the connector
// still holds.
func ExampleReopen() {
	opened := 0
	out := sink.ToInlet[int](func(context.Context, context.CancelFunc) (streams.Inlet, error) {
		opened++
		return extension.NewIgnoreSink(), nil
	}, sink.Reopen())
	_, err := stage.Run(context.Background(), source.Range(0, 1000), out) // stage.Checkpoint(store, time.Minute)
	fmt.Println(opened, err)
	// Output: 1 <nil>
}
