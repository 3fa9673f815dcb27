package stage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/plan"
)

// defaultEvery is the time between two checkpoints if nobody says otherwise.
const defaultEvery = 10 * time.Second

// leastIdle is how often at most an idle run looks whether a checkpoint is due.
const leastIdle = 10 * time.Millisecond

// Checkpoint lets the run be resumed: what is done is saved in store about every
// so often (0: 10 seconds), and a run that finds a state of one that did not end
// goes on from it.
//
// A checkpoint is taken between two writes, when all that was written is accounted
// for: the sink makes durable what it has (Committer.Prepare), the state is saved,
// the sink publishes (Committer.Commit). Sinks that are no Committers are written
// at least once: what came after the last checkpoint comes again. So are side
// effects of functions; those must give the same results again. See
// Summary.Guarantee. An idle run takes its checkpoints too, unless a stage has a
// state, which then is that of items on their way. The first one is taken
// before the first item, the last one at the end, and after that the run is noted as
// finished: the next one begins anew.
//
// Chunk sizes, workers and order may change between runs. Everything else may not:
// another input, another way to cut it into records, other stages, settings or names of
// stages are refused with a *checkpoint.ChangedError that names what changed, before
// anything is written. A function whose results changed gets another name
// (pool.Name("parse/v2"), Stream.Named); that is refused as well, unless
// AcceptChange says that the old and the new results may stand side by side.
//
// Sources must be Resumable. Stages with a state (Chunked, Distinct, Enumerate, GroupBy,
// Pairwise, Sample, Scan, Session, Skip, SkipWhile, Sliding, Take, TakeWhile, TopK,
// Tumbling, Window, and those of third parties that are Stateful) have it saved behind the
// last pool and are refused by name ahead of one. Refused, too, are Sort and GroupBy with
// Spill, and a pool that does not keep the order behind FlatMap, Flatten, Unbatch, Batch,
// Zip or another pool.
//
// Limits on failed items hold for all runs together. While the run lasts nobody else
// can open the store.
//
// Checkpoint panics if store is nil or every is negative.
func Checkpoint(store checkpoint.Store, every time.Duration) RunOption {
	notNil(store == nil, "stage.Checkpoint: store")
	notBelow(0, int(every), "stage.Checkpoint: every")
	return runOption(func(c *runConfig) { c.store, c.every = store, every })
}

// Checkpointed reports whether the run that a sink is opened for, with ctx, has a
// checkpoint. A sink that leaves nothing behind when it is aborted, such as one that
// replaces a file as a whole, and is no Committer, must fail then: what it had
// before the checkpoint would not come again.
func Checkpointed(ctx context.Context) bool { return plan.HasCheckpoint(ctx) }

// Flusher is implemented by writers that are no Committers and hold items back.
type Flusher interface {
	// Flush writes what was held back. Before each checkpoint Run calls it.
	Flush(ctx context.Context) error
}

// AcceptChange lets a run with a checkpoint go on where stages have other names
// than in the run before, as when a function has a new version. It does not accept
// other inputs, or more, fewer or other operators.
func AcceptChange() RunOption { return runOption(func(c *runConfig) { c.accept = true }) }

// Transactor is implemented by writers that can save a checkpoint in the
// transaction of the data that it speaks of.
type Transactor interface {
	// Join is called after Open and before the first Write. It reports whether
	// store is a place in the writer's own database; from then on the writer commits
	// nothing before CommitWith.
	Join(ctx context.Context, store checkpoint.Store) (bool, error)
	// CommitWith writes what was taken since the last one and saves the state, in one
	// transaction. When it fails neither may be there, or both: where the reply to a
	// commit was lost it finds out.
	CommitWith(ctx context.Context, state checkpoint.State) error
}

