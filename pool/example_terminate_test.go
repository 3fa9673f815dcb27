package pool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/pool"
)

// Terminate cancels the contexts of what runs.
func ExamplePool_Terminate() {
	ctx := context.Background()
	p := pool.New(2)
	r := pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) {
		<-ctx.Done() // as a download would that takes for ever
		return 0, context.Cause(ctx)
	})
	p.Terminate()
	_, err := r.Get(ctx)
	fmt.Println(errors.Is(err, pool.ErrTerminated), err)
	fmt.Println(p.Wait())
	// Output:
	// true penstock: the pool was terminated
	// <nil>
}
