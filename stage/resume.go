package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/plan"
)

// Resumable is implemented by the pullers of sources that can go on where an
// earlier run left off. A run with a checkpoint needs it of every source: one that
// cannot, such as a channel or standard input, fails the run when it is opened.
type Resumable interface {
	// Fingerprint says what must be the same for positions of an earlier run to
	// mean the same records: which input it is, and how it is cut into records. It
	// is best an object that a person can read, as differences are named by its
	// members. An error refuses the run. It is called before the first Pull.
	Fingerprint(ctx context.Context) (json.RawMessage, error)
	// Seek makes the first Pull begin with the record at a position, which is the
	// At of a token of an earlier run whose First was first. The source may begin
	// before it, where that is all it can do: its tokens say what they account
	// for, and what is done is passed over. It is called at most once, after
	// Fingerprint and before the first Pull.
	Seek(ctx context.Context, at Position, first int64) error
}

// Stateful is implemented by the pullers of stages that keep something from item
// to item, such as how many came. A run with a checkpoint saves it, provided that
// no pool stands between the stage and the sink: ahead of a pool a state is that of
// items which are not written yet.
type Stateful interface {
	// SaveState returns the state after the items that were handed on, as JSON; nil
	// says that there is none, as in stages that need not save any.
	SaveState() (json.RawMessage, error)
	// RestoreState is called before the first Pull, with what SaveState returned.
	RestoreState(state json.RawMessage) error
}

// resumption is what a run with a checkpoint knows of its sources and stages.
type resumption struct {
	sources []*sourceRun
	tail    map[*plan.Node]bool // nodes with no pool between them and the sink
	keeps   bool                // a stage has a state, or may have one
	saved   *checkpoint.State   // of an earlier run, or nil

	// Concat opens its streams where it is pulled, which may be in a pool's worker
	// while a checkpoint is taken.
	mu     sync.Mutex                  // for the below and the sources' fingerprints; no user code runs under it
	places map[*plan.Node][]*sourceRun // by node, those that are not opened yet
	stages []*stageRun
}

// sourceRun is a source in such a run.
type sourceRun struct {
	id          int32
	name        string
	from        checkpoint.Progress[Position]
	tracker     *checkpoint.Tracker[Position]
	fingerprint json.RawMessage
}

// stageRun is a stage with a state in such a run.
type stageRun struct {
	key   string
	of    Stateful
	after bool // it is behind the last pool
}

// resumptionOf is what the run that ctx belongs to knows, or nil.
func resumptionOf(ctx context.Context) *resumption {
	if r := plan.RegistryOf(ctx); r != nil {
		res, _ := r.Checkpoint.(*resumption)
		return res
	}
	return nil
}

// newResumption prepares to run a plan, from where saved says if it is not nil.
func newResumption(node *plan.Node, saved *checkpoint.State) (*resumption, error) {
	r := &resumption{places: map[*plan.Node][]*sourceRun{}, tail: map[*plan.Node]bool{}, saved: saved}
	var refused error
	r.enter(node, true, nil, &refused)
	return r, refused
}

// spreads are the operators that make of one item, or the few of a token, more than
// a chunk may hold, or hold items back. A chunk that a pool takes may then be a part of
// what its token accounts for.
var spreads = map[string]bool{ //nolint:gochecknoglobals // a constant
	"FlatMap": true, "Flatten": true, "FlattenErr": true, "Unbatch": true, "Batch": true, "Zip": true,
}

// enter notes a node and those that it reads. mixer is the pool behind it, if there is
// one, that does not keep the order.
func (r *resumption) enter(n *plan.Node, tail bool, mixer *plan.Node, refused *error) {
	if mixer != nil && *refused == nil && (spreads[n.Op] || n.Kind == plan.Workers) {
		*refused = fmt.Errorf("stage: %s: unordered behind %s, which may spread what belongs together over chunks: "+
			"a checkpoint cannot tell then which records are done; keep the order, or do it behind", mixer.Label(), n.Label())
	}
	if n.Keeps && !tail && *refused == nil {
		*refused = fmt.Errorf("stage: %s keeps a state, which a checkpoint cannot hold ahead of a pool or a merge: "+
			"put it behind", n.Label())
	}
	if n.Split != nil && *refused == nil {
		*refused = fmt.Errorf("stage: %s is one of several branches, whose progress a checkpoint cannot hold", n.Label())
	}
	r.tail[n] = tail
	r.keeps = r.keeps || n.Keeps || n.Foreign
	if n.Kind == plan.Workers || n.Ahead {
		tail = false
	}
	if n.Mixes || n.Ahead {
		mixer = n
	}
	for _, in := range n.Inputs {
		r.enter(in, tail, mixer, refused)
	}
	if n.Kind != plan.Source {
		return
	}
	src := &sourceRun{id: int32(len(r.sources)), name: n.Label(), tracker: &checkpoint.Tracker[Position]{}}
	r.sources = append(r.sources, src)
	r.places[n] = append(r.places[n], src)
	if r.saved == nil || len(r.sources) > len(r.saved.Sources) || *refused != nil {
		return
	}
	was := r.saved.Sources[src.id]
	src.fingerprint = was.Fingerprint
	if src.from, *refused = checkpoint.Unpack[Position](was.Progress); *refused == nil {
		src.tracker, *refused = checkpoint.NewTracker(src.from)
	}
}

