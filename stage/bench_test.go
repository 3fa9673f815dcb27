package stage_test

import (
	"context"
	"errors"
	"testing"

	"github.com/penstock-go/penstock/internal/benchtest"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// n is how many items the source has; what is reported is per item of it.
const n = benchtest.Items

func numbers() stage.Stream[int] { return source.Range(0, n) }

func inc(_ context.Context, v int) (int, error) { return v + 1, nil }
func odd(v int) bool                            { return v&1 == 1 }

// drain has a sub-benchmark per chunk size in which want items come out of s.
func drain[T any](b *testing.B, name string, s stage.Stream[T], want int) {
	b.Helper()
	benchtest.DrainByChunk(b, name, n, want, func() stage.Stream[T] { return s })
}

// BenchmarkOperator has a row for each sequential operator; op=none is its
// source alone. What is skipped, or not taken, is little beside what passes.
func BenchmarkOperator(b *testing.B) {
	drain(b, "op=none", numbers(), n)
	drain(b, "op=Map", stage.Map(numbers(), inc), n)
	drain(b, "op=Filter", numbers().Filter(odd), n/2)
	drain(b, "op=FlatMap", stage.FlatMap(numbers(), func(_ context.Context, v int, emit func(int)) error {
		emit(v)
		emit(v)
		return nil
	}), 2*n)
	drain(b, "op=FilterMap", stage.FilterMap(numbers(), func(_ context.Context, v int) (int, bool, error) {
		return v, odd(v), nil
	}), n/2)
	drain(b, "op=Batch", stage.Batch(numbers(), batch), n/batch)
	drain(b, "op=Unbatch", stage.Unbatch(source.Slice(batches())), n)
	drain(b, "op=Take", source.Range(0, 2*n).Take(n), n)
	drain(b, "op=Skip", source.Range(-100, n).Skip(100), n)
	drain(b, "op=TakeWhile", source.Range(0, 2*n).TakeWhile(func(v int) bool { return v < n }), n)
	drain(b, "op=SkipWhile", source.Range(-100, n).SkipWhile(func(v int) bool { return v < 0 }), n)
	drain(b, "op=Tap", numbers().Tap(func(int) {}), n)
	drain(b, "op=Scan", stage.Scan(numbers(), 0, func(_ context.Context, acc, v int) (int, error) { return acc + v, nil }), n)
	drain(b, "op=Concat", stage.Concat(source.Range(0, n/2), source.Range(n/2, n)), n)
	drain(b, "op=Zip", stage.Zip(numbers(), numbers()), n)
	drain(b, "op=Enumerate", stage.Enumerate(numbers()), n)
}

// batch divides n.
const batch = 128

func batches() [][]int {
	out := make([][]int, n/batch)
	for i := range out {
		out[i] = make([]int, batch)
	}
	return out
}

// BenchmarkFailing is Map whose function fails for every item, or for one in a
// hundred: what an ItemError costs.
func BenchmarkFailing(b *testing.B) {
	err := errors.New("bad")
	drain(b, "items=all", stage.Map(numbers(), func(context.Context, int) (int, error) { return 0, err }), 0)
	drain(b, "items=1in128", stage.Map(numbers(), func(_ context.Context, v int) (int, error) {
		if v%128 == 0 {
			return 0, err
		}
		return v, nil
	}), n-n/128)
}

// chain is map, map, filter, map.
func chain() stage.Stream[int] {
	return stage.Map(stage.Map(stage.Map(numbers(), inc), inc).Filter(odd), inc)
}

// BenchmarkChain is what four operators cost together, per item of the source.
func BenchmarkChain(b *testing.B) {
	drain(b, "op=map,map,filter,map", chain(), n/2)
}

// total keeps what is computed from being left out.
var total int

// BenchmarkTerminal has a row for each verb that ends a stream, over the source
// alone and over a chain; end=none drains the opened stream by hand. First's
// item is a stream that is opened for its first item and closed.
func BenchmarkTerminal(b *testing.B) {
	for _, in := range []struct {
		name   string
		stream stage.Stream[int]
		want   int
	}{{"Range", numbers(), n}, {"chain", chain(), n / 2}} {
		s := in.stream
		ends := []struct {
			name string
			run  func(ctx context.Context) error
		}{
			{"All", func(ctx context.Context) error {
				for v, err := range s.All(ctx) {
					if err != nil {
						return err
					}
					total += v
				}
				return nil
			}},
			{"Collect", func(ctx context.Context) error {
				items, err := s.Collect(ctx)
				total += len(items)
				return err
			}},
			{"Reduce", func(ctx context.Context) error {
				sum, err := stage.Reduce(ctx, s, 0, func(_ context.Context, sum, v int) (int, error) { return sum + v, nil })
				total += sum
				return err
			}},
			{"Count", func(ctx context.Context) error {
				count, err := s.Count(ctx)
				total += int(count)
				return err
			}},
			{"ForEach", func(ctx context.Context) error {
				return s.ForEach(ctx, func(_ context.Context, v int) error {
					total += v
					return nil
				})
			}},
			{"Run", func(ctx context.Context) error {
				sum, err := stage.Run(ctx, s, sink.Discard[int]())
				total += int(sum.Written)
				return err
			}},
		}
		b.Run("in="+in.name+"/end=none", func(b *testing.B) {
			benchtest.PerItem(b, n, func() { benchtest.Drain(b, s, stage.DefaultChunk, in.want) })
		})
		for _, end := range ends {
			b.Run("in="+in.name+"/end="+end.name, func(b *testing.B) {
				benchtest.PerItem(b, n, func() {
					if err := end.run(b.Context()); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
		b.Run("in="+in.name+"/end=First", func(b *testing.B) {
			benchtest.PerItem(b, 1, func() {
				if _, err := s.First(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
