package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/plan"
)

// Flow is a stream on its way to a sink: a plan of one of the runs of RunAll.
type Flow struct {
	plan *plan.Node
	cfg  runConfig
	run  func(ctx context.Context, own RunOption) // with the options of To, and own
}

// To is the plan of a run of s into sink, with what Run takes. RunAll runs it. To
// panics if sink or an option is nil.
func To[T any](s Stream[T], sink Sink[T], opts ...RunOption) Flow {
	notNil(sink == nil, "stage.To: sink")
	opts = slices.Clone(opts)
	return Flow{plan: s.Plan(), cfg: newRunConfig("To", opts), run: func(ctx context.Context, own RunOption) {
		_, _ = Run(ctx, s, sink, append(slices.Clip(opts), own)...) // the meeting has the results
	}}
}

// RunAll runs all flows at once, each in a goroutine of its own that has ended when
// RunAll returns, and returns a summary for each, in their order, also when it fails.
// Branches of Tee and Partition are read once for all flows; the stages that they
// share are in the summary of each.
//
// The first failure stops all flows. No sink is made final before all flows have come
// to their end: if one fails until then, all sinks are closed with the failure. What
// fails later, in closing a sink, does not undo what others have made final. A flow
// must therefore not wait for another's sink to be closed. The error names the
// flow, counted from 0. Each flow has its own policy for failed items. Shutdown holds
// for the flow that has it, and for what branches share: of several, whichever stops
// first, which ends the other flows of the branches too, with ErrStopped.
//
// A flow with a checkpoint is refused, as are branches that are not all there: an
// error comes before anything is opened. RunAll panics if a flow is the zero Flow.
func RunAll(ctx context.Context, flows ...Flow) ([]Summary, error) {
	m := &meeting{left: len(flows), over: make(chan struct{}), results: make([]flowResult, len(flows))}
	var stops []context.Context
	plans := make([]*plan.Node, len(flows))
	sums := make([]Summary, len(flows))
	for i, f := range flows {
		notNil(f.run == nil, "stage.RunAll: flow")
		plans[i] = f.plan
		sums[i].Stages = stagesOf(f.plan, nil)
		if f.cfg.stop != nil {
			stops = append(stops, f.cfg.stop)
		}
		if f.cfg.store != nil {
			return sums, fmt.Errorf("stage: RunAll: flow %d has a checkpoint, which cannot hold the progress of several runs", i)
		}
	}
	if ctx.Err() != nil {
		return sums, context.Cause(ctx)
	}
	stop, unwatch := anyOf(stops)
	defer unwatch()
	m.shared.Stop = stop //nolint:fatcontext // nothing is nested
	defer plan.Lend(ctx)()
	runs, cancel := context.WithCancelCause(context.WithValue(ctx, plan.LenderKey{}, nil))
	defer cancel(nil)
	m.cancel = cancel
	runs, splits, err := withSplits(plan.WithRegistry(runs, &m.shared), plans...)
	if err != nil {
		return sums, err
	}
	var all sync.WaitGroup
	for i, f := range flows {
		m.results[i] = flowResult{sums[i], ErrGoexit}
		all.Go(func() {
			met := runOption(func(c *runConfig) { c.all, c.nth = m, i })
			f.run(plan.WithRegistry(runs, nil), met)
		})
	}
	all.Wait()
	err = withClose(m.outcome(), splits.skip())
	for i := range m.results {
		sums[i] = m.results[i].sum
	}
	return sums, err
}

// anyOf returns a context that ends when the first of some ends, with its cause; nil if
// there are none.
func anyOf(all []context.Context) (first context.Context, unwatch func()) {
	if len(all) == 0 {
		return nil, func() {}
	}
	first, cancel := context.WithCancelCause(context.Background())
	var unwatches []func() bool
	for _, one := range all {
		if one.Err() != nil {
			cancel(context.Cause(one))
		}
		unwatches = append(unwatches, context.AfterFunc(one, func() { cancel(context.Cause(one)) }))
	}
	return first, func() {
		for _, stop := range unwatches {
			stop()
		}
		cancel(nil)
	}
}

type flowResult struct {
	sum Summary
	err error
}

// meeting is where the runs of RunAll wait for each other before they close sinks.
type meeting struct {
	shared  plan.Registry // of what branches share
	claims  fsys.Claims   // of all sinks
	cancel  context.CancelCauseFunc
	over    chan struct{}
	results []flowResult

	mu     sync.Mutex
	left   int
	failed error // the first failure
}

// meet says how a run's stream has ended, waits for the others and returns how the
// run is to end.
func (m *meeting) meet(err error) error {
	if m == nil {
		return err
	}
	m.mu.Lock()
	if err != nil && (m.failed == nil || errors.Is(m.failed, ErrStopped) && !errors.Is(err, ErrStopped)) {
		m.failed = err
		if !errors.Is(err, ErrStopped) { // what is in flight elsewhere is still written
			m.cancel(err)
		}
	}
	if m.left--; m.left == 0 {
		close(m.over)
	}
	m.mu.Unlock()
	<-m.over
	if err == nil {
		return m.failed
	}
	return err
}

// outcome is the error of all runs: the first failure, then what else failed.
func (m *meeting) outcome() error {
	var errs []error
	for i, r := range m.results {
		if r.err == nil || errors.Is(m.failed, r.err) && slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, r.err) }) {
			continue
		}
		errs = append(errs, fmt.Errorf("stage: flow %d: %w", i, r.err))
	}
	return errors.Join(errs...)
}
