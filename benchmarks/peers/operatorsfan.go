package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/destel/rill"
	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/flow"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
	stagefold "github.com/penstock-go/penstock/stage/fold"
)

// branches is how many streams are made one, or one is made.
const branches = 2

// concurrentOperators are those that need goroutines. j is in any order.
func concurrentOperators(j job) []benchCase {
	of := func(name string, impls ...impl) benchCase {
		return benchCase{name: name, job: j, quickN: 2000, impls: impls, bounds: []bound{vsBestPeer(ofPeerGoroutines)}}
	}
	return []benchCase{
		of("Merge",
			oursThrough(func(_ context.Context, j job, _ stage.Stream[int]) stage.Stream[int] {
				var parts [branches]stage.Stream[int]
				for i := range parts {
					part := j.part(i, branches)
					parts[i] = source.Range(part.first, part.first+part.n)
				}
				return stage.Merge(parts[:]...)
			}),
			rillBy(func(_ context.Context, j job) (tally, error) {
				var parts [branches]<-chan rill.Try[int]
				for i := range parts {
					from, to := j.n*i/branches, j.n*(i+1)/branches
					parts[i] = rill.FromSlice(j.slice[from:to], nil)
				}
				return rillConsume(j, rill.Merge(parts[:]...))
			}),
			goStreamsBy(goStreamsMerge)),
		of("Tee",
			oursSplit(func(in stage.Stream[int]) []stage.Stream[int] { return stage.Tee(in, branches) }, alike),
			rillSplit(func(in <-chan rill.Try[int]) [branches]<-chan rill.Try[int] {
				a, b := rill.Tee(in)
				return [...]<-chan rill.Try[int]{a, b}
			}, alike),
			goStreamsSplit(func(from streams.Outlet) []streams.Flow { return flow.FanOut(from, branches) }, alike)),
		of("Partition",
			oursSplit(func(in stage.Stream[int]) []stage.Stream[int] {
				return stage.Partition(in, branches, func(v int) int { return v & 1 })
			}, added),
			rillSplit(func(in <-chan rill.Try[int]) [branches]<-chan rill.Try[int] {
				odd, even := rill.OrderedSplit2(in, 1, func(v int) (bool, error) { return v&1 == 1, nil })
				return [...]<-chan rill.Try[int]{odd, even}
			}, added),
			goStreamsSplit(func(from streams.Outlet) []streams.Flow {
				two := flow.Split(from, func(v int) bool { return v&1 == 1 })
				return two[:]
			}, added)),
		of("ImapKeyed",
			penstockBy(func(ctx context.Context, j job) (tally, error) {
				p := pool.New(branches)
				defer p.Close()
				return penstockConsume(ctx, j, pool.ImapKeyed(p, source.Range(j.first, j.first+j.n), sixteenth, j.fn))
			}),
			goStreamsEach(func(ctx context.Context, j job, failed *firstError) []streams.Flow {
				return []streams.Flow{flow.NewKeyed(sixteenth, func() streams.Flow { return flow.NewMap(failed.mapper(ctx, j.fn), 1) })}
			}, takeInt)),
		of("ReduceByKey",
			penstockBy(func(ctx context.Context, j job) (tally, error) {
				p := pool.New(branches)
				defer p.Close()
				sums, err := pool.ReduceByKey(ctx, p, source.Range(j.first, j.first+j.n), sixteenth, stagefold.Sum[int]())
				return tallyOf(j, sums), err
			}),
			rillBy(func(_ context.Context, j job) (tally, error) {
				sums, err := rill.MapReduce(rillSource(j),
					1, func(v int) (int, int, error) { return sixteenth(v), v, nil },
					1, func(a, b int) (int, error) { return a + b, nil })
				return tallyOf(j, sums), err
			})),
	}
}

// sixteenth is one of 16 keys.
func sixteenth(v int) int { return v & 15 }

func tallyOf(j job, sums map[int]int) tally {
	t := j.tally()
	for _, sum := range sums {
		t.count(sum)
	}
	return t
}

// What the tallies of branches make together.
func alike(of []tally) tally {
	if slices.ContainsFunc(of, func(t tally) bool { return t.sum != of[0].sum }) {
		return tally{sum: -1}
	}
	return of[0]
}

func added(of []tally) (t tally) {
	for _, part := range of {
		t.sum += part.sum
	}
	return t
}

// oursSplit measures an operator that makes several streams of one, each of which has a
// consumer of its own.
func oursSplit(op func(stage.Stream[int]) []stage.Stream[int], together func([]tally) tally) impl {
	return penstockBy(func(ctx context.Context, j job) (tally, error) {
		parts := op(source.Range(0, j.n))
		tallies := make([]tally, len(parts))
		flows := make([]stage.Flow, len(parts))
		for i, part := range parts {
			tallies[i] = j.tally()
			flows[i] = stage.To(part, sink.Func(func(_ context.Context, v int) error {
				tallies[i].add(v)
				return nil
			}))
		}
		_, err := stage.RunAll(ctx, flows...)
		return together(tallies), err
	})
}

