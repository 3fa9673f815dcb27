package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// A job begins small and gets more workers while it runs.
func ExamplePool_Resize() {
	p := pool.New(1)
	defer p.Close()
	square := func(_ context.Context, n int) (int, error) { return n * n, nil }
	sum := 0
	for v, err := range pool.Imap(p, source.Range(0, 100), square).All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if v == 100 {
			p.Resize(4)
		}
		sum += v
	}
	fmt.Println(sum, "with", p.Workers(), "workers at the end")
	// Output:
	// 328350 with 4 workers at the end
}
