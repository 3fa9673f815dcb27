package main

import (
	"context"
	"slices"
	"time"

	"github.com/destel/rill"
	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/flow"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// operators is the suite of what stands between a source and a sink: each operator
// that rill or go-streams has, with functions that do nothing, beside theirs.
func operators() []benchCase {
	j := job{n: 200_000, fn: noop, workers: 1, ordered: true, buffer: peerBuffer}
	anyOrder := j
	anyOrder.ordered = false
	return slices.Concat(sequentialOperators(j), sequentialOthers(anyOrder), bridges(j),
		concurrentOperators(anyOrder), []benchCase{keyedOperator()})
}

// Bounds of the suite: of the best peer's time per item.
const (
	ofPeerSequential = 0.1
	ofPeerGoroutines = 0.5
)

// noErrors is go-streams' note.
const noErrors = "no errors"

func rillBy(run runner) impl { return impl{name: rillName, slice: true, note: rillNote, run: run} }

func goStreamsBy(run runner) impl { return impl{name: goStreamsName, note: noErrors, run: run} }

// oursThrough measures one of our operators that makes ints of ints.
func oursThrough(op func(ctx context.Context, j job, in stage.Stream[int]) stage.Stream[int]) impl {
	return penstockBy(func(ctx context.Context, j job) (tally, error) {
		return penstockConsume(ctx, j, op(ctx, j, source.Range(0, j.n)))
	})
}

// oursEach measures one of our operators that makes something else: take adds it to
// the tally.
func oursEach[T any](op func(ctx context.Context, j job, in stage.Stream[int]) stage.Stream[T], take func(*tally, T)) impl {
	return penstockBy(func(ctx context.Context, j job) (tally, error) {
		t := j.tally()
		for v, err := range op(ctx, j, source.Range(0, j.n)).All(ctx) {
			if err != nil {
				return t, err
			}
			take(&t, v)
		}
		return t, nil
	})
}

func rillEach[T any](op func(ctx context.Context, j job, in <-chan rill.Try[int]) <-chan rill.Try[T], take func(*tally, T)) impl {
	return rillBy(func(ctx context.Context, j job) (tally, error) {
		t := j.tally()
		for v, err := range rill.ToSeq2(op(ctx, j, rillSource(j))) {
			if err != nil {
				return t, err
			}
			take(&t, v)
		}
		return t, nil
	})
}

func goStreamsEach[T any](op func(ctx context.Context, j job, failed *firstError) []streams.Flow, take func(*tally, T)) impl {
	return goStreamsBy(func(ctx context.Context, j job) (tally, error) {
		var failed firstError
		return goStreamsTake(j, &failed, take, op(ctx, j, &failed)...)
	})
}

func takeInt(t *tally, v int) { t.add(v) }

func takeInts(t *tally, batch []int) {
	for _, v := range batch {
		t.add(v)
	}
}

// sequentialOperators are those that need no goroutine of their own with us.
func sequentialOperators(j job) []benchCase {
	const batch = 100
	of := func(name string, impls ...impl) benchCase {
		return benchCase{
			name: name, job: j, quickN: 2000, impls: impls, bounds: []bound{vsBestPeer(ofPeerSequential)},
		}
	}
	return []benchCase{
		of("Map",
			oursThrough(func(_ context.Context, j job, in stage.Stream[int]) stage.Stream[int] { return stage.Map(in, j.fn) }),
			rillEach(func(ctx context.Context, j job, in <-chan rill.Try[int]) <-chan rill.Try[int] {
				return rill.OrderedMap(in, 1, func(x int) (int, error) { return j.fn(ctx, x) })
			}, takeInt),
			goStreamsEach(func(ctx context.Context, j job, failed *firstError) []streams.Flow {
				return []streams.Flow{flow.NewMap(failed.mapper(ctx, j.fn), 1)}
			}, takeInt)),
		of("Filter",
			oursThrough(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[int] { return in.Filter(keep) }),
			rillEach(func(_ context.Context, _ job, in <-chan rill.Try[int]) <-chan rill.Try[int] {
				return rill.OrderedFilter(in, 1, func(x int) (bool, error) { return keep(x), nil })
			}, takeInt),
			goStreamsEach(func(context.Context, job, *firstError) []streams.Flow {
				return []streams.Flow{flow.NewFilter(keep, 1)}
			}, takeInt)),
		of("FilterMap",
			oursThrough(func(_ context.Context, j job, in stage.Stream[int]) stage.Stream[int] {
				return stage.FilterMap(in, func(ctx context.Context, x int) (int, bool, error) {
					v, err := j.fn(ctx, x)
					return v, keep(x), err
				})
			}),
			rillEach(func(ctx context.Context, j job, in <-chan rill.Try[int]) <-chan rill.Try[int] {
				return rill.OrderedFilterMap(in, 1, func(x int) (int, bool, error) {
					v, err := j.fn(ctx, x)
					return v, keep(x), err
				})
			}, takeInt)),
		of("FlatMap",
			oursThrough(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[int] {
				return stage.FlatMap(in, func(_ context.Context, x int, emit func(int)) error { emit(x); return nil })
			}),
			rillEach(func(_ context.Context, _ job, in <-chan rill.Try[int]) <-chan rill.Try[int] {
				return rill.OrderedFlatMap(in, 1, func(x int) <-chan rill.Try[int] { return rill.FromSlice([]int{x}, nil) })
			}, takeInt),
			goStreamsEach(func(context.Context, job, *firstError) []streams.Flow {
				return []streams.Flow{flow.NewFlatMap(func(x int) []int { return []int{x} }, 1)}
			}, takeInt)),
		of("Batch",
			oursEach(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[[]int] {
				return stage.Batch(in, batch)
			}, takeInts),
			rillEach(func(_ context.Context, _ job, in <-chan rill.Try[int]) <-chan rill.Try[[]int] {
				return rill.Batch(in, batch, -1)
			}, takeInts),
			goStreamsEach(func(context.Context, job, *firstError) []streams.Flow {
				return []streams.Flow{flow.NewBatch[int](batch, time.Hour)}
			}, takeInts)),
		of("Unbatch",
			oursThrough(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[int] {
				return stage.Unbatch(stage.Batch(in, batch))
			}),
			rillEach(func(_ context.Context, _ job, in <-chan rill.Try[int]) <-chan rill.Try[int] {
				return rill.Unbatch(rill.Batch(in, batch, -1))
			}, takeInt),
			goStreamsEach(func(context.Context, job, *firstError) []streams.Flow {
				return []streams.Flow{flow.NewBatch[int](batch, time.Hour), flow.Flatten[int](1)}
			}, takeInt)),
		of("Scan",
			oursThrough(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[int] {
				return stage.Scan(in, 0, func(_ context.Context, _, x int) (int, error) { return x, nil })
			}),
			goStreamsEach(func(context.Context, job, *firstError) []streams.Flow {
				return []streams.Flow{flow.NewFold(0, func(x, _ int) int { return x })}
			}, takeInt)),
		of("Catch",
			oursThrough(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[int] {
				return in.Catch(func(context.Context, *stage.ItemError) error { return nil })
			}),
			rillEach(func(_ context.Context, _ job, in <-chan rill.Try[int]) <-chan rill.Try[int] {
				return rill.OrderedCatch(in, 1, func(error) error { return nil })
			}, takeInt)),
	}
}
