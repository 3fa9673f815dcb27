package contract

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func double(v int) int { return 2 * v }

var errOdd = errors.New("the item is odd")

func even(v int) bool { return v%2 == 0 }

// sequential are the operators of package stage that were there from the start.
func sequential() []operator {
	return []operator{
		{
			name: "Map", calls: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.Map(in, func(_ context.Context, v int) (int, error) { return double(v), call(v) }))
			},
			want: each(double),
		},
		{
			name: "Filter", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(in.Filter(func(v int) bool { must(call, v); return even(v) }))
			},
			want: evens,
		},
		{
			name: "FilterMap", calls: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.FilterMap(in, func(_ context.Context, v int) (int, bool, error) { return v, even(v), call(v) }))
			},
			want: evens,
		},
		{
			name: "FlatMap", calls: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.FlatMap(in, func(_ context.Context, v int, emit func(int)) error {
					if err := call(v); err != nil {
						return err
					}
					for range v % 3 {
						emit(v)
					}
					return nil
				}))
			},
			want: repeated,
		},
		{
			name: "Tap", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(in.Tap(func(v int) { must(call, v) }))
			},
			want: texts[int],
		},
		{
			name: "Catch",
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				odd := stage.Map(in, func(_ context.Context, v int) (int, error) {
					if even(v) {
						return v, nil
					}
					return 0, errOdd
				})
				return text(odd.Catch(func(_ context.Context, e *stage.ItemError) error {
					if v, ok := e.Input.(int); ok {
						return call(v)
					}
					return e
				}))
			},
			calls: true,
			want:  evens,
		},
		{
			name: "Scan", calls: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.Scan(in, 0, func(_ context.Context, sum, v int) (int, error) { return sum + v, call(v) }))
			},
			want: func(items []int) []string {
				sum := 0
				return each(func(v int) int { sum += v; return sum })(items)
			},
		},
		{
			name: "Enumerate", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] { return text(stage.Enumerate(in)) },
			want: func(items []int) []string {
				out := make([]string, 0, len(items))
				for i, v := range items {
					out = append(out, fmt.Sprint(stage.Pair[int64, int]{First: int64(i), Second: v}))
				}
				return out
			},
		},
		{
			name: "Take", mute: true, short: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] { return text(in.Take(10)) },
			want:  func(items []int) []string { return texts(items[:min(10, len(items))]) },
		},
		{
			name: "Skip", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] { return text(in.Skip(3)) },
			want:  func(items []int) []string { return texts(items[min(3, len(items)):]) },
		},
		{
			name: "TakeWhile", calls: true, mute: true, short: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(in.TakeWhile(func(v int) bool { must(call, v); return v < 20 }))
			},
			want: func(items []int) []string {
				n := 0
				for n < len(items) && items[n] < 20 {
					n++
				}
				return texts(items[:n])
			},
		},
		{
			name: "SkipWhile", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(in.SkipWhile(func(v int) bool { must(call, v); return v < 5 }))
			},
			want: func(items []int) []string {
				n := 0
				for n < len(items) && items[n] < 5 {
					n++
				}
				return texts(items[n:])
			},
		},
		{
			name: "Batch", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] { return text(stage.Batch(in, 4)) },
			want:  batches,
		},
		{
			name: "Flatten", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.Flatten(stage.Map(in, stage.Pure(func(v int) iter.Seq[int] {
					return func(yield func(int) bool) {
						must(call, v)
						for i := 0; i < v%3 && yield(v); i++ {
						}
					}
				}))))
			},
			want: repeated,
		},
		{
			name: "FlattenErr", calls: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.FlattenErr(stage.Map(in, stage.Pure(func(v int) iter.Seq2[int, error] {
					return func(yield func(int, error) bool) {
						if err := call(v); err != nil {
							yield(0, err)
							return
						}
						for i := 0; i < v%3 && yield(v, nil); i++ {
						}
					}
				}))))
			},
			want: repeated,
		},
		{
			name: "Unbatch", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.Unbatch(stage.Batch(in, 4)))
			},
			want: texts[int],
		},
		{
			name: "Concat", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.Concat(source.Range(0, 3), in, source.Range(0, 2)))
			},
			want: func(items []int) []string {
				return texts(append(append([]int{0, 1, 2}, items...), 0, 1))
			},
		},
		{
			name: "Zip", mute: true, short: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.Zip(in, source.Range(0, 1000)))
			},
			want: func(items []int) []string {
				out := make([]string, 0, len(items))
				for i, v := range items {
					out = append(out, fmt.Sprint(stage.Pair[int, int]{First: v, Second: i}))
				}
				return out
			},
		},
	}
}

func evens(items []int) []string {
	var out []string
	for _, v := range items {
		if even(v) {
			out = append(out, fmt.Sprint(v))
		}
	}
	return out
}

func repeated(items []int) []string {
	var out []string
	for _, v := range items {
		for range v % 3 {
			out = append(out, fmt.Sprint(v))
		}
	}
	return out
}

func batches(items []int) []string {
	var out []string
	for len(items) > 0 {
		n := min(4, len(items))
		out = append(out, fmt.Sprint(items[:n]))
		items = items[n:]
	}
	return out
}
