package pool_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleImap() {
	p := pool.New(4)
	defer p.Close()

	squares := pool.Imap(p, source.Range(1, 6), func(_ context.Context, n int) (int, error) {
		return n * n, nil
	})
	for square, err := range squares.All(context.Background()) { // nothing runs before this
		fmt.Println(square, err)
	}
	// Output:
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
	// 16 <nil>
	// 25 <nil>
}

// A failed item comes at its place, and the others go on.
func ExampleImap_errors() {
	ports := pool.Imap(nil, source.Of("80", "https", "8080"), stage.Try(strconv.Atoi))
	for port, err := range ports.All(context.Background()) {
		var failed *stage.ItemError
		switch {
		case errors.As(err, &failed):
			fmt.Printf("item %d, %q: %v\n", failed.Index, failed.Input, failed.Err)
		case err != nil:
			fmt.Println("the stream ended:", err)
		default:
			fmt.Println(port)
		}
	}
	// Output:
	// 80
	// item 1, "https": strconv.Atoi: parsing "https": invalid syntax
	// 8080
}

// A panic is the error of the item whose function panicked.
func ExampleImap_panic() {
	quotients := pool.Imap(nil, source.Of(1, 0, 2), stage.Pure(func(n int) int { return 100 / n }))
	for quotient, err := range quotients.All(context.Background()) {
		if caught, ok := errors.AsType[*stage.PanicError](err); ok {
			fmt.Println("panic:", caught.Value)
			continue
		}
		fmt.Println(quotient, err)
	}
	// Output:
	// 100 <nil>
	// panic: runtime error: integer divide by zero
	// 50 <nil>
}

// Leaving the range stops the workers and waits for them.
func ExampleImap_break() {
	endless := source.Func(func(context.Context) (string, error) { return "tick", nil })
	for tick, err := range pool.Imap(nil, endless, stage.Pure(strings.ToUpper)).All(context.Background()) {
		fmt.Println(tick, err)
		break
	}
	// Output: TICK <nil>
}
