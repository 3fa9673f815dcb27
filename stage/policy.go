package stage

import (
	"cmp"
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/penstock-go/penstock/checkpoint"
)

// RunOption sets what Run does beside moving items. Of several policies, or
// loggers, the last one counts.
type RunOption interface{ applyRun(*runConfig) }

type runConfig struct {
	policy policy
	budget budget
	log    *zap.Logger // nil: nothing is logged

	store  checkpoint.Store // nil: there is no checkpoint
	every  time.Duration
	accept bool

	stop  context.Context //nolint:containedctx // it is no call's; nil: nobody shuts the run down
	grace time.Duration

	all *meeting // the runs that this one is run with by RunAll, or nil
	nth int

	stallAfter time.Duration // 0: nobody watches the run
	report     func(Stall)
}

type runOption func(*runConfig)

func (o runOption) applyRun(c *runConfig) { o(c) }

// policy is what Run does about failed items.
type policy struct {
	goOn    bool
	max     int          // how many may fail, 0: no limit
	letters Sink[Letter] // where they go, or nil
}

// Stop ends the run at the first failed item: the items before it are written,
// nothing behind it is, and Run returns its *ItemError. It is the default.
func Stop() RunOption {
	return runOption(func(c *runConfig) { c.policy = policy{} })
}

// Continue leaves failed items out and goes on, as long as no more than max have
// failed; 0 sets no limit. The summary counts them. One more stops the run as
// Stop does, with a *BudgetError that wraps its *ItemError. See MaxFailedShare and
// MaxFailedWindow for other budgets beside it. Continue panics if max is negative.
func Continue(max int) RunOption {
	notBelow(0, max, "stage.Continue: max")
	return runOption(func(c *runConfig) { c.policy = policy{goOn: true, max: max} })
}

// DeadLetter sends failed items to sink, in stream order, and goes on, as long
// as no more than max have failed; 0 sets no limit. One more stops the run as
// Stop does, with a *BudgetError that wraps its *ItemError; that item is in the
// error, not in sink. See MaxFailedShare and MaxFailedWindow for other budgets
// beside it. The letters of a chunk are written before its items.
//
// The letters are committed, that is, their writer is closed without a cause,
// also when the run fails, and before the run's own sink is closed: they say
// what is wrong with the input. Only if writing them failed is their writer
// aborted, and the run fails with it. With a checkpoint they are committed when the
// run that finishes the job has succeeded. DeadLetter panics if sink is nil or max
// is negative.
func DeadLetter(sink Sink[Letter], max int) RunOption {
	notNil(sink == nil, "stage.DeadLetter: sink")
	notBelow(0, max, "stage.DeadLetter: max")
	return runOption(func(c *runConfig) { c.policy = policy{goOn: true, max: max, letters: sink} })
}

// WithLogger logs the run's start and end and the first failed item of each
// kind, a kind being the stage and the sort of error; never a line per item, and
// at most 32 kinds. Without it nothing is logged. WithLogger panics if log is
// nil.
func WithLogger(log *zap.Logger) RunOption {
	notNil(log == nil, "stage.WithLogger: log")
	return runOption(func(c *runConfig) { c.log = log })
}

func newRunConfig(verb string, opts []RunOption) runConfig {
	var c runConfig
	for _, o := range opts {
		notNil(o == nil, "stage."+verb+": option")
		o.applyRun(&c)
	}
	if c.budget.set() && !c.policy.goOn {
		panic("penstock: stage." + verb + ": MaxFailedShare and MaxFailedWindow need Continue or DeadLetter")
	}
	return c
}

// epochs makes what takes the run's checkpoints, or nil.
func (c *runConfig) epochs() *epochs {
	if c.store == nil {
		return nil
	}
	return &epochs{store: c.store, every: cmp.Or(c.every, defaultEvery), accept: c.accept}
}

// allows reports whether the run goes on when so many items have failed.
func (p policy) allows(failed int64) bool {
	return p.goOn && (p.max == 0 || failed <= int64(p.max))
}

// failure is what the run ends with when e, the failed-th, was one too many.
func (p policy) failure(e *ItemError, failed, items int64) error {
	if !p.goOn {
		return e
	}
	return &BudgetError{Failed: failed, Items: items, Max: p.max, Err: e}
}
