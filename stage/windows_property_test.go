package stage

import (
	"fmt"
	"slices"
	"time"
)

// keepsCase is opCase for an operator that holds items in a state. unfinished is nil if
// what it holds comes when the input fails too.
func keepsCase[T any](name string, build func(w *world, in Stream[int]) Stream[T], model, unfinished func([]event) []string) operator {
	op := opCase(name, build, model)
	op.keeps, op.unfinished = true, unfinished
	return op
}

// holdingOperators are the operators that remember items, beside their plain loops.
func holdingOperators() []operator {
	add := func(out *[]string, v any) { *out = append(*out, fmt.Sprint(v)) }
	nothing := func(events []event) []string {
		return each(func(*[]string, int64, int) bool { return true })(events)
	}
	windows := func(n, step int) func([]event) []string {
		return func(events []event) []string {
			var all []int
			had := 0 // items that a window has had, or that are between windows
			return collectModel(events, func(out *[]string, _ int64, v int) bool {
				all = append(all, v)
				for begin := 0; begin+n <= len(all); begin += step {
					if begin+n == len(all) {
						add(out, all[begin:])
						had = max(len(all), begin+step)
					}
				}
				return true
			}, func(out *[]string) {
				if had < len(all) {
					begin := 0
					for begin+n <= len(all) {
						begin += step
					}
					add(out, all[begin:])
				}
			})
		}
	}
	return []operator{
		keepsCase("Window", func(_ *world, in Stream[int]) Stream[[]int] { return Window(in, 4, 1) }, windows(4, 1), nil),
		keepsCase("Window", func(_ *world, in Stream[int]) Stream[[]int] { return Window(in, 5, 3) }, windows(5, 3), nil),
		keepsCase("Window", func(_ *world, in Stream[int]) Stream[[]int] { return Window(in, 3, 3) }, windows(3, 3), nil),
		keepsCase("Window", func(_ *world, in Stream[int]) Stream[[]int] { return Window(in, 2, 5) }, windows(2, 5), nil),
		opCase("Pairwise", func(_ *world, in Stream[int]) Stream[Pair[int, int]] { return Pairwise(in) },
			func(events []event) []string {
				var last int
				return each(func(out *[]string, i int64, v int) bool {
					if i > 0 {
						add(out, Pair[int, int]{last, v})
					}
					last = v
					return true
				})(events)
			}),
		keepsCase("Chunked", func(w *world, in Stream[int]) Stream[[]int] {
			return Chunked(in, 3, func(prev, next int) bool {
				w.passed()
				mayPanic(next)
				return next < prev
			})
		}, func(events []event) []string {
			var held []int
			flush := func(out *[]string) {
				if len(held) > 0 {
					add(out, held)
				}
				held = nil
			}
			return collectModel(events, func(out *[]string, i int64, v int) bool {
				if len(held) > 0 {
					if err := panicOf(v); err != nil {
						*out = append(*out, failed("Chunked", i, err))
						return true
					}
					if v < held[len(held)-1] {
						flush(out)
					}
				}
				if held = append(held, v); len(held) == 3 {
					flush(out)
				}
				return true
			}, flush)
		}, nil),
		opCase("Distinct", func(_ *world, in Stream[int]) Stream[int] { return Distinct(in, 1000) },
			func(events []event) []string {
				seen := map[int]bool{}
				return each(func(out *[]string, _ int64, v int) bool {
					if !seen[v] {
						add(out, v)
					}
					seen[v] = true
					return true
				})(events)
			}),
		opCase("DistinctBy", func(w *world, in Stream[int]) Stream[int] {
			return DistinctBy(in, 4, func(v int) int {
				w.passed()
				mayPanic(v)
				return v / 10
			}, ForgetOldest())
		}, func(events []event) []string {
			var known []int
			return each(func(out *[]string, i int64, v int) bool {
				if err := panicOf(v); err != nil {
					*out = append(*out, failed("DistinctBy", i, err))
				} else if !slices.Contains(known, v/10) {
					add(out, v)
					if known = append(known, v/10); len(known) > 4 {
						known = known[1:]
					}
				}
				return true
			})(events)
		}),
		opCase("Throttle", func(_ *world, in Stream[int]) Stream[int] { return in.Throttle(1e9, 3) },
			each(func(out *[]string, _ int64, v int) bool {
				add(out, v)
				return true
			})),
		opCase("BatchWait", func(_ *world, in Stream[int]) Stream[[]int] { return BatchWait(in, 3, time.Hour) },
			func(events []event) []string {
				var batch []int
				flush := func(out *[]string) {
					if len(batch) > 0 {
						add(out, batch)
					}
					batch = nil
				}
				return collectModel(events, func(out *[]string, _ int64, v int) bool {
					if batch = append(batch, v); len(batch) == 3 {
						flush(out)
					}
					return true
				}, flush)
			}),
		keepsCase("Sample", func(_ *world, in Stream[int]) Stream[int] { return in.Sample(1000, 1) },
			func(events []event) []string {
				var held []int
				return collectModel(events, func(_ *[]string, _ int64, v int) bool {
					held = append(held, v)
					return true
				}, func(out *[]string) {
					for _, v := range held {
						add(out, v)
					}
				})
			}, nothing),
	}
}
