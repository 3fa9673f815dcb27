package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/plan"
)

// Run runs the stream into sink and returns what was done, also when it fails.
// It opens the stream first, then the sink, and joins and closes whatever it
// opened before it returns: the stream, then the letters' writer if there is
// one, then the sink's. The sink's writer is closed with the cause of a failure,
// so that it leaves the old output as it was, and with a context that does not
// end.
//
// Items are written in stream order. What happens to failed items is said by an
// option: Stop (the default), Continue or DeadLetter. The stream's own failure
// comes after the items before it, which are written. If ctx ends, Run returns an
// error that wraps its cause and writes nothing more; if it had ended before,
// nothing is opened. Failures to write, to close the stream or to close the sink
// fail the run; a panic in a sink is such a failure. A sink that has had ErrEnough
// ends the run early without failing it: see Summary.Enough. The chunks that Run asks for
// grow as those of All do; at most one is held.
//
// Run panics if sink is nil.
func Run[T any](ctx context.Context, s Stream[T], sink Sink[T], opts ...RunOption) (sum Summary, err error) {
	notNil(sink == nil, "stage.Run: sink")
	cfg := newRunConfig("Run", opts)
	if cfg.stop != nil && cfg.stop.Err() != nil {
		sum, err = Summary{Stages: stagesOf(s.Plan(), nil)}, &StoppedError{Cause: context.Cause(cfg.stop)}
		if cfg.all != nil {
			err = withClose(err, skipBranches(ctx, s.Plan()))
			cfg.all.results[cfg.nth] = flowResult{sum, cfg.all.meet(err)}
		}
		return sum, err
	}
	ctx, unbound := cfg.bound(ctx)
	if cfg.stop == nil || cfg.all != nil {
		defer unbound()
		return execute(ctx, s, sink, cfg, nil)
	}
	return cfg.within(ctx, s.Plan(), func(seen *soFar) (Summary, error) {
		defer unbound()
		return execute(ctx, s, sink, cfg, seen)
	})
}

// execute is Run behind its options. What is done so far is noted in seen, if it is
// not nil.
func execute[T any](ctx context.Context, s Stream[T], sink Sink[T], cfg runConfig, seen *soFar) (sum Summary, err error) {
	r := &run[T]{
		seen:   seen,
		policy: cfg.policy,
		budget: cfg.budget,
		sink:   guardedSink[T]{sink},
		log:    runLog{log: cfg.log},
		epochs: cfg.epochs(),
		stop:   cfg.stop,
		all:    cfg.all,
		err:    ErrGoexit, // until the loop has said otherwise: a Goexit must not commit
	}
	start := time.Now()
	r.log.started(s.Plan(), r.sink.name())
	defer cfg.detect(&r.registry, r.log, s.Plan(), r.sink.name(), &r.task)()
	defer func() {
		meters := r.registry.Meters()
		if r.all != nil {
			meters = append(meters, r.all.shared.Meters()...)
		}
		r.sum.Stages = stagesOf(s.Plan(), meters)
		for _, st := range r.sum.Stages {
			if st.source {
				r.sum.Read += st.Out + st.Failed
			}
		}
		if r.sum.Guarantee != "" {
			r.sum.Guarantee = r.epochs.guarantee() // the sink may know better by now
		}
		r.sum.Elapsed = time.Since(start)
		r.log.ended(&r.sum, r.err)
		sum, err = r.sum, r.err
		if r.all != nil {
			r.all.results[cfg.nth] = flowResult{sum, err}
		}
	}()
	defer r.finish(ctx)
	defer r.closeWriter(ctx)
	defer r.closeLetters(ctx)
	defer func() { r.err = r.all.meet(r.err) }()
	defer r.closeBranches(ctx, s.Plan())
	defer r.closeStream()
	err = r.open(ctx, s)
	if err == nil {
		err = r.drive(ctx)
	}
	if err == nil && overdue(ctx) != nil { // it came too late, and perhaps nobody waits for it
		err = context.Cause(ctx)
	}
	r.err = cfg.stopped(causeOf(ctx, err), r.saved)
	return r.sum, r.err
}

// drive runs the loop, with checkpoints if there are to be any.
func (r *run[T]) drive(ctx context.Context) error {
	if r.epochs == nil {
		return r.loop(ctx)
	}
	run, stop := context.WithCancelCause(ctx)
	var idle sync.WaitGroup
	idle.Go(func() { r.epochs.idle(run, stop) })
	err := r.loop(run)
	if run.Err() != nil && ctx.Err() == nil {
		err = context.Cause(run) // a checkpoint failed
	}
	stop(nil)
	idle.Wait()
	switch {
	case err == nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return r.epochs.take(ctx)
	case errors.Is(err, ErrStopped) && ctx.Err() == nil && r.epochs.whole(r.held):
		if failed := r.epochs.take(ctx); failed != nil {
			return failed
		}
		r.saved = true
	}
	return err
}

