package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryImplementationReportsAFailure(t *testing.T) {
	failure := errors.New("item 700 is bad")
	failing := func(ctx context.Context, x int) (int, error) {
		if x == 700 {
			return 0, failure
		}
		return noop(ctx, x)
	}
	for _, c := range slices.Concat(engine(), latency(), scale(), memory()) {
		if c.job.fn == nil {
			continue // it makes its own results
		}
		for _, im := range c.impls {
			p := contestant{impl: im}
			c.job.fn, c.job.pace = failing, 0
			p.give(c.job, 5000)
			_, err := p.once(t.Context(), nil)
			assert.ErrorIs(t, err, failure, "%s: %s", c.name, im.name)
		}
	}
}

func TestWrongResultsAreAnError(t *testing.T) {
	backwards := func(ctx context.Context, j job) (tally, error) {
		var got tally
		for i := j.n - 1; i >= 0; i-- {
			v, err := j.fn(ctx, i)
			if err != nil {
				return got, err
			}
			got.add(v)
		}
		return got, nil
	}
	c := benchCase{name: "order", quickN: 10, impls: []impl{{name: "backwards", run: backwards}}}
	c.job = job{fn: noop, ordered: true}
	_, err := measure(t.Context(), c, settings{rounds: 1, quick: true})
	require.ErrorContains(t, err, "order: backwards: wrong results")

	c.job.ordered = false
	_, err = measure(t.Context(), c, settings{rounds: 1, quick: true})
	require.NoError(t, err)

	c.impls[0].run = func(context.Context, job) (tally, error) { return job{n: 9}.want(), nil }
	_, err = measure(t.Context(), c, settings{rounds: 1, quick: true})
	require.ErrorContains(t, err, "wrong results", "an item is missing")
}

func TestRoundsAreInterleaved(t *testing.T) {
	var ran string
	named := func(name string) impl {
		return impl{name: name, run: func(ctx context.Context, j job) (tally, error) {
			ran += name
			return sequential(ctx, j)
		}}
	}
	c := benchCase{quickN: 10, job: job{fn: noop}, impls: []impl{named("a"), named("b"), named("c")}}
	got, err := measure(t.Context(), c, settings{rounds: 3, quick: true})
	require.NoError(t, err)
	assert.Equal(t, "abc"+"bca"+"cab", ran)
	assert.Equal(t, 3, got[0].Rounds)
}

func TestShortJobsAreRepeated(t *testing.T) {
	ran := 0
	counted := impl{name: "counted", run: func(ctx context.Context, j job) (tally, error) {
		ran++
		time.Sleep(targetRun / 20)
		return sequential(ctx, j)
	}}
	c := benchCase{quickN: 10, job: job{n: 100, fn: noop}, most: 100, impls: []impl{counted}}
	got, err := measure(t.Context(), c, settings{rounds: 1})
	require.NoError(t, err)
	assert.Greater(t, ran, 3, "a warm-up, a trial, and more than one in the round")
	assert.Equal(t, (ran-2)*100, got[0].Items)

	p := contestant{impl: counted}
	p.give(c.job, 100)
	p.times = 3
	p.want.sum++
	_, err = p.once(t.Context(), nil)
	require.ErrorContains(t, err, "wrong results", "each is checked")
}

func TestFiguresOfRoundsBecomeOne(t *testing.T) {
	var rounds []sample
	for _, v := range []float64{3, 1, 2} {
		rounds = append(rounds, sample{figures: figures{P50us: figure(v), LiveHeapMB: figure(v), SlowestOverFastest: figure(v)}})
	}
	got := fold(append(rounds, sample{}))
	assert.InDelta(t, 2, *got.P50us, 0, "the median")
	assert.InDelta(t, 3, *got.LiveHeapMB, 0, "the highest")
	assert.InDelta(t, 3, *got.SlowestOverFastest, 0, "the worst")
	assert.Nil(t, got.P99us)
}

func TestMedian(t *testing.T) {
	assert.InDelta(t, 2, median([]float64{9, 1, 2}), 0)
	assert.InDelta(t, 2.5, median([]float64{9, 1, 2, 3}), 0)
}

