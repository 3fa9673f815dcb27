package pool_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleMap() {
	p := pool.New(4)
	defer p.Close()

	fmt.Println(pool.Map(context.Background(), p, source.Of("1", "20", "300"), stage.Try(strconv.Atoi)))
	// Output: [1 20 300] <nil>
}

// Map ends with the first failure in the order of the items, whichever
// function fails first.
func ExampleMap_failFast() {
	ports := source.Of("80", "https", "8080", "ssh")
	_, err := pool.Map(context.Background(), nil, ports, stage.Try(strconv.Atoi), pool.Name("ports"))

	if failed, ok := errors.AsType[*stage.ItemError](err); ok {
		fmt.Printf("item %d was %q\n", failed.Index, failed.Input)
	}
	fmt.Println(err)
	fmt.Println(errors.Is(err, strconv.ErrSyntax))
	// Output:
	// item 1 was "https"
	// ports: item 1: strconv.Atoi: parsing "https": invalid syntax
	// true
}

// A task may use its own pool, however small: while it waits with the context
// that it was given, another task runs in its place.
func ExampleMap_nested() {
	p := pool.New(1)
	defer p.Close()

	sum := func(ctx context.Context, n int) (int, error) {
		squares, err := pool.Map(ctx, p, source.Range(1, n+1), stage.Pure(func(i int) int { return i * i }))
		total := 0
		for _, square := range squares {
			total += square
		}
		return total, err
	}
	fmt.Println(pool.Map(context.Background(), p, source.Of(1, 2, 3), sum))
	// Output: [1 5 14] <nil>
}
