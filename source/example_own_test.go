package source_test

import (
	"context"
	"fmt"
	"io"

	"github.com/penstock-go/penstock/stage"
)

// Countdown is a source of one's own.
func Countdown(from int) stage.Stream[int] {
	return stage.New("Countdown", func(context.Context) (stage.Puller[int], error) {
		return &countdown{from}, nil
	})
}

type countdown struct{ left int }

func (c *countdown) Pull(_ context.Context, into *stage.Chunk[int], max stage.Limit) error {
	into.Reset()
	for ; c.left > 0 && len(into.Items) < max.Room(); c.left-- {
		into.Items = append(into.Items, c.left)
	}
	if c.left == 0 {
		return io.EOF
	}
	return nil
}

func (c *countdown) Close() error { return nil }

func Example_sourceOfYourOwn() {
	got, err := Countdown(3).Collect(context.Background())
	fmt.Println(got, err)
	// Output: [3 2 1] <nil>
}
