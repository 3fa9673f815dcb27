package sink_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// counter is a sink of one's own.
type counter struct{ n *int }

func (s counter) Open(context.Context, json.RawMessage) (stage.Writer[string], error) { return s, nil }

func (s counter) Write(_ context.Context, c *stage.Chunk[string]) error {
	*s.n += len(c.Items)
	return nil
}

func (s counter) Close(context.Context, error) error { return nil }

func Example_sinkOfYourOwn() {
	n := 0
	_, err := stage.Run(context.Background(), source.Of("gate", "pipe"), counter{&n})
	fmt.Println(n, err)
	// Output: 2 <nil>
}
