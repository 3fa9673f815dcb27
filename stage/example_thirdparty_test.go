package stage_test

import (
	"context"
	"encoding/json"
	"errors"
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
	failed := p.c.Errors
	for i, v := range p.c.Items {
		for ; len(failed) > 0 && failed[0].Before <= i; failed = failed[1:] {
			into.Fail(failed[0]) // at its place among what is left
		}
		if p.last == nil || *p.last != v {
			into.Items = append(into.Items, v)
			p.last = &v
		}
	}
	for _, e := range failed {
		into.Fail(e)
	}
	into.Tokens = append(into.Tokens, p.c.Tokens...)
	return err
}

// A stage is a function that wraps the opened input in another puller. Failed
// items keep their places.
func Example_stage() {
	halves := stage.Map(of(2, 2, 4, 5, 4, 6), func(_ context.Context, n int) (int, error) {
		if n%2 != 0 {
			return 0, errors.New("odd")
		}
		return n / 2, nil
	})
	for v, err := range distinct(halves).All(context.Background()) {
		fmt.Println(v, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 0 Map: item 3: odd
	// 3 <nil>
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