func rillSplit(op func(<-chan rill.Try[int]) [branches]<-chan rill.Try[int], together func([]tally) tally) impl {
	return rillBy(func(_ context.Context, j job) (tally, error) {
		parts := op(rillSource(j))
		tallies := make([]tally, len(parts))
		var all sync.WaitGroup
		var failed firstError
		for i, part := range parts {
			all.Go(func() {
				t := j.tally() // of its own: neighbours would share a line of the cache
				failed.note(rill.ForEach(part, 1, func(v int) error { t.add(v); return nil }))
				tallies[i] = t
			})
		}
		all.Wait()
		return together(tallies), failed.err
	})
}

func goStreamsSplit(op func(streams.Outlet) []streams.Flow, together func([]tally) tally) impl {
	return goStreamsBy(func(_ context.Context, j job) (tally, error) {
		parts := op(goStreamsSource(j))
		tallies := make([]tally, len(parts))
		var all sync.WaitGroup
		for i, part := range parts {
			all.Go(func() {
				t := j.tally()
				for v := range part.Out() {
					t.add(v.(int)) //nolint:forcetypeassert // that is what goes in
				}
				tallies[i] = t
			})
		}
		all.Wait()
		return together(tallies), nil
	})
}

// goStreamsMerge reads the flow itself: a sink is one more channel.
func goStreamsMerge(_ context.Context, j job) (tally, error) {
	parts := make([]streams.Flow, branches)
	for i := range parts {
		parts[i] = goStreamsSource(j.part(i, branches)).Via(flow.NewPassThrough())
	}
	t := j.tally()
	for v := range flow.Merge(parts...).Out() {
		t.add(v.(int)) //nolint:forcetypeassert // that is what goes in
	}
	return t, nil
}

// sequentialOthers are operators that need no goroutine of their own with us and whose
// results have no order to compare, or are one.
func sequentialOthers(j job) []benchCase {
	of := func(name string, impls ...impl) benchCase {
		return benchCase{
			name: name, job: j, quickN: 2000, most: 1_000_000, impls: impls, bounds: []bound{vsBestPeer(ofPeerSequential)},
		}
	}
	return append(windowCases(of),
		of("Zip",
			oursEach(func(_ context.Context, j job, in stage.Stream[int]) stage.Stream[stage.Pair[int, int]] {
				return stage.Zip(in, source.Range(0, j.n))
			}, func(t *tally, p stage.Pair[int, int]) { t.add((p.First + p.Second) / 2) }),
			goStreamsBy(func(_ context.Context, j job) (tally, error) {
				t := j.tally()
				both := flow.ZipWith(func(p []int) int { return (p[0] + p[1]) / 2 }, goStreamsSource(j), goStreamsSource(j))
				for v := range both.Out() {
					t.add(v.(int)) //nolint:forcetypeassert // that is what goes in
				}
				return t, nil
			})),
		of("Reduce",
			penstockBy(func(ctx context.Context, j job) (tally, error) {
				sum, err := stage.Reduce(ctx, source.Range(0, j.n), 0, func(_ context.Context, a, b int) (int, error) { return a + b, nil })
				return tally{sum: sum}, err
			}),
			rillBy(func(_ context.Context, j job) (tally, error) {
				sum, _, err := rill.Reduce(rillSource(j), 1, func(a, b int) (int, error) { return a + b, nil })
				return tally{sum: sum}, err
			})),
		of("ForEach",
			penstockBy(func(ctx context.Context, j job) (tally, error) {
				t := j.tally()
				err := source.Range(0, j.n).ForEach(ctx, func(_ context.Context, v int) error { t.add(v); return nil })
				return t, err
			}),
			rillBy(func(_ context.Context, j job) (tally, error) {
				t := j.tally()
				err := rill.ForEach(rillSource(j), 1, func(v int) error { t.add(v); return nil })
				return t, err
			})),
		of("All", // true for all items, so that all are looked at
			penstockBy(func(ctx context.Context, j job) (tally, error) {
				t := j.tally()
				_, err := source.Range(0, j.n).Every(ctx, func(_ context.Context, v int) (bool, error) { t.add(v); return true, nil })
				return t, err
			}),
			rillBy(func(_ context.Context, j job) (tally, error) {
				t := j.tally()
				_, err := rill.All(rillSource(j), 1, func(v int) (bool, error) { t.add(v); return true, nil })
				return t, err
			})),
		of("Throttle",
			oursThrough(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[int] {
				return in.Throttle(1e12, 1<<30)
			}),
			goStreamsEach(func(context.Context, job, *firstError) []streams.Flow {
				return []streams.Flow{flow.NewThrottler(1<<30, time.Second, peerBuffer, flow.Backpressure)}
			}, takeInt)),
	)
}