// counted are the counters of this run.
func (r *run[T]) counted() map[string]int64 {
	return map[string]int64{"written": r.sum.Written, "failed": r.sum.Failed, "dead-lettered": r.sum.DeadLettered}
}

// finish closes the store.
func (r *run[T]) finish(ctx context.Context) {
	if r.opened {
		r.err = withClose(r.err, r.epochs.finish(ctx, r.err))
	}
}

// run is a call of Run.
type run[T any] struct {
	policy   policy
	budget   budget
	sink     guardedSink[T]
	log      runLog
	registry plan.Registry
	stop     context.Context //nolint:containedctx // of Shutdown; it is no call's
	epochs   *epochs         // nil: there are no checkpoints
	task     *plan.Task      // of the sink, if the run is watched
	opened   bool            // the store is open
	all      *meeting        // nil: this run is alone
	held     bool            // the last chunk was Partial
	saved    bool            // a run that was stopped has its last checkpoint
	seen     *soFar          // unless nil

	p         Puller[T]
	w         Writer[T]
	letters   Writer[Letter]
	letterErr error // why the letters cannot be committed

	in  Chunk[T]
	out Chunk[Letter]
	sum Summary
	err error

	tokens        []Token    // of the chunk that is written
	failedBefore  int64      // items, in the runs that this one goes on from
	writtenBefore int64      // as well
	lastFailed    *ItemError // in this run
}

func (r *run[T]) open(ctx context.Context, s Stream[T]) (err error) {
	r.task.Begin(plan.Opening, plan.Place{Index: -1})
	defer r.task.Done()
	if e := r.epochs; e != nil {
		e.task = r.task
		e.counted = r.counted
		if err := e.open(ctx, s.Plan()); err != nil {
			return err
		}
		r.opened = true
		r.registry.Checkpoint = e.res
	}
	r.registry.Stop = r.stop //nolint:fatcontext // nothing is nested
	// The registry is for those who open; what runs later is not part of it.
	if r.p, err = s.Open(plan.WithRegistry(ctx, &r.registry)); err != nil {
		return err
	}
	claims := &fsys.Claims{}
	if r.all != nil {
		claims = &r.all.claims
	}
	sinks := fsys.WithClaims(ctx, claims)
	if r.epochs != nil {
		sinks = plan.WithCheckpoint(sinks)
	}
	if r.w, err = r.sink.open(sinks, r.epochs.restore(false)); err != nil {
		return err
	}
	if r.policy.letters != nil {
		if r.letters, err = r.letterSink().open(sinks, r.epochs.restore(true)); err != nil {
			return err
		}
	}
	if e := r.epochs; e != nil {
		if err := e.join(ctx, r.w, r.letters); err != nil {
			return err
		}
		r.sum.Guarantee, r.sum.Resumed = e.guarantee(), e.from()
		r.failedBefore, r.writtenBefore = e.before.Counters["failed"], e.before.Counters["written"]
	}
	return nil
}

func (r *run[T]) letterSink() guardedSink[Letter] { return guardedSink[Letter]{r.policy.letters} }

func (r *run[T]) loop(ctx context.Context) error {
	var pc pace
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		end := r.p.Pull(ctx, &r.in, pc.ask())
		pc.got(len(r.in.Items))
		r.held = r.in.Partial
		if end != nil && gaveUp(ctx, end) {
			return end
		}
		if ctx.Err() != nil { // what came is not written
			return context.Cause(ctx)
		}
		stop, err := r.deal(ctx)
		r.seen.note(&r.sum)
		switch {
		case errors.Is(err, ErrEnough):
			r.sum.Enough = true
			return nil
		case err != nil:
			return err
		case stop != nil:
			return stop
		case end == io.EOF:
			failed := r.failedBefore + r.sum.Failed
			return r.budget.overall(r.lastFailed, failed, failed+r.writtenBefore+r.sum.Written)
		case end != nil:
			return end
		}
	}
}

// deal deals with the chunk. It holds the lock of the checkpoints meanwhile.
func (r *run[T]) deal(ctx context.Context) (stop, err error) {
	if r.epochs == nil {
		return r.sortAndWrite(ctx)
	}
	select {
	case r.epochs.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-r.epochs.lock }()
	// The sink may take the chunk apart.
	r.tokens = append(r.tokens[:0], r.in.Tokens...)
	partial, empty := r.in.Partial, r.in.Empty()
	if stop, err = r.sortAndWrite(ctx); err != nil || stop != nil || empty {
		return stop, err
	}
	if ctx.Err() != nil { // perhaps nobody waits for it any more
		return nil, context.Cause(ctx)
	}
	return nil, r.epochs.wrote(ctx, r.tokens, partial)
}

