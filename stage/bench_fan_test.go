package stage_test

import (
	"testing"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// BenchmarkMerge merges two streams of numbers; inputs=loop is one after the other,
// without a goroutine.
func BenchmarkMerge(b *testing.B) {
	half := func() stage.Stream[int] { return source.Range(0, n/2) }
	drain(b, "inputs=loop", stage.Concat(half(), half()), n)
	drain(b, "inputs=2", stage.Merge(half(), half()), n)
	quarter := source.Range(0, n/4)
	drain(b, "inputs=4", stage.Merge(quarter, quarter, quarter, quarter), n)
}

// BenchmarkTee gives each number to two branches that one stream merges again.
func BenchmarkTee(b *testing.B) {
	drain(b, "branches=2", stage.Merge(stage.Tee(numbers(), 2)...), 2*n)
	drain(b, "partitions=2", stage.Merge(stage.Partition(numbers(), 2, func(v int) int { return v & 1 })...), n)
}
