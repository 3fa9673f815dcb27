package sink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/stage"
)

var (
	errNoWriter = errors.New("neither a writer nor an error was returned")
	errNoAmend  = errors.New("sink: Route: in a run with a checkpoint, a sink that writes to it must pass on stage.Amender")
)

// group are the writers that a sink hands items on to, in the order in which they
// were added.
type group[T any] struct {
	verb    string
	ctx     context.Context //nolint:containedctx // of the run: what sinks are opened with
	tracked bool            // the run has a checkpoint
	amend   func(context.Context, func(epoch uint64) (json.RawMessage, error)) error
	members []*member[T]
	items   int64 // taken
	failed  error

	savedItems int64 // that the last checkpoint speaks of
}

// member is a writer of a group.
type member[T any] struct {
	name   string // what errors call it
	route  string // of a Route
	sink   stage.Sink[T]
	w      stage.Writer[T] // nil: it is not open
	enough bool            // it wants no more

	// In a run with a checkpoint.
	commits stage.Committer // nil: it is none
	flushes stage.Flusher   // nil: it is none, or a Committer
	loose   bool            // it is none: what it is given may come again
	state   json.RawMessage // of the last Prepare
	epoch   uint64          // of the last Prepare; 0: there was none
	dirty   bool            // something was written since
	pending bool            // it was not committed since
}

// groupState is what a checkpoint holds of a group.
type groupState struct {
	Group   string        `json:"group"` // the verb
	Items   int64         `json:"items,omitzero"`
	Members []memberState `json:"members,omitempty"`
}

type memberState struct {
	Route   string          `json:"route,omitzero"`
	Bytes   []byte          `json:"bytes,omitempty"` // the route, if it is not UTF-8
	Commits bool            `json:"commits,omitzero"`
	Epoch   uint64          `json:"epoch,omitzero"`
	State   json.RawMessage `json:"state,omitempty"`
}

// newGroup makes a group for a sink that is opened with ctx.
func newGroup[T any](ctx context.Context, verb string) group[T] {
	if !fsys.HasClaims(ctx) {
		ctx = fsys.WithClaims(ctx, &fsys.Claims{})
	}
	return group[T]{verb: verb, ctx: ctx, tracked: stage.Checkpointed(ctx)}
}

// restored is the state that a group goes on from.
func restored(verb string, restore json.RawMessage) (groupState, error) {
	var s groupState
	if err := json.Unmarshal(restore, &s); err != nil {
		return s, fmt.Errorf("sink: %s: the checkpoint's state: %w", verb, err)
	}
	if s.Group != verb {
		return s, fmt.Errorf("sink: %s: the checkpoint is of a run that wrote to another sink (%s)", verb, cmp.Or(s.Group, "no group"))
	}
	for i := range s.Members {
		if m := &s.Members[i]; m.Bytes != nil {
			m.Route = string(m.Bytes)
		}
	}
	return s, nil
}

// failure is an error of a member.
func (g *group[T]) failure(m *member[T], err error) error {
	return fmt.Errorf("sink: %s: %s: %w", g.verb, m.name, err)
}

// recovered, deferred, turns a member's panic into an error.
func (g *group[T]) recovered(m *member[T], err *error) {
	if v := recover(); v != nil {
		*err = g.failure(m, panicked(v))
	}
}

// opening opens what is to be open from the start, with do. If that fails, or ends its
// goroutine, what is open already is closed.
func (g *group[T]) opening(do func() error) (err error) {
	err = stage.ErrGoexit // until it is known better
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close(context.WithoutCancel(g.ctx), 0, err))
		}
	}()
	err = do()
	return err
}

// open opens a member's sink, with the state that it had if it goes on.
func (g *group[T]) open(m *member[T], restore json.RawMessage) (err error) {
	defer g.recovered(m, &err)
	m.w, err = m.sink.Open(g.ctx, restore)
	if err == nil && m.w == nil {
		err = errNoWriter
	}
	if err != nil {
		m.w = nil
		return g.failure(m, err)
	}
	if !g.tracked {
		return nil
	}
	m.commits, _ = m.w.(stage.Committer)
	if m.loose = m.commits == nil; m.loose {
		m.flushes, _ = m.w.(stage.Flusher)
	}
	if a, ok := m.w.(stage.Amender); ok {
		a.AmendWith(func(ctx context.Context, prepare func(uint64) (json.RawMessage, error)) error {
			return g.amendMember(ctx, m, prepare)
		})
	}
	return nil
}

// reopen opens a member that goes on.
func (g *group[T]) reopen(m *member[T], s memberState) error {
	if !s.Commits {
		return g.open(m, nil)
	}
	if err := g.open(m, s.State); err != nil {
		return err
	}
	m.state, m.epoch, m.pending = s.State, s.Epoch, true
	return nil
}

// AmendWith implements stage.Amender.
func (g *group[T]) AmendWith(save func(context.Context, func(epoch uint64) (json.RawMessage, error)) error) {
	g.amend = save
}

// amendMember saves the group's last state with another one of a member.
func (g *group[T]) amendMember(ctx context.Context, m *member[T], prepare func(uint64) (json.RawMessage, error)) error {
	if g.amend == nil {
		return errNoAmend
	}
	return g.amend(ctx, func(epoch uint64) (json.RawMessage, error) {
		state, err := prepare(epoch)
		if err != nil {
			return nil, err
		}
		m.state = state
		return g.saved()
	})
}