// enter makes a source part of the run with a checkpoint that it is opened for, if
// it is for one.
func enter[T any](ctx context.Context, g *guard[T]) error {
	r := resumptionOf(ctx)
	if r == nil {
		return nil
	}
	src := r.place(g.m.Node)
	if src == nil {
		return fmt.Errorf("stage: %s: opened more often than the plan has it", g.m.Node.Label())
	}
	if err := src.open(ctx, g.p, r); err != nil {
		return err
	}
	g.src = src
	return nil
}

// place takes a source that is about to be opened, nil if there is none left.
func (r *resumption) place(node *plan.Node) *sourceRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.places[node]
	if len(left) == 0 {
		return nil
	}
	r.places[node] = left[1:]
	return left[0]
}

var errCannotResume = errors.New("cannot go on where an earlier run left off, so a run with a checkpoint cannot read it")

// open asks the source for its fingerprint and puts it where the run begins.
func (s *sourceRun) open(ctx context.Context, p any, r *resumption) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
		}
	}()
	source, ok := p.(Resumable)
	if !ok {
		return errCannotResume
	}
	is, err := source.Fingerprint(ctx)
	if err != nil {
		return err
	}
	saved := r.saved
	r.mu.Lock()
	was := s.fingerprint
	s.fingerprint = is
	r.mu.Unlock()
	if saved == nil {
		return nil
	}
	if was != nil {
		then, now := *saved, *saved
		now.Sources = append([]checkpoint.Source(nil), saved.Sources...)
		now.Sources[s.id].Fingerprint = is
		if err := then.Compare(now); err != nil {
			return err
		}
	}
	if s.from.Watermark == 0 && len(s.from.Done) == 0 && s.from.At == (Position{}) {
		return nil
	}
	return source.Seek(ctx, s.from.At, s.from.First)
}

// settle names the source in a chunk's tokens and takes out what an earlier run
// has done.
func settle[T any](s *sourceRun, c *Chunk[T]) (failed int64, err error) {
	for i := range c.Tokens {
		c.Tokens[i].Source = s.id
	}
	if s.from.Watermark == 0 && len(s.from.Done) == 0 || len(c.Tokens) == 0 {
		return 0, nil
	}
	last := s.from.Watermark
	if n := len(s.from.Done); n > 0 {
		last = s.from.Done[n-1].End()
	}
	if c.Tokens[0].First >= last {
		return 0, nil
	}
	if len(c.Tokens) != 1 || c.Tokens[0].N != int64(len(c.Items)+len(c.Errors)) {
		return 0, fmt.Errorf("%s: a chunk of %d records has %d items and errors: it cannot be told which are done",
			s.name, c.Tokens[0].N, len(c.Items)+len(c.Errors))
	}
	before := len(c.Errors)
	passOver(&s.from, c)
	return int64(before - len(c.Errors)), nil
}

// passOver takes the records out of a chunk that are done. It has a token, and an
// item or an error for each of its records. The token stays as it is: the tracker
// knows that what it accounts for was done in part before.
func passOver[T any](done *checkpoint.Progress[Position], c *Chunk[T]) {
	t := c.Tokens[0]
	items, errs, record := 0, 0, int64(0) // looked at; record is the number of the next
	out, outErrs := 0, c.Errors[:0:0]
	step := func(keep bool) {
		if errs < len(c.Errors) && c.Errors[errs].Before <= items {
			if keep {
				e := c.Errors[errs]
				e.Before = out
				outErrs = append(outErrs, e)
			}
			errs++
		} else {
			if keep {
				c.Items[out] = c.Items[items]
				if len(c.Offsets) > items {
					c.Offsets[out] = c.Offsets[items]
				}
				out++
			}
			items++
		}
		record++
	}
	for r := range done.Skip(t.First, t.N) {
		for record < r.First-t.First {
			step(false)
		}
		for record < r.End()-t.First {
			step(true)
		}
	}
	clear(c.Items[out:])
	if len(c.Offsets) == len(c.Items) {
		c.Offsets = c.Offsets[:out]
	}
	c.Items, c.Errors = c.Items[:out], outErrs
}