func (r *run[T]) sortAndWrite(ctx context.Context) (stop, err error) {
	stop, err = r.sort(ctx)
	if err == nil {
		err = r.write(ctx)
	}
	return stop, err
}

// sort takes the failed items out of the chunk, sends their letters, and cuts
// the chunk before the one that stops the run.
func (r *run[T]) sort(ctx context.Context) (stop, err error) {
	c := &r.in
	r.out.Reset()
	for _, e := range c.Errors {
		r.sum.Failed++
		r.log.failed(e)
		if stop = r.exceeded(e); stop != nil {
			// What is left accounts for no range as a whole.
			n := min(e.Before, len(c.Items))
			clear(c.Items[n:])
			c.Items, c.Offsets, c.Tokens = c.Items[:n], c.Offsets[:0], c.Tokens[:0]
			break
		}
		if r.letters != nil {
			r.out.Items = append(r.out.Items, newLetter(e))
		}
	}
	clear(c.Errors)
	c.Errors = c.Errors[:0]
	if len(r.out.Items) == 0 {
		return stop, nil
	}
	letters := int64(len(r.out.Items))
	if r.task != nil {
		r.task.Begin(plan.Writing, placeOf(r.sum.Written, r.in.first()))
		defer r.task.Done()
	}
	r.letterErr = ErrGoexit
	if r.letterErr = r.letterSink().write(ctx, r.letters, &r.out); r.letterErr != nil {
		return nil, r.letterErr
	}
	r.sum.DeadLettered += letters
	return stop, nil
}

// exceeded is what the run ends with if e, which failed, is one too many.
func (r *run[T]) exceeded(e *ItemError) error {
	r.lastFailed = e
	failed := r.failedBefore + r.sum.Failed
	items := failed + r.writtenBefore + r.sum.Written + int64(e.Before)
	if !r.policy.allows(failed) {
		return r.policy.failure(e, failed, items)
	}
	return r.budget.failure(e, failed, items)
}

// write writes what is left of the chunk.
func (r *run[T]) write(ctx context.Context) error {
	if r.in.Empty() {
		return nil
	}
	items := int64(len(r.in.Items))
	if r.task != nil {
		r.task.Begin(plan.Writing, placeOf(r.sum.Written, r.in.first()))
		defer r.task.Done()
	}
	if err := r.sink.write(ctx, r.w, &r.in); err != nil {
		return err
	}
	r.sum.Written += items
	return nil
}

func (r *run[T]) closeStream() {
	if r.p != nil {
		r.err = withClose(r.err, r.p.Close())
	}
}

// closeBranches lets the other runs go on without what this one did not open.
func (r *run[T]) closeBranches(ctx context.Context, n *plan.Node) {
	if r.all != nil {
		r.err = withClose(r.err, skipBranches(ctx, n))
	}
}

func (r *run[T]) closeLetters(ctx context.Context) {
	if r.letters == nil {
		return
	}
	cause := r.letterErr
	if cause == nil && r.epochs != nil {
		cause = r.err // the next run goes on with them
	}
	r.err = withClose(r.err, r.letterSink().close(ctx, r.letters, cause))
}

func (r *run[T]) closeWriter(ctx context.Context) {
	if r.w != nil {
		r.task.Begin(plan.Closing, plan.Place{Index: -1})
		defer r.task.Done()
		r.err = withClose(r.err, r.sink.close(ctx, r.w, r.err))
	}
}

// guardedSink turns panics of a sink and its writer into errors that name it.
type guardedSink[T any] struct{ sink Sink[T] }

// name is what the sink calls itself, or its type.
func (g guardedSink[T]) name() string {
	if _, ok := g.sink.(fmt.Stringer); ok {
		return fmt.Sprint(g.sink)
	}
	return fmt.Sprintf("%T", g.sink)
}

// recovered, deferred, turns a panic into an error.
func (g guardedSink[T]) recovered(doing string, err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("stage: sink %s: %s: %w", g.name(), doing, panicked(v))
	}
}

var errNoWriter = errors.New("neither a writer nor an error was returned")

func (g guardedSink[T]) open(ctx context.Context, restore json.RawMessage) (w Writer[T], err error) {
	defer g.recovered("open", &err)
	w, err = g.sink.Open(ctx, restore)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, fmt.Errorf("stage: sink %s: open: %w", g.name(), errNoWriter)
	}
	return w, nil
}

func (g guardedSink[T]) write(ctx context.Context, w Writer[T], c *Chunk[T]) (err error) {
	defer g.recovered("write", &err)
	return w.Write(ctx, c)
}

// close ends the output even if ctx has ended.
func (g guardedSink[T]) close(ctx context.Context, w Writer[T], cause error) (err error) {
	defer g.recovered("close", &err)
	return w.Close(context.WithoutCancel(ctx), cause)
}