// isFresh reports whether a member has to begin.
func (m *member[T]) isFresh() bool { return m.commits != nil && m.epoch == 0 }

// begin has members that have not prepared yet do so before they are written to, as
// Run does with a sink: if the run is killed, what they write until the next checkpoint
// is taken back.
func (g *group[T]) begin(ctx context.Context, fresh []*member[T]) error {
	if len(fresh) == 0 {
		return nil
	}
	if g.amend == nil {
		return errNoAmend
	}
	err := g.amend(ctx, func(epoch uint64) (json.RawMessage, error) {
		for _, m := range fresh {
			if err := g.prepare(ctx, m, epoch); err != nil {
				return nil, err
			}
		}
		return g.saved()
	})
	if err != nil {
		return err
	}
	return g.Commit(ctx, 0)
}

// write hands a chunk to a member, unless it has had enough.
func (g *group[T]) write(ctx context.Context, m *member[T], c *stage.Chunk[T]) (err error) {
	if m.enough {
		return nil
	}
	defer g.recovered(m, &err)
	m.dirty = true
	err = m.w.Write(ctx, c)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, stage.ErrEnough):
		m.enough = true
		return nil
	}
	return g.failure(m, err)
}

// sated reports whether no member wants more.
func (g *group[T]) sated() bool {
	for _, m := range g.members {
		if !m.enough {
			return false
		}
	}
	return true
}

// Prepare implements stage.Committer. Members that were not written to since the last
// one have the state of that.
func (g *group[T]) Prepare(ctx context.Context, epoch uint64) (json.RawMessage, error) {
	if g.failed != nil {
		return nil, g.failed
	}
	for _, m := range g.members {
		if m.w == nil || m.epoch > 0 && !m.dirty {
			continue
		}
		if g.failed = g.prepare(ctx, m, epoch); g.failed != nil {
			return nil, g.failed
		}
	}
	g.savedItems = g.items
	return g.saved()
}

// prepare makes durable what a member was given.
func (g *group[T]) prepare(ctx context.Context, m *member[T], epoch uint64) (err error) {
	defer g.recovered(m, &err)
	switch {
	case m.commits != nil:
		var state json.RawMessage
		if state, err = m.commits.Prepare(ctx, epoch); err == nil {
			m.state, m.epoch, m.pending = state, epoch, true
		}
	case m.flushes != nil:
		err = m.flushes.Flush(ctx)
	}
	if err != nil {
		return g.failure(m, err)
	}
	m.dirty = false
	return nil
}

// saved is the state of what was prepared last.
func (g *group[T]) saved() (json.RawMessage, error) {
	s := groupState{Group: g.verb, Items: g.savedItems, Members: make([]memberState, len(g.members))}
	for i, m := range g.members {
		s.Members[i] = memberState{Commits: m.epoch > 0, Epoch: m.epoch, State: m.state}
		if utf8.ValidString(m.route) {
			s.Members[i].Route = m.route
		} else {
			s.Members[i].Bytes = []byte(m.route)
		}
	}
	return json.Marshal(s)
}

// Commit implements stage.Committer. Each member commits what it prepared last.
func (g *group[T]) Commit(ctx context.Context, _ uint64) error {
	for _, m := range g.members {
		if !m.pending {
			continue
		}
		if err := g.commit(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (g *group[T]) commit(ctx context.Context, m *member[T]) (err error) {
	defer g.recovered(m, &err)
	if err := m.commits.Commit(ctx, m.epoch); err != nil {
		return g.failure(m, err)
	}
	m.pending = false
	return nil
}

// Guarantee implements stage.Guaranteed.
func (g *group[T]) Guarantee() string {
	for _, m := range g.members {
		if m.loose {
			return stage.AtLeastOnce
		}
		if w, ok := m.w.(stage.Guaranteed); ok && w.Guarantee() != stage.ExactlyOnce {
			return stage.AtLeastOnce
		}
	}
	return stage.ExactlyOnce
}

// Close implements stage.Writer: the members are closed in their order.
func (g *group[T]) Close(ctx context.Context, cause error) error {
	failed := g.failed
	if cause != nil {
		failed = nil // it is told already
	}
	return errors.Join(failed, g.close(ctx, 0, cmp.Or(cause, g.failed)))
}

// close closes the members from the i-th on, also if one of them panics or ends its
// goroutine. What fails is the cause with which the later ones are closed.
func (g *group[T]) close(ctx context.Context, i int, cause error) (failed error) {
	if i == len(g.members) {
		return nil
	}
	m := g.members[i]
	if m.w == nil {
		return g.close(ctx, i+1, cause)
	}
	err := stage.ErrGoexit // until it is known better
	defer func() {
		failed = errors.Join(err, g.close(ctx, i+1, cmp.Or(cause, err)))
	}()
	err = g.closeMember(ctx, m, cause)
	return err
}

func (g *group[T]) closeMember(ctx context.Context, m *member[T], cause error) (err error) {
	defer g.recovered(m, &err)
	if err := m.w.Close(ctx, cause); err != nil {
		return g.failure(m, err)
	}
	return nil
}