var errNoState = errors.New("does not say whether it keeps a state (stage.Stateful), so a run with a checkpoint cannot have it")

var errNotSaved = errors.New("holds what may not fit into memory, so a run with a checkpoint cannot have it")

// keepState makes a stage part of the run with a checkpoint that it is opened for,
// if it is for one.
func keepState(ctx context.Context, node *plan.Node, p any) error {
	r := resumptionOf(ctx)
	if r == nil {
		return nil
	}
	st, ok := p.(Stateful)
	if !ok {
		switch {
		case node.Foreign:
			return fmt.Errorf("stage: %s: %w", node.Label(), errNoState)
		case node.Keeps:
			return fmt.Errorf("stage: %s: %w", node.Label(), errNotSaved)
		}
		return nil
	}
	r.mu.Lock()
	run := &stageRun{key: fmt.Sprintf("%d %s", len(r.stages)+1, node.Op), of: st, after: r.tail[node]}
	r.stages = append(r.stages, run)
	r.mu.Unlock()
	if r.saved == nil || r.saved.Operators[run.key] == nil {
		return nil
	}
	if err := st.RestoreState(r.saved.Operators[run.key]); err != nil {
		return fmt.Errorf("stage: %s: state: %w", node.Label(), err)
	}
	return nil
}

// done acknowledges what a written chunk accounts for.
func (r *resumption) done(tokens []Token) error {
	for _, t := range tokens {
		if int(t.Source) >= len(r.sources) {
			return fmt.Errorf("stage: a token of source %d, of which there are %d", t.Source+1, len(r.sources))
		}
		src := r.sources[t.Source]
		if err := src.tracker.Done(t.First, t.N, t.At); err != nil {
			return fmt.Errorf("stage: %s: %w", src.name, err)
		}
	}
	return nil
}

// describeTo writes what is done, and the states, into a checkpoint's state.
func (r *resumption) describeTo(s *checkpoint.State) error {
	s.Sources = make([]checkpoint.Source, 0, len(r.sources))
	for _, src := range r.sources {
		p, err := checkpoint.Pack(src.tracker.Progress())
		if err != nil {
			return fmt.Errorf("stage: %s: %w", src.name, err)
		}
		r.mu.Lock()
		fingerprint := src.fingerprint
		r.mu.Unlock()
		s.Sources = append(s.Sources, checkpoint.Source{Name: src.name, Fingerprint: fingerprint, Progress: p})
	}
	r.mu.Lock()
	stages := slices.Clip(r.stages)
	r.mu.Unlock()
	for _, st := range stages {
		state, err := st.of.SaveState()
		switch {
		case err != nil:
			return fmt.Errorf("stage: %s: state: %w", st.key, err)
		case state == nil:
			continue
		case !st.after:
			return fmt.Errorf("stage: %s keeps a state, which a checkpoint cannot hold ahead of a pool: put it behind", st.key)
		}
		if s.Operators == nil {
			s.Operators = map[string]json.RawMessage{}
		}
		s.Operators[st.key] = state
	}
	return nil
}

// nameMark is between an operator and its name.
const nameMark = " named "

// topology is what a plan is made of, as far as it must not change: the operators
// with their settings and their names, each after what it reads. Whether a
// pool keeps the order, and how many workers it has, may change; what a source is
// set to is for its fingerprint to say.
func topology(node *plan.Node) checkpoint.Topology {
	var t checkpoint.Topology
	walk(node, func(n *plan.Node) {
		name := n.Op
		if name == "ImapUnordered" {
			name = "Imap"
		}
		if n.Kind == plan.Serial && n.Detail != "" {
			name += " " + n.Detail
		}
		if len(n.Inputs) > 1 {
			name += fmt.Sprintf(" of %d streams", len(n.Inputs))
		}
		if n.Name != "" {
			name += nameMark + n.Name
		}
		t.Stages = append(t.Stages, name)
	})
	return t
}
