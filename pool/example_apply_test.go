package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
)

func ExampleApply() {
	p := pool.New(2)
	defer p.Close()

	answer, err := pool.Apply(context.Background(), p, func(context.Context) (int, error) {
		return 6 * 7, nil
	})
	fmt.Println(answer, err)
	// Output: 42 <nil>
}

func ExampleApplyAsync() {
	p := pool.New(2)
	defer p.Close()

	ctx := context.Background()
	var greetings []*pool.Result[string]
	for _, name := range []string{"Ada", "Grace", "Edsger"} {
		greetings = append(greetings, pool.ApplyAsync(ctx, p, func(context.Context) (string, error) {
			return "hello, " + name, nil
		}))
	}
	for _, greeting := range greetings {
		fmt.Println(greeting.Get(ctx))
	}
	// Output:
	// hello, Ada <nil>
	// hello, Grace <nil>
	// hello, Edsger <nil>
}
