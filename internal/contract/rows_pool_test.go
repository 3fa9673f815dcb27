package contract

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// pooled are the stages of package pool, each with chunk sizes that cut it
// differently.
func pooled() []operator {
	var rows []operator
	for _, size := range []int{0, 1, 3} {
		with := func(op operator, name string) {
			op.name, op.calls = fmt.Sprintf("%s/chunk=%d", name, size), true
			rows = append(rows, op)
		}
		opts := []pool.Option{pool.ChunkSize(size), pool.InFlight(8)}
		fn := func(call func(int) error) func(context.Context, int) (int, error) {
			return func(_ context.Context, v int) (int, error) { return double(v), call(v) }
		}
		with(operator{
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(pool.Imap(pool.New(3), in, fn(call), opts...))
			},
			want: each(double),
		}, "pool.Imap")
		with(operator{
			anyOrder: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(pool.ImapUnordered(pool.New(3), in, fn(call), opts...))
			},
			want: each(double),
		}, "pool.ImapUnordered")
		with(operator{
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(pool.FilterMap(pool.New(3), in, func(_ context.Context, v int) (int, bool, error) {
					return v, even(v), call(v)
				}, opts...))
			},
			want: evens,
		}, "pool.FilterMap")
		with(operator{
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(pool.FlatMap(pool.New(3), in, func(_ context.Context, v int, emit func(int)) error {
					if err := call(v); err != nil {
						return err
					}
					for range v % 3 {
						emit(v)
					}
					return nil
				}, opts...))
			},
			want: repeated,
		}, "pool.FlatMap")
		with(operator{
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				state := func(context.Context) (*int, error) { return new(int), nil }
				return text(pool.ImapWith(pool.New(3), in, state, func(_ context.Context, n *int, v int) (int, error) {
					*n++
					return double(v), call(v)
				}, opts...))
			},
			want: each(double),
		}, "pool.ImapWith")
	}
	return rows
}
