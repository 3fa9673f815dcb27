package stage_test

import (
	"cmp"
	"strconv"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// digest makes one number of a slice's.
func digest(s []int64) int64 {
	sum := int64(len(s))
	for _, v := range s {
		sum = 31*sum + v
	}
	return sum
}

// jumbled is a time in seconds that is somewhat out of order.
func jumbled() stage.TimeOf[int64] {
	return stage.EventTime(func(v int64) time.Time { return time.Unix(v%500^5, 0) }, 3*time.Second)
}

func thirds(v int64) int64 { return v % 3 }

func sums() stage.Fold[int64, int64] {
	add := func(a, b int64) (int64, error) { return a + b, nil }
	return stage.Fold[int64, int64]{New: func() int64 { return 0 }, Add: add, Merge: add}
}

// resultsOf makes one number of a window.
func resultsOf(s stage.Stream[stage.WindowResult[int64, int64]]) stage.Stream[int64] {
	return stage.Map(s, stage.Pure(func(r stage.WindowResult[int64, int64]) int64 {
		return digest([]int64{r.Key, r.Start.Unix(), r.End.Unix(), r.Value, r.Items, int64(r.Update)})
	}))
}

// pairsOf makes one number of a group.
func pairsOf(s stage.Stream[stage.Pair[int64, int64]]) stage.Stream[int64] {
	return stage.Map(s, stage.Pure(func(p stage.Pair[int64, int64]) int64 { return digest([]int64{p.First, p.Second}) }))
}

// holdingOperators are stages that remember items, for a random pipeline.
func holdingOperators(keeping func(string, func(stage.Stream[int64]) stage.Stream[int64]) operator) []operator {
	digested := func(name string, on func(stage.Stream[int64]) stage.Stream[[]int64]) operator {
		return keeping(name, func(s stage.Stream[int64]) stage.Stream[int64] { return stage.Map(on(s), stage.Pure(digest)) })
	}
	return []operator{
		digested("Window", func(s stage.Stream[int64]) stage.Stream[[]int64] { return stage.Window(s, 5, 2) }),
		digested("Window apart", func(s stage.Stream[int64]) stage.Stream[[]int64] { return stage.Window(s, 2, 3) }),
		digested("Chunked", func(s stage.Stream[int64]) stage.Stream[[]int64] {
			return stage.Chunked(s, 4, func(_, next int64) bool { return next%3 == 0 })
		}),
		keeping("Pairwise", func(s stage.Stream[int64]) stage.Stream[int64] {
			return stage.Map(stage.Pairwise(s), stage.Pure(func(p stage.Pair[int64, int64]) int64 { return 3*p.First + p.Second }))
		}),
		keeping("DistinctBy", func(s stage.Stream[int64]) stage.Stream[int64] {
			return stage.DistinctBy(s, 10, func(v int64) int64 { return v / 3 }, stage.ForgetOldest())
		}),
		keeping("Distinct", func(s stage.Stream[int64]) stage.Stream[int64] { return stage.Distinct(s, 10000) }),
		keeping("DistinctApprox", func(s stage.Stream[int64]) stage.Stream[int64] {
			return stage.DistinctApprox(s, 1000, 0.01, func(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v/2, 10) })
		}),
		keeping("Tumbling", func(s stage.Stream[int64]) stage.Stream[int64] {
			return resultsOf(stage.Tumbling(s, jumbled(), 10*time.Second, thirds, sums(), stage.AllowedLateness(5*time.Second)))
		}),
		keeping("Sliding", func(s stage.Stream[int64]) stage.Stream[int64] {
			return resultsOf(stage.Sliding(s, jumbled(), 10*time.Second, 3*time.Second, thirds, sums()))
		}),
		keeping("Session", func(s stage.Stream[int64]) stage.Stream[int64] {
			return resultsOf(stage.Session(s, jumbled(), 4*time.Second, thirds, sums(), stage.AllowedLateness(5*time.Second)))
		}),
		keeping("GroupBy", func(s stage.Stream[int64]) stage.Stream[int64] {
			return pairsOf(stage.GroupBy(s, func(v int64) int64 { return v % 40 }, sums()))
		}),
		keeping("GroupBy by key", func(s stage.Stream[int64]) stage.Stream[int64] {
			return pairsOf(stage.GroupBy(s, func(v int64) int64 { return v % 40 }, sums(), stage.ByKey[int64]()))
		}),
		keeping("TopK", func(s stage.Stream[int64]) stage.Stream[int64] {
			return stage.TopK(s, 30, func(a, b int64) int { return cmp.Compare(a%10, b%10) })
		}),
		keeping("Sample", func(s stage.Stream[int64]) stage.Stream[int64] { return s.Sample(30, 7) }),
	}
}
