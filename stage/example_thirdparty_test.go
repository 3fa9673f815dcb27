package stage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-go/penstock/stage"
)

// of is a source of one's own: the items of a slice.
func of[T any](items ...T) stage.Stream[T] {
	return stage.New("of", func(context.Context) (stage.Puller[T], error) {
		return &ofPuller[T]{left: items}, nil
	})
}

type ofPuller[T any] struct{ left []T }

func (p *ofPuller[T]) Pull(_ context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	n := min(max.Room(), len(p.left))
	into.Items = append(into.Items, p.left[:n]...)
	if p.left = p.left[n:]; len(p.left) == 0 {
		return io.EOF
	}
	return nil
}

func (*ofPuller[T]) Close() error { return nil }

// A source is a function that opens it and a puller. Limits, panics and the end
// are looked after.
func Example_source() {
	for v, err := range of("a", "b", "c").All(context.Background()) {
		fmt.Println(v, err)
	}
	// Output:
	// a <nil>
	// b <nil>
	// c <nil>
}

// distinct is a stage of one's own: it drops items that equal the one before.
func distinct[T comparable](in stage.Stream[T]) stage.Stream[T] {
	return stage.Through("distinct", in, func(_ context.Context, up stage.Puller[T]) (stage.Puller[T], error) {
		return &distinctPuller[T]{Puller: up}, nil
	})
}

type distinctPuller[T comparable] struct {
	stage.Puller[T] // closing it closes the input
	c               stage.Chunk[T]
	last            *T
}

func (p *distinctPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	err := p.Puller.Pull(ctx, &p.c, max)
	for _, v := range p.c.Items {
		if p.last == nil || *p.last != v {
			into.Items = append(into.Items, v)
			p.last = &v
		}
	}
	into.Errors = append(into.Errors, p.c.Errors...)
	into.Tokens = append(into.Tokens, p.c.Tokens...)
	return err
}

// A stage is a function that wraps the opened input in another puller.
func Example_stage() {
	fmt.Println(distinct(of(1, 1, 2, 3, 3, 1)).Collect(context.Background()))
	// Output:
	// [1 2 3 1] <nil>
}

// text is a sink of one's own: one item a line, published when all is well.
type text[T any] struct{ published *string }

func (s text[T]) Open(context.Context, json.RawMessage) (stage.Writer[T], error) {
	return &textWriter[T]{to: s.published}, nil
}

type textWriter[T any] struct {
	to *string
	b  strings.Builder
}

func (w *textWriter[T]) Write(_ context.Context, c *stage.Chunk[T]) error {
	for _, v := range c.Items {
		fmt.Fprintln(&w.b, v)
	}
	return nil
}

func (w *textWriter[T]) Close(_ context.Context, cause error) error {
	if cause == nil {
		*w.to = w.b.String()
	}
	return nil
}

// A sink is a plan that opens a writer.
func Example_sink() {
	var published string
	sum, err := stage.Run(context.Background(), of(1, 2, 3), text[int]{&published})
	fmt.Println(sum.Written, err)
	fmt.Print(published)
	// Output:
	// 3 <nil>
	// 1
	// 2
	// 3
}