// took makes the samples of a contestant that ran 1000 items.
func took(im impl, allocs uint64, each ...time.Duration) *contestant {
	p := &contestant{impl: im, job: job{n: 1000, workers: 2}, times: 1}
	for _, d := range each {
		p.samples = append(p.samples, sample{took: d * 1000, allocs: allocs})
	}
	return p
}

func TestRowsCompareMedians(t *testing.T) {
	field := []*contestant{
		took(impl{name: "sequential", kind: plainLoop}, 0, 200, 100, 150),
		took(impl{name: "atomic-index", kind: ideal}, 0, 50),
		took(impl{name: "penstock", kind: ours}, 20, 60, 75, 90),
		took(impl{name: "slow"}, 3000, 500),
		took(impl{name: "quick"}, 1000, 300),
	}
	got := rows(benchCase{name: "made-up"}, field, settings{})

	us := got[2]
	assert.InDelta(t, 75, us.NsPerItem, 0)
	assert.InDelta(t, 60, us.NsMin, 0)
	assert.InDelta(t, 90, us.NsMax, 0)
	assert.InDelta(t, 0.02, us.AllocsPerItem, 0)
	assert.InDelta(t, 0.25, *us.VsBestPeer, 0)
	assert.Equal(t, "quick", us.BestPeer)
	assert.InDelta(t, 2, *us.VsSequential, 0)
	assert.InDelta(t, 1.5, *us.IdealRatio, 0)

	assert.InDelta(t, 3, got[3].AllocsPerItem, 0)
	assert.Nil(t, got[0].VsSequential, "the loop is not compared with itself")
	assert.Nil(t, got[1].IdealRatio)
	for _, r := range got {
		assert.Equal(t, r.Impl == "penstock", r.VsBestPeer != nil, r.Impl)
	}
}

func TestBoundsAreJudged(t *testing.T) {
	field := []*contestant{
		took(impl{name: "sequential", kind: plainLoop}, 0, 100),
		took(impl{name: "atomic-index", kind: ideal}, 0, 50),
		took(impl{name: "penstock", kind: ours}, 20, 60),
		took(impl{name: "rival"}, 0, 200),
	}
	for _, test := range []struct {
		bounds []bound
		met    bool
		says   string
	}{
		{[]bound{vsBestPeer(0.3)}, true, "time / best peer's <= 0.3 (0.3)"},
		{[]bound{vsBestPeer(0.29)}, false, "time / best peer's <= 0.29 (0.3)"},
		{[]bound{vsBestPeer(0.3), noAllocs()}, false, "time / best peer's <= 0.3 (0.3); allocs per item <= 0.001 (0.02)"},
		{[]bound{nsPerItem(60)}, true, "ns per item <= 60 (60)"},
		{[]bound{overLoop(-41)}, false, "ns over the loop <= -41 (-40)"},
		{[]bound{ofTwiceLoop(0.83)}, true, "speed / (2 x the loop's) >= 0.83 (0.833)"},
		{[]bound{ofTwiceLoop(0.84)}, false, "speed / (2 x the loop's) >= 0.84 (0.833)"},
		{[]bound{vsIdeal(1.2)}, true, "time / ideal <= 1.2 (1.2)"},
	} {
		us := rows(benchCase{bounds: test.bounds}, field, settings{})[2]
		require.NotNil(t, us.Met, test.says)
		assert.Equal(t, test.met, *us.Met, test.says)
		assert.Equal(t, test.says, us.Bound)
	}

	us := rows(benchCase{speedup: true}, field, settings{})[2]
	assert.Equal(t, us.VsSequential, us.Speedup)
	assert.InDelta(t, 0.8333, *us.OfWorkers, 1e-3, "of two")

	alone := rows(benchCase{bounds: []bound{vsBestPeer(1)}}, field[2:3], settings{})[0]
	assert.Nil(t, alone.Met, "no verdict without a peer")
	assert.True(t, math.IsNaN(peakHeap(results{alone})), "nor without a sample of the heap")
}

func TestSpinLastsAsLongAsAsked(t *testing.T) {
	short, long := stepsFor(time.Microsecond), stepsFor(20*time.Microsecond)
	// The two are measured apart on a machine that others use too.
	assert.InEpsilon(t, 20, float64(long)/float64(short), 0.5)
}
