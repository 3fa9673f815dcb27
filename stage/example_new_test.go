package stage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/penstock-go/penstock/stage"
)

// countdown is a source that fails one item on its way.
type countdown struct{ at int }

func (p *countdown) Pull(_ context.Context, into *stage.Chunk[int], limit stage.Limit) error {
	into.Reset()
	for ; p.at > 0 && len(into.Items) < limit.Room(); p.at-- {
		if p.at == 2 {
			into.Fail(&stage.ItemError{Index: 1, Input: p.at, Err: errors.New("two is out of order")})
			continue
		}
		into.Items = append(into.Items, p.at)
	}
	if p.at == 0 {
		return io.EOF
	}
	return nil
}

func (*countdown) Close() error { return nil }

func ExampleNew() {
	show(stage.New("countdown", func(context.Context) (stage.Puller[int], error) {
		return &countdown{at: 3}, nil
	}))
	// Output:
	// 3
	// error: countdown: item 1: two is out of order
	// 1
}

// What open reports is the stream's failure.
func ExampleNew_openError() {
	show(stage.New("device", func(context.Context) (stage.Puller[int], error) {
		return nil, errors.New("device: no such thing")
	}))
	// Output: error: device: no such thing
}

// sampler hands on every nth item, and all that failed.
type sampler[T any] struct {
	stage.Puller[T] // closing the sampler closes the input
	n, seen         int
	c               stage.Chunk[T]
}

func (p *sampler[T]) Pull(ctx context.Context, into *stage.Chunk[T], limit stage.Limit) error {
	into.Reset()
	err := p.Puller.Pull(ctx, &p.c, limit)
	failed := p.c.Errors
	for i, item := range p.c.Items {
		for ; len(failed) > 0 && failed[0].Before <= i; failed = failed[1:] {
			into.Fail(failed[0])
		}
		if p.seen%p.n == 0 {
			into.Items = append(into.Items, item)
		}
		p.seen++
	}
	for _, e := range failed {
		into.Fail(e)
	}
	into.Tokens = append(into.Tokens, p.c.Tokens...)
	return err
}

func ExampleThrough() {
	numbers := stage.Map(of("10", "11", "twelve", "13", "14"), stage.Try(strconv.Atoi))
	show(stage.Through("every second", numbers, func(_ context.Context, in stage.Puller[int]) (stage.Puller[int], error) {
		return &sampler[int]{Puller: in, n: 2}, nil
	}))
	// Output:
	// 10
	// error: Map: item 2: strconv.Atoi: parsing "twelve": invalid syntax
	// 13
}

// An error says before which item of its chunk it stands.
func ExampleChunk_Fail() {
	var c stage.Chunk[int]
	for i, word := range []string{"1", "two", "3"} {
		n, err := strconv.Atoi(word)
		if err != nil {
			c.Fail(&stage.ItemError{Index: int64(i), Input: word, Err: err})
			continue
		}
		c.Items = append(c.Items, n)
	}
	fmt.Println(c.Items, c.Errors[0].Input, "stands before", c.Items[c.Errors[0].Before])
	// Output: [1 3] two stands before 3
}

func ExampleLimit_Room() {
	fmt.Println(stage.Limit{Items: 10}.Room(), stage.Limit{}.Room() == stage.DefaultChunk)
	// Output: 10 true
}

func ExamplePanicError() {
	_, err := stage.Map(of(2, 0), stage.Pure(func(n int) int { return 10 / n })).Collect(context.Background())
	if caught, ok := errors.AsType[*stage.PanicError](err); ok {
		fmt.Println(caught.Value, len(caught.Stack) > 0)
	}
	// Output: runtime error: integer divide by zero true
}