// Amender is implemented by Committers that begin parts of their output after the
// first checkpoint, as sink.Route does. Run has a Committer prepare before its first
// write, so that what is written until the next checkpoint can be taken back; with
// save such a writer does so for what it begins later.
type Amender interface {
	// AmendWith is called after Open and before the first Write. save may be called
	// within Write: it calls prepare with the number of a checkpoint that is the last
	// one with the state that prepare returns in place of the writer's, and saves that.
	// The writer then commits what it has prepared.
	AmendWith(save func(ctx context.Context, prepare func(epoch uint64) (json.RawMessage, error)) error)
}

// Guaranteed is implemented by Committers that do not always write exactly once, as
// those that hand items on to other writers.
type Guaranteed interface {
	// Guarantee is ExactlyOnce, or AtLeastOnce if some of what was taken is written so.
	// Run asks after Open and when all is closed.
	Guarantee() string
}

// The guarantees of Summary.Guarantee.
const (
	ExactlyOnce = "exactly once"
	AtLeastOnce = "at least once"
)

// Resumed says what a run went on from.
type Resumed struct {
	Epoch   uint64          // the checkpoint
	Saved   time.Time       // when it was taken
	Written int64           // items that were written by then, by all runs before
	Sources []ResumedSource // in the order of the plan
	Notice  string          // what the store had to work around
}

// ResumedSource is a source of a run that went on.
type ResumedSource struct {
	Name string
	At   Position // where reading began
	Done int64    // records that were done before
}

// lettersKey is where the dead letters' sink has its state.
const lettersKey = "dead letters"

// epochs takes the checkpoints of a run.
type epochs struct {
	store  checkpoint.Store
	every  time.Duration
	accept bool
	res    *resumption

	state   checkpoint.State // the newest
	before  checkpoint.State // of the runs before: its counters count
	resumed bool

	sink, letters Committer  // nil: they are none
	flush         []Flusher  // those of both that are
	tx            Transactor // of the sink, if it has joined

	lock    chan struct{} // held while a chunk is written, and while a checkpoint is taken
	dirty   bool          // something was written since the last one
	clean   bool          // all that was written is accounted for
	last    time.Time
	counted func() map[string]int64
	task    *plan.Task // of the sink, if the run is watched
}

// open opens the store and prepares to run the plan from where it says.
func (e *epochs) open(ctx context.Context, node *plan.Node) error {
	if err := e.store.Open(ctx); err != nil {
		return errors.Join(err, e.store.Close(context.WithoutCancel(ctx)))
	}
	e.lock = make(chan struct{}, 1)
	saved, found, err := e.store.Load(ctx)
	if err == nil {
		err = e.begin(node, saved, found)
	}
	if err != nil {
		return errors.Join(err, e.store.Close(context.WithoutCancel(ctx)))
	}
	return nil
}

func (e *epochs) begin(node *plan.Node, saved checkpoint.State, found bool) (err error) {
	e.state = checkpoint.State{Pipeline: node.Label(), Run: rand.Text(), Topology: topology(node)}
	if !found || saved.Finished {
		e.state.Epoch = saved.Epoch
		e.res, err = newResumption(node, nil)
		return err
	}
	now := e.state
	now.Sources = saved.Sources // their fingerprints are compared when they are opened
	if e.accept && sameOperators(saved.Topology.Stages, now.Topology.Stages) {
		saved.Topology, saved.Pipeline = now.Topology, now.Pipeline
	}
	if err := saved.Compare(now); err != nil {
		return err
	}
	if e.res, err = newResumption(node, &saved); err != nil {
		return err
	}
	e.before, e.resumed = saved, true
	saved.Pipeline, saved.Run, saved.Topology, saved.Notice = now.Pipeline, now.Run, now.Topology, ""
	e.state = saved
	return nil
}

// sameOperators reports whether two chains differ in names only.
func sameOperators(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if opOf(a[i]) != opOf(b[i]) {
			return false
		}
	}
	return true
}

func opOf(stage string) string {
	op, _, _ := strings.Cut(stage, nameMark)
	return op
}

// restore is the state that the sink, or that of the dead letters, had.
func (e *epochs) restore(letters bool) json.RawMessage {
	switch {
	case e == nil || !e.resumed:
		return nil
	case letters:
		return e.before.Operators[lettersKey]
	}
	return e.before.Sink
}

