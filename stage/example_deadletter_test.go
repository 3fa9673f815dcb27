package stage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/penstock-go/penstock/stage"
)

// reasons is a dead-letter sink that writes one line for each letter.
type reasons struct{ to stage.Sink[string] }

func (s reasons) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[stage.Letter], error) {
	w, err := s.to.Open(ctx, restore)
	return reasonWriter{w}, err
}

type reasonWriter struct{ to stage.Writer[string] }

func (w reasonWriter) Write(ctx context.Context, c *stage.Chunk[stage.Letter]) error {
	var lines stage.Chunk[string]
	for _, l := range c.Items {
		lines.Items = append(lines.Items, fmt.Sprintf("%s: %v: %s", l.Stage, l.Input, l.Reason))
	}
	return w.to.Write(ctx, &lines)
}

func (w reasonWriter) Close(ctx context.Context, cause error) error { return w.to.Close(ctx, cause) }

func ExampleDeadLetter() {
	var out, dead string
	in := stage.Map(of("1", "x", "3"), stage.Try(strconv.Atoi)).Named("parse")
	sum, err := stage.Run(context.Background(), in, text[int]{&out}, stage.DeadLetter(reasons{text[string]{&dead}}, 0))
	fmt.Println(sum.Written, sum.DeadLettered, err)
	fmt.Print(dead)
	// Output:
	// 2 1 <nil>
	// parse: x: strconv.Atoi: parsing "x": invalid syntax
}
