package pool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Close takes no new work, and what was accepted runs to its end.
func ExamplePool_Close() {
	ctx := context.Background()
	p := pool.New(2)
	accepted := pool.MapAsync(ctx, p, source.Range(0, 4), stage.Pure(func(n int) int { return 2 * n }))
	p.Close()

	_, err := pool.Apply(ctx, p, func(context.Context) (int, error) { return 0, nil })
	fmt.Println(errors.Is(err, pool.ErrClosed), err)
	fmt.Println(accepted.Get(ctx))
	// Output:
	// true penstock: the pool is closed
	// [0 2 4 6] <nil>
}

// Wait returns when nothing runs any more, and reports panics of callbacks.
func ExamplePool_Wait() {
	p := pool.New(2)
	r := pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) { return 42, nil })
	r.OnSuccess(func(int) { panic("a callback's bug") })
	p.Close()
	err := p.Wait()

	if caught, ok := errors.AsType[*stage.PanicError](err); ok {
		fmt.Println("caught:", caught.Value)
	}
	fmt.Println(r.Successful())
	// Output:
	// caught: a callback's bug
	// true
}
