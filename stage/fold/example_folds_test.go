package fold_test

import (
	"cmp"
	"context"
	"fmt"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
	"github.com/penstock-go/penstock/stage/fold"
)

// perPump folds the same readings of each pump, and prints what show makes of the results.
func perPump[Acc any](f stage.Fold[reading, Acc], show func(Acc) string) {
	readings := source.Of(reading{"a", 2}, reading{"b", 7}, reading{"a", 4}, reading{"a", 3})
	groups := stage.GroupBy(readings, func(r reading) string { return r.pump }, f)
	for g, err := range groups.All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(g.First, show(g.Second))
	}
}

func show[T any](v T) string { return fmt.Sprint(v) }

func level64(r reading) float64 { return r.level }

func ExampleCount() {
	perPump(fold.Count[reading](), show)
	// Output:
	// a 3
	// b 1
}

func ExampleSum() {
	perPump(fold.Of(level64, fold.Sum[float64]()), show)
	// Output:
	// a 9
	// b 7
}

func ExampleMean() {
	perPump(fold.Of(level64, fold.Mean[float64]()), func(a fold.Average) string {
		return fmt.Sprintf("%.2f of %d", a.Mean(), a.Count())
	})
	// Output:
	// a 3.00 of 3
	// b 7.00 of 1
}

func ExampleStats() {
	perPump(fold.Of(level64, fold.Stats[float64]()), func(m fold.Moments) string {
		return fmt.Sprintf("%v to %v, variance %.2f", m.Min(), m.Max(), m.Variance())
	})
	// Output:
	// a 2 to 4, variance 0.67
	// b 7 to 7, variance 0.00
}

func ExampleMin() {
	perPump(fold.Of(level64, fold.Min[float64]()), func(s fold.Seen[float64]) string { return fmt.Sprint(s.Value) })
	// Output:
	// a 2
	// b 7
}

func ExampleMax() {
	perPump(fold.Of(level64, fold.Max[float64]()), func(s fold.Seen[float64]) string { return fmt.Sprint(s.Value) })
	// Output:
	// a 4
	// b 7
}

// The whole reading, not its level alone.
func ExampleMaxFunc() {
	highest := fold.MaxFunc(func(a, b reading) int { return cmp.Compare(a.level, b.level) })
	perPump(highest, func(s fold.Seen[reading]) string { return fmt.Sprint(s.Value) })
	// Output:
	// a {a 4}
	// b {b 7}
}

// MinFunc with the time of events keeps the earliest of items that come out of order.
func ExampleMinFunc() {
	lowest := fold.MinFunc(func(a, b reading) int { return cmp.Compare(a.level, b.level) })
	perPump(lowest, func(s fold.Seen[reading]) string { return fmt.Sprint(s.Value) })
	// Output:
	// a {a 2}
	// b {b 7}
}

func ExampleFirst() {
	perPump(fold.First[reading](), func(s fold.Seen[reading]) string { return fmt.Sprint(s.Value.level) })
	// Output:
	// a 2
	// b 7
}

func ExampleLast() {
	perPump(fold.Last[reading](), func(s fold.Seen[reading]) string { return fmt.Sprint(s.Value.level) })
	// Output:
	// a 3
	// b 7
}

// The third reading of a pump is one too many.
func ExampleCollect() {
	perPump(fold.Of(level64, fold.Collect[float64](2)), show)
	// Output:
	// GroupBy: item 3: too many items to collect: more than 2
	// a [2 4]
	// b [7]
}

func ExampleTopK() {
	highest := fold.TopK(2, func(a, b float64) int { return cmp.Compare(b, a) })
	perPump(fold.Of(level64, highest), show)
	// Output:
	// a [4 3]
	// b [7]
}

func ExampleOf() {
	alarms := func(r reading) int {
		if r.level > 3 {
			return 1
		}
		return 0
	}
	perPump(fold.Of(alarms, fold.Sum[int]()), show)
	// Output:
	// a 1
	// b 1
}

func ExampleBoth() {
	both := fold.Both(fold.Count[reading](), fold.Of(level64, fold.Mean[float64]()))
	perPump(both, func(p stage.Pair[int64, fold.Average]) string {
		return fmt.Sprint(p.First, " around ", p.Second.Mean())
	})
	// Output:
	// a 3 around 3
	// b 1 around 7
}

// The quantiles of 1 to 100,000 are known: the estimates are at most 1 % wrong.
func ExampleQuantile() {
	numbers := source.Range(1, 100_001)
	groups := stage.GroupBy(numbers, func(int) string { return "all" }, fold.Quantile[int](0.01))
	for g, err := range groups.All(context.Background()) {
		q := g.Second
		fmt.Println(q.Count(), q.Min(), q.Max(), err)
		for _, p := range []float64{0.5, 0.9, 0.999} {
			fmt.Printf("%v-quantile: %.2f of what it is\n", p, q.At(p)/(p*100_000))
		}
	}
	// Output:
	// 100000 1 100000 <nil>
	// 0.5-quantile: 0.99 of what it is
	// 0.9-quantile: 1.00 of what it is
	// 0.999-quantile: 1.00 of what it is
}