// join finds out what the writers can do, has them publish again what the saved
// checkpoint speaks of, and takes the first one of a new run.
func (e *epochs) join(ctx context.Context, sink, letters any) error {
	e.sink, _ = sink.(Committer)
	e.letters, _ = letters.(Committer)
	for _, w := range []any{sink, letters} {
		f, ok := w.(Flusher)
		if _, commits := w.(Committer); ok && !commits {
			e.flush = append(e.flush, f)
		}
	}
	if tx, ok := sink.(Transactor); ok {
		joined, err := tx.Join(ctx, e.store)
		if err != nil {
			return err
		}
		if joined {
			e.tx, e.sink = tx, nil
		}
	}
	if err := e.amendable(sink, letters); err != nil {
		return err
	}
	e.last = time.Now()
	if e.resumed {
		return e.commit(ctx, e.state.Epoch)
	}
	return e.take(ctx)
}

// guarantee is what the run promises of its sink.
func (e *epochs) guarantee() string {
	if g, ok := e.sink.(Guaranteed); ok {
		return g.Guarantee()
	}
	if e.tx != nil || e.sink != nil {
		return ExactlyOnce
	}
	return AtLeastOnce
}

var errAmends = errors.New("the checkpoint is in the transaction of the sink's data, and the dead letters' sink " +
	"begins parts of its output between two of them")

// amendable tells the writers that are Amenders how to amend the newest state.
func (e *epochs) amendable(sink, letters any) error {
	if a, ok := sink.(Amender); ok && e.sink != nil {
		a.AmendWith(func(ctx context.Context, prepare func(uint64) (json.RawMessage, error)) error {
			return e.amend(ctx, prepare, func(s *checkpoint.State, state json.RawMessage) { s.Sink = state })
		})
	}
	a, ok := letters.(Amender)
	switch {
	case !ok:
		return nil
	case e.tx != nil:
		return fmt.Errorf("stage: %w", errAmends)
	}
	a.AmendWith(func(ctx context.Context, prepare func(uint64) (json.RawMessage, error)) error {
		return e.amend(ctx, prepare, setLetters)
	})
	return nil
}

// amend saves the newest state once more with another one of a writer. It runs within
// a write, which holds the lock; what was written since is not spoken of.
func (e *epochs) amend(
	ctx context.Context, prepare func(epoch uint64) (json.RawMessage, error), set func(*checkpoint.State, json.RawMessage),
) error {
	next := e.state
	next.Epoch++
	next.Saved = time.Now().UTC()
	state, err := prepare(next.Epoch)
	if err != nil {
		return err
	}
	set(&next, state)
	if err := e.store.Save(ctx, next); err != nil {
		return fmt.Errorf("stage: checkpoint %d: %w", next.Epoch, err)
	}
	e.state = next
	return nil
}

// setLetters sets the state of the dead letters' sink.
func setLetters(s *checkpoint.State, state json.RawMessage) {
	s.Operators = maps.Clone(s.Operators)
	if s.Operators == nil {
		s.Operators = map[string]json.RawMessage{}
	}
	s.Operators[lettersKey] = state
}

// wrote notes that a chunk was written, and takes a checkpoint if it is time for
// one. The lock is held.
func (e *epochs) wrote(ctx context.Context, tokens []Token, partial bool) error {
	if err := e.res.done(tokens); err != nil {
		return err
	}
	e.dirty, e.clean = true, !partial
	if e.clean && time.Since(e.last) >= e.every {
		return e.take(ctx)
	}
	return nil
}

// whole reports whether the state after a run that was told to stop can be saved:
// all that was written is accounted for, and no stage's state is ahead of it by
// what another holds back.
func (e *epochs) whole(held bool) bool {
	return (e.clean || !e.dirty) && (!held || !e.res.keeps)
}

