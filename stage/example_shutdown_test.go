package stage_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleShutdown() {
	// In a program: stop, release := stage.NotifyShutdown(ctx)
	stop, please := context.WithCancelCause(context.Background())
	endless := source.Func(func(context.Context) (int, error) { return 1, nil })
	written := 0
	each := sink.Func(func(context.Context, int) error {
		if written++; written == 1000 {
			please(errors.New("the operator wants to go home"))
		}
		return nil
	})
	_, err := stage.Run(context.Background(), endless, each, stage.Shutdown(stop, time.Minute))
	fmt.Println(err)
	fmt.Println(errors.Is(err, stage.ErrStopped), written >= 1000)
	// Output:
	// stage: the run was told to stop: the operator wants to go home
	// true true
}

func ExampleNotifyShutdown() {
	stop, release := stage.NotifyShutdown(context.Background())
	defer release()
	_, err := stage.Run(context.Background(), source.Slice([]int{1, 2}), sink.Func(func(_ context.Context, v int) error {
		fmt.Println(v)
		return nil
	}), stage.Shutdown(stop, 10*time.Second))
	code := 0
	if because, ok := errors.AsType[stage.SignalError](err); ok {
		code = because.ExitCode() // for os.Exit
	}
	fmt.Println(code, err)
	// Output:
	// 1
	// 2
	// 0 <nil>
}
