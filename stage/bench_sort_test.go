package stage_test

import (
	"cmp"
	"testing"

	"github.com/penstock-go/penstock/stage"
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
