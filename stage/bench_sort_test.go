package stage_test

import (
	"cmp"
	"context"
	"testing"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
	"github.com/penstock-go/penstock/stage/fold"
)

// shuffled is the numbers in another order.
func shuffled() stage.Stream[int] {
	return stage.Map(numbers(), stage.Pure(func(v int) int { return v * 7919 % n }))
}

// BenchmarkSort sorts numbers in memory, and through files in a sixteenth of what they
// need; ordered ones cost one comparison each.
func BenchmarkSort(b *testing.B) {
	drain(b, "in=memory", stage.Sort(shuffled(), cmp.Compare[int]), n)
	drain(b, "in=files", stage.Sort(shuffled(), cmp.Compare[int], stage.SpillMemory(n)), n)
	drain(b, "in=memory,ordered", stage.Sort(numbers(), cmp.Compare[int]), n)
}

func BenchmarkMergeSorted(b *testing.B) {
	half := func(odd int) stage.Stream[int] {
		return stage.Map(source.Range(0, n/2), stage.Pure(func(v int) int { return 2*v + odd }))
	}
	drain(b, "streams=2", stage.MergeSorted(cmp.Compare[int], half(0), half(1)), n)
}

func BenchmarkTopK(b *testing.B) {
	drain(b, "k=10", stage.TopK(shuffled(), 10, cmp.Compare[int]), 10)
}

// BenchmarkGroupBy has few groups, one for each item, and those written to sixteen files.
func BenchmarkGroupBy(b *testing.B) {
	self := func(v int) int { return v }
	drain(b, "keys=64", stage.GroupBy(numbers(), func(v int) int { return v % 64 }, fold.Sum[int]()), 64)
	drain(b, "keys=all", stage.GroupBy(shuffled(), self, fold.Sum[int]()), n)
	drain(b, "keys=all,in=files", stage.GroupBy(shuffled(), self, fold.Sum[int](), stage.MaxKeys(n/16), stage.Spill()), n)
	drain(b, "keys=all,in=files,ByKey", stage.GroupBy(shuffled(), self, fold.Sum[int](), stage.MaxKeys(n/16), stage.Spill(), stage.ByKey[int]()), n)
}

func BenchmarkJoin(b *testing.B) {
	same := func(_ context.Context, k int) (int, bool, error) { return k, true, nil }
	drain(b, "lookup=none", stage.Join(numbers(), func(v int) int { return v }, same), n)
}