// idle takes checkpoints while nothing is written, until ctx ends. failed is told
// of an error.
func (e *epochs) idle(ctx context.Context, failed func(error)) {
	if e.res.keeps {
		return // a stage at work may be ahead of what was written
	}
	ticker := time.NewTicker(max(e.every, leastIdle))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		select {
		case e.lock <- struct{}{}:
		case <-ctx.Done():
			return
		}
		var err error
		if e.dirty && e.clean && time.Since(e.last) >= e.every {
			err = e.take(ctx)
		}
		<-e.lock
		if err != nil {
			failed(err)
			return
		}
	}
}

// take takes a checkpoint.
func (e *epochs) take(ctx context.Context) error {
	epoch := e.state.Epoch + 1
	e.task.Begin(plan.Checkpointing, plan.Place{Index: -1})
	defer e.task.Done()
	if err := e.save(ctx, epoch); err != nil {
		return fmt.Errorf("stage: checkpoint %d: %w", epoch, err)
	}
	e.dirty, e.last = false, time.Now()
	return e.commit(ctx, epoch)
}

func (e *epochs) save(ctx context.Context, epoch uint64) (err error) {
	next := checkpoint.State{
		Pipeline: e.state.Pipeline, Run: e.state.Run, Epoch: epoch, Saved: time.Now().UTC(), Topology: e.state.Topology,
		Counters: e.counters(),
	}
	if err := e.res.describeTo(&next); err != nil {
		return err
	}
	for _, f := range e.flush {
		if err := flushed(ctx, f); err != nil {
			return err
		}
	}
	if e.sink != nil {
		if next.Sink, err = prepared(ctx, e.sink, epoch); err != nil {
			return fmt.Errorf("sink: %w", err)
		}
	}
	if e.letters != nil {
		state, err := prepared(ctx, e.letters, epoch)
		if err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		setLetters(&next, state)
	}
	if e.tx != nil {
		err = e.tx.CommitWith(ctx, next)
	} else {
		err = e.store.Save(ctx, next)
	}
	if err == nil {
		e.state = next
	}
	return err
}

func flushed(ctx context.Context, f Flusher) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return f.Flush(ctx)
}

func prepared(ctx context.Context, c Committer, epoch uint64) (state json.RawMessage, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return c.Prepare(ctx, epoch)
}

// commit has the writers publish what an epoch speaks of.
func (e *epochs) commit(ctx context.Context, epoch uint64) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		if err != nil {
			err = fmt.Errorf("stage: checkpoint %d: commit: %w", epoch, err)
		}
	}()
	if e.sink != nil {
		if err := e.sink.Commit(ctx, epoch); err != nil {
			return fmt.Errorf("sink: %w", err)
		}
	}
	if e.letters != nil {
		if err := e.letters.Commit(ctx, epoch); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
	}
	return nil
}

// counters are those of all runs together.
func (e *epochs) counters() map[string]int64 {
	sum := e.counted()
	for name, n := range e.before.Counters {
		sum[name] += n
	}
	return sum
}

// finish notes that the run has ended well, unless it has not, and closes the
// store.
func (e *epochs) finish(ctx context.Context, failed error) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	if failed == nil {
		done := e.state
		done.Epoch, done.Saved, done.Finished = done.Epoch+1, time.Now().UTC(), true
		if err = e.store.Save(ctx, done); err != nil {
			err = fmt.Errorf("stage: all is written, but the checkpoint does not say so: %w", err)
		}
	}
	return errors.Join(err, e.store.Close(ctx))
}

// from says what the run went on from.
func (e *epochs) from() *Resumed {
	if e == nil || !e.resumed {
		return nil
	}
	r := &Resumed{Epoch: e.before.Epoch, Saved: e.before.Saved, Written: e.before.Counters["written"], Notice: e.before.Notice}
	for _, src := range e.res.sources {
		done := src.from.Watermark
		for _, d := range src.from.Done {
			done += d.N
		}
		r.Sources = append(r.Sources, ResumedSource{Name: src.name, At: src.from.At, Done: done})
	}
	return r
}
