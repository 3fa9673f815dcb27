package stage_test

import (
	"strconv"

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
		keeping("Sample", func(s stage.Stream[int64]) stage.Stream[int64] { return s.Sample(30, 7) }),
	}
}
