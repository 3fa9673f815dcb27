package pool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// count counts items.
func count[A any]() stage.Fold[A, int] {
	return stage.Fold[A, int]{
		New:   func() int { return 0 },
		Add:   func(n int, _ A) (int, error) { return n + 1, nil },
		Merge: func(a, b int) (int, error) { return a + b, nil },
	}
}

// How many words have how many letters, counted in all workers.
func ExampleReduceByKey() {
	p := pool.New(4)
	defer p.Close()
	words := source.Of("sluice", "gate", "pipe", "turbine", "water", "dam")
	sizes, err := pool.ReduceByKey(context.Background(), p, words, func(w string) int { return len(w) }, count[string]())
	fmt.Println(sizes, err)
	// Output:
	// map[3:1 4:2 5:1 6:1 7:1] <nil>
}

// A key that is chosen badly fails, instead of filling the memory.
func ExampleMaxKeys() {
	p := pool.New(1)
	defer p.Close()
	itself := func(n int) int { return n }
	_, err := pool.ReduceByKey(context.Background(), p, source.Range(0, 1_000_000), itself, count[int](), pool.MaxKeys(1000))
	fmt.Println(errors.Is(err, pool.ErrTooManyKeys), err)
	// Output:
	// true ReduceByKey: item 1000: key 1000: too many keys: more than MaxKeys(1000)
}
