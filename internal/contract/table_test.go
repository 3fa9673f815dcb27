package contract

import (
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// operator is a row of the table: ints go in, and what comes out is compared as text.
type operator struct {
	name string
	// apply puts the operator behind in. Its functions ask call about each item that
	// they are given, and fail as it does.
	apply func(in stage.Stream[int], call func(item int) error) stage.Stream[string]
	// want is what a plain loop makes of the items.
	want func(items []int) []string

	anyOrder bool // outputs of different items may come in any order
	short    bool // it may end, or let go, before its input has ended
	mute     bool // it has no function, or one that returns no error
	calls    bool // it has a function: a panic in it must be seen
	tears    bool // what its function fails at ends the stream, not an item
}

func text[T any](in stage.Stream[T]) stage.Stream[string] {
	return stage.Map(in, stage.Pure(func(v T) string { return fmt.Sprint(v) }))
}

func texts[T any](items []T) []string {
	out := make([]string, 0, len(items))
	for _, v := range items {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// each is the plain loop of an operator that makes one output of one item.
func each[B any](fn func(int) B) func([]int) []string {
	return func(items []int) []string {
		out := make([]string, 0, len(items))
		for _, v := range items {
			out = append(out, fmt.Sprint(fn(v)))
		}
		return out
	}
}

// must is call for functions that return no error: what fails there panics.
func must(call func(int) error, item int) {
	if err := call(item); err != nil {
		panic(err)
	}
}

func operators() []operator {
	return slices.Concat(sequential(), holding(), keyed(), branching(), pooled(), executed())
}