// windowCases are the windows of time, none of which ends before its stream. The peer's
// collects its items; ours does so too, or folds them as they come.
func windowCases(of func(string, ...impl) benchCase) []benchCase {
	const long = time.Hour
	arrival, one := stage.ArrivalTime[int](), func(int) int { return 0 }
	collected, summed := stagefold.Collect[int](maxItems), stagefold.Sum[int]()
	collecting := func(op func(stage.Stream[int]) stage.Stream[stage.WindowResult[int, []int]]) impl {
		return oursEach(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[stage.WindowResult[int, []int]] {
			return op(in)
		}, func(t *tally, w stage.WindowResult[int, []int]) { takeInts(t, w.Value) })
	}
	summing := func(op func(stage.Stream[int]) stage.Stream[stage.WindowResult[int, int]]) impl {
		return oursEach(func(_ context.Context, _ job, in stage.Stream[int]) stage.Stream[stage.WindowResult[int, int]] {
			return op(in)
		}, func(t *tally, w stage.WindowResult[int, int]) { t.count(w.Value) })
	}
	theirs := func(flow func() streams.Flow) impl {
		return goStreamsEach(func(context.Context, job, *firstError) []streams.Flow { return []streams.Flow{flow()} }, takeInts)
	}
	tumbling := theirs(func() streams.Flow { return flow.NewTumblingWindow[int](long) })
	sliding := theirs(func() streams.Flow {
		return flow.NewSlidingWindowWithOpts(long, long, flow.SlidingWindowOpts[int]{EmitPartialWindow: true})
	})
	session := theirs(func() streams.Flow { return flow.NewSessionWindow[int](long) })
	return []benchCase{
		of("Tumbling/collect", collecting(func(in stage.Stream[int]) stage.Stream[stage.WindowResult[int, []int]] {
			return stage.Tumbling(in, arrival, long, one, collected)
		}), tumbling),
		of("Tumbling/sum", summing(func(in stage.Stream[int]) stage.Stream[stage.WindowResult[int, int]] {
			return stage.Tumbling(in, arrival, long, one, summed)
		}), tumbling),
		of("Sliding/collect", collecting(func(in stage.Stream[int]) stage.Stream[stage.WindowResult[int, []int]] {
			return stage.Sliding(in, arrival, long, long, one, collected)
		}), sliding),
		of("Sliding/sum", summing(func(in stage.Stream[int]) stage.Stream[stage.WindowResult[int, int]] {
			return stage.Sliding(in, arrival, long, long, one, summed)
		}), sliding),
		of("Session/collect", collecting(func(in stage.Stream[int]) stage.Stream[stage.WindowResult[int, []int]] {
			return stage.Session(in, arrival, long, one, collected)
		}), session),
		of("Session/sum", summing(func(in stage.Stream[int]) stage.Stream[stage.WindowResult[int, int]] {
			return stage.Session(in, arrival, long, one, summed)
		}), session),
	}
}

// Of the speed of the unordered pool, that of the keyed one must be this much, with a
// thousand keys of which the k-th comes 1/k times as often as the first.
const (
	ofUnordered = 0.9
	zipfKeys    = 1000
	inAnyOrder  = "penstock/unordered"
)

// keyedOperator is the case of keys that are not equally often.
func keyedOperator() benchCase {
	keys := zipf(1 << 16)
	run := func(imap func(*pool.Pool, stage.Stream[int], job) stage.Stream[int]) runner {
		return func(ctx context.Context, j job) (tally, error) {
			p := pool.New(j.workers)
			defer p.Close()
			return penstockConsume(ctx, j, imap(p, source.Range(j.first, j.first+j.n), j))
		}
	}
	return benchCase{
		name: "ImapKeyed/zipf/20us", quickN: 200, split: 2,
		job: job{n: 5000, fn: spinFor(20 * time.Microsecond), workers: 2},
		impls: []impl{
			penstockBy(run(func(p *pool.Pool, in stage.Stream[int], j job) stage.Stream[int] {
				return pool.ImapKeyed(p, in, func(v int) int { return keys[v%len(keys)] }, j.fn)
			})),
			{name: inAnyOrder, kind: variant, chunks: true, run: run(func(p *pool.Pool, in stage.Stream[int], j job) stage.Stream[int] {
				return pool.ImapUnordered(p, in, j.fn)
			})},
		},
		bounds: []bound{{
			what: "speed / the unordered pool's", atLeast: true, limit: ofUnordered,
			figure: func(rs results) float64 { return rs.ns(inAnyOrder) / rs.ns(ourName) },
		}},
	}
}

// zipf draws n keys.
func zipf(n int) []int {
	var sums [zipfKeys]float64
	total := 0.0
	for k := range sums {
		total += 1 / float64(k+1)
		sums[k] = total
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	drawn := make([]int, n)
	for i := range drawn {
		drawn[i], _ = slices.BinarySearch(sums[:], random.Float64()*total)
	}
	return drawn
}
