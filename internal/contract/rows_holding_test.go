package contract

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
	"github.com/penstock-go/penstock/stage/fold"
)

// third is a key of three values.
func third(v int) int { return v % 3 }

// holding are the operators that keep items or values of them.
func holding() []operator {
	return []operator{
		{
			name: "DistinctBy", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.DistinctBy(in, 1000, func(v int) int { must(call, v); return v / 2 }))
			},
			want: func(items []int) []string {
				return texts(slices.CompactFunc(slices.Clone(items), func(a, b int) bool { return a/2 == b/2 }))
			},
		},
		{
			name: "Sample", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] { return text(in.Sample(1000, 1)) },
			want:  texts[int],
		},
		{
			name: "Window", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.Window(in, 3, 1))
			},
			want: func(items []int) []string {
				var out []string
				for i := 0; i+3 <= len(items); i++ {
					out = append(out, fmt.Sprint(items[i:i+3]))
				}
				return out
			},
		},
		{
			name: "Pairwise", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] { return text(stage.Pairwise(in)) },
			want: func(items []int) []string {
				var out []string
				for i := 1; i < len(items); i++ {
					out = append(out, fmt.Sprint(stage.Pair[int, int]{First: items[i-1], Second: items[i]}))
				}
				return out
			},
		},
		{
			name: "Chunked", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.Chunked(in, 1000, func(_, next int) bool { return next%5 == 0 }))
			},
			want: func(items []int) []string {
				var out []string
				for from := 0; from < len(items); {
					to := from + 1
					for to < len(items) && items[to]%5 != 0 {
						to++
					}
					out = append(out, fmt.Sprint(items[from:to]))
					from = to
				}
				return out
			},
		},
		{
			name: "BatchWait", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.BatchWait(in, 4, time.Hour))
			},
			want: batches,
		},
		{
			name: "Throttle", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] { return text(in.Throttle(1e9, 1e9)) },
			want:  texts[int],
		},
		{
			name: "Tumbling", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				when := stage.EventTime(func(v int) time.Time { return time.Unix(int64(v), 0) }, 0)
				sums := stage.Tumbling(in, when, 5*time.Second, func(v int) int { must(call, v); return 0 }, fold.Sum[int]())
				return stage.Map(sums, stage.Pure(func(w stage.WindowResult[int, int]) string { return fmt.Sprint(w.Value) }))
			},
			want: func(items []int) []string {
				var out []string
				for i := 0; i < len(items); {
					sum, of := 0, items[i]/5
					for ; i < len(items) && items[i]/5 == of; i++ {
						sum += items[i]
					}
					out = append(out, fmt.Sprint(sum))
				}
				return out
			},
		},
		{
			name: "Memo", calls: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.Map(in, stage.Memo(func(_ context.Context, v int) (int, error) { return double(v), call(v) }, 5)))
			},
			want: each(double),
		},
	}
}

// keyed are the operators that sort, group and join.
func keyed() []operator {
	byValue := func(a, b int) int { return cmp.Compare(b, a) }
	return []operator{
		{
			name: "Sort", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.Sort(in, byValue))
			},
			want: backwards,
		},
		{
			name: "Sort/spilled", calls: true, mute: true, tears: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				order := func(a, b int) int { must(call, a); must(call, b); return byValue(a, b) }
				return text(stage.Sort(in, order, stage.SpillMemory(1)))
			},
			want: backwards,
		},
		{
			name: "TopK", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				seen := in.Filter(func(v int) bool { must(call, v); return true })
				return text(stage.TopK(seen, 3, byValue))
			},
			want: func(items []int) []string { return backwards(items)[:3] },
		},
		{
			name: "MergeSorted", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.MergeSorted(cmp.Compare[int], in, source.Of(3, 7)))
			},
			want: func(items []int) []string {
				all := append([]int{3, 7}, items...)
				slices.Sort(all)
				return texts(all)
			},
		},
		{
			name: "GroupBy", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.GroupBy(in, func(v int) int { must(call, v); return third(v) }, fold.Sum[int](), stage.ByKey[int]()))
			},
			want: sumsByThird,
		},
		{
			name: "GroupBy/spilled", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				key := func(v int) int { must(call, v); return third(v) }
				return text(stage.GroupBy(in, key, fold.Sum[int](), stage.ByKey[int](), stage.MaxKeys(2), stage.Spill(stage.SpillMemory(1))))
			},
			want: sumsByThird,
		},
		{
			name: "Join", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				names := stage.InMap(map[int]string{0: "zero", 2: "two"})
				return text(stage.Join(in, func(v int) int { must(call, v); return third(v) }, names))
			},
			want: namedByThird,
		},
		{
			name: "JoinBatch", calls: true, mute: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				names := stage.LookupBatch(namesOfThirds, 2)
				return text(stage.JoinBatch(in, 100, func(v int) int { must(call, v); return third(v) }, names))
			},
			want: namedByThird,
		},
		{
			name: "pool.MapChunks/MatchingBatch", mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(pool.MapChunks(pool.New(2), in, stage.MatchingBatch(third, stage.LookupBatch(namesOfThirds, 2))))
			},
			want: namedByThird,
		},
		{
			name: "pool.ImapKeyed", calls: true, anyOrder: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(pool.ImapKeyed(pool.New(3), in, third, func(_ context.Context, v int) (int, error) {
					return double(v), call(v)
				}, pool.InFlight(8)))
			},
			want: each(double),
		},
	}
}

func namesOfThirds(_ context.Context, keys []int) (map[int]string, error) {
	found := map[int]string{}
	for _, k := range keys {
		if k != 1 {
			found[k] = map[int]string{0: "zero", 2: "two"}[k]
		}
	}
	return found, nil
}

func namedByThird(items []int) []string {
	var out []string
	for _, v := range items {
		if name, ok := map[int]string{0: "zero", 2: "two"}[third(v)]; ok {
			out = append(out, fmt.Sprint(stage.Pair[int, string]{First: v, Second: name}))
		}
	}
	return out
}

func sumsByThird(items []int) []string {
	var sums [3]int
	for _, v := range items {
		sums[third(v)] += v
	}
	var out []string
	for k, v := range sums {
		out = append(out, fmt.Sprint(stage.Pair[int, int]{First: k, Second: v}))
	}
	return out
}

func backwards(items []int) []string {
	items = slices.Clone(items)
	slices.Reverse(items)
	return texts(items)
}

// branching are the operators with several inputs or outputs.
func branching() []operator {
	return []operator{
		{
			name: "Merge", mute: true, anyOrder: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.Merge(in, source.Range(100, 103)))
			},
			want: func(items []int) []string { return texts(append(slices.Clone(items), 100, 101, 102)) },
		},
		{
			name: "MergeToEnd", mute: true, anyOrder: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return text(stage.MergeToEnd(in, source.Range(100, 103)))
			},
			want: func(items []int) []string { return texts(append(slices.Clone(items), 100, 101, 102)) },
		},
		{
			name: "Tee", mute: true, anyOrder: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				b := stage.Tee(in, 2, stage.Ahead(2))
				none := b[1].Catch(func(context.Context, *stage.ItemError) error { return nil }).Filter(func(int) bool { return false })
				return text(stage.Merge(b[0], none))
			},
			want: texts[int],
		},
		{
			name: "Partition", calls: true, mute: true, anyOrder: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				parts := stage.Partition(in, 3, func(v int) int { must(call, v); return third(v) })
				return text(stage.Merge(parts...))
			},
			want: texts[int],
		},
	}
}
