package cancelmatrix

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// run is one run of a pipeline.
type run struct {
	fault   *fault
	p       *pool.Pool
	options []pool.Option

	opened, closed atomic.Int64
}

// never is a run that nothing ends.
func never() *fault { return &fault{} }

// do runs the pipeline until its end or that of the fault, checks what must hold of
// every run, and returns its error.
func do(t *testing.T, p *pipeline, f *fault, to ledgers, store *memory) error {
	t.Helper()
	before := goleak.IgnoreCurrent()
	r := &run{fault: f, p: pool.New(p.workers), options: []pool.Option{pool.ChunkSize(p.chunk), pool.InFlight(p.flight)}}
	if p.unordered {
		r.options = append(r.options, pool.Unordered())
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop, shut := context.WithCancelCause(t.Context())
	defer shut(nil)
	options := []stage.RunOption{stage.Continue(0)}
	f.end = shut
	switch f.way {
	case stopped:
		options = append(options, stage.Shutdown(stop, time.Hour))
	case hurried:
		options = append(options, stage.Shutdown(stop, 1))
	default:
		f.end = cancel
	}
	err := p.run(ctx, r, to, store, options)
	r.p.Close()
	require.NoError(t, r.p.Wait())
	require.NoError(t, goleak.Find(before), "something still runs")
	require.Equal(t, r.opened.Load(), r.closed.Load(), "something is still open")
	require.False(t, store.open)
	if err == nil {
		return nil
	}
	require.Positive(t, f.hits.Load(), "it failed by itself: %v", err)
	require.ErrorIs(t, err, errCause)
	var stopping *stage.StoppedError
	require.Equal(t, f.way != cancelled, errors.As(err, &stopping), "%v", err)
	if f.way == stopped {
		require.Zero(t, stopping.Grace)
	}
	return err
}

// run runs the pipeline in the manner that was drawn for it.
func (p *pipeline) run(ctx context.Context, r *run, to ledgers, store *memory, options []stage.RunOption) error {
	s := p.build(r)
	if p.all {
		return ranged(ctx, r, s, to[0])
	}
	if p.checkpoint {
		options = append(options, stage.Checkpoint(view{store, r}, 1))
	}
	parts, writers := make([]stage.Sink[int64], len(to)), make([]*plain, len(to))
	for i, l := range to {
		if p.checkpoint {
			c := &committing{plain: plain{r: r, to: l}}
			parts[i], writers[i] = c, &c.plain
		} else {
			writers[i] = &plain{r: r, to: l}
			parts[i] = writers[i]
		}
	}
	_, err := stage.Run(ctx, s, p.sink(parts), options...)
	for i, w := range writers {
		if len(w.closes) > 1 {
			return fmt.Errorf("sink %d was closed %d times", i, len(w.closes))
		}
		if len(w.closes) == 1 && err != nil && w.closes[0] == nil {
			return fmt.Errorf("sink %d was closed as if all were well: %w", i, err)
		}
	}
	return err
}

// ranged ranges over the stream. A failure that is no item's comes last.
func ranged(ctx context.Context, r *run, s ints, to *ledger) (last error) {
	for v, err := range s.All(ctx) {
		var failed *stage.ItemError
		switch {
		case last != nil:
			return fmt.Errorf("there was something behind the end: %w", last)
		case errors.As(err, &failed):
		case err != nil:
			last = err
		default:
			r.fault.reached(atWrite)
			to.shown = append(to.shown, v)
		}
	}
	return last
}

// within checks that each ledger has as much as may be there at any time.
func (p *pipeline) within(t *testing.T, to ledgers) {
	t.Helper()
	for i, want := range p.shares() {
		p.part(t, want, to[i].shown)
	}
}

func (p *pipeline) part(t *testing.T, want, got []int64) {
	t.Helper()
	if !p.unordered {
		require.LessOrEqual(t, len(got), len(want), "%d, want %d", got, want)
		require.Equal(t, fmt.Sprint(want[:len(got)]), fmt.Sprint(got), "not a prefix of %d", want)
		return
	}
	left := map[int64]int{}
	for _, v := range want {
		left[v]++
	}
	for _, v := range got {
		left[v]--
		require.GreaterOrEqual(t, left[v], 0, "%d is there too often in %d, want %d", v, got, want)
	}
}

// complete checks that each ledger has all.
func (p *pipeline) complete(t *testing.T, to ledgers) {
	t.Helper()
	for i, want := range p.shares() {
		require.Equal(t, len(want), len(to[i].shown), "%d, want %d", to[i].shown, want) //nolint:testifylint // Len prints them all
	}
	p.within(t, to)
}

// disturb ends a run of the pipeline once and, if it has a checkpoint, goes on. It
// reports whether there was such a moment.
func disturb(t *testing.T, chance *rand.Rand, p *pipeline, f *fault) bool {
	t.Helper()
	t.Logf("%v", f)
	to := p.ledgers()
	var store memory
	err := do(t, p, f, to, &store)
	p.within(t, to)
	if err == nil {
		p.complete(t, to)
	}
	if !p.checkpoint || err == nil {
		return f.hits.Load() > 0
	}
	again := *p
	for range 3 { // it may be ended on its way again
		again.vary(chance)
		moment, k := moment(chance.IntN(int(moments))), 1+chance.Int64N(20)
		f := newFault(chance, moment, k, true)
		t.Logf("then %v, %v", f, &again)
		if err = do(t, &again, f, to, &store); err == nil {
			break
		}
		p.within(t, to)
	}
	if err != nil {
		again.vary(chance)
		require.NoError(t, do(t, &again, never(), to, &store))
	}
	p.complete(t, to)
	return true
}

// every ends the pipeline of a seed at each of its moments, and returns how many
// runs were ended.
func every(t *testing.T, seed uint64) (runs int) {
	t.Helper()
	chance := rand.New(rand.NewPCG(seed, 0))
	p := newPipeline(chance)
	t.Logf("PENSTOCK_CANCEL_SEED=%d: %v", seed, p)
	to := p.ledgers()
	require.NoError(t, do(t, p, never(), to, &memory{}))
	p.complete(t, to)
	for m := range moments {
		for k := int64(1); disturb(t, chance, p, newFault(chance, m, k, !p.all)); k++ {
			require.Less(t, k, int64(2000))
			runs++
		}
	}
	return runs
}

// Whatever a pipeline is doing when its run ends, nothing is left, nothing is there
// twice, and what was written can be gone on from.
func TestEndedAtEveryMoment(t *testing.T) {
	if s := os.Getenv("PENSTOCK_CANCEL_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		every(t, seed)
		return
	}
	want := 500
	if os.Getenv("PENSTOCK_CANCEL") == "long" {
		want = 10_000
	}
	pipelines, runs := 0, 0
	for seed := uint64(time.Now().UnixNano()); runs < want; seed++ {
		// The name is in the report of a test that hangs.
		ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runs += every(t, seed) })
		pipelines++
		if !ok {
			break
		}
	}
	t.Logf("%d runs of %d pipelines were ended", runs, pipelines)
}

// A run whose context has ended opens nothing.
func TestEndedBefore(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 0))
	for range 100 {
		p := newPipeline(chance)
		for w := range ways {
			if p.all && w != cancelled {
				continue
			}
			f := &fault{way: w}
			r := &run{fault: f, p: pool.New(1), options: nil}
			to := p.ledgers()
			ctx, cancel := context.WithCancelCause(t.Context())
			var options []stage.RunOption
			if w == cancelled {
				cancel(errCause)
			} else {
				stop, shut := context.WithCancelCause(t.Context())
				shut(errCause)
				options = append(options, stage.Shutdown(stop, 0))
			}
			err := p.run(ctx, r, to, &memory{}, options)
			r.p.Close()
			cancel(nil)
			require.ErrorIs(t, err, errCause)
			require.Zero(t, r.opened.Load(), "%v", p)
			for _, l := range to {
				require.Empty(t, slices.Concat(l.shown, l.staged))
			}
		}
	}
}
