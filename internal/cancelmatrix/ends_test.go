package cancelmatrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/stage"
)

var errBroken = errors.New("broken")

// numbers is a source of the numbers from first below n, in chunks of at most size;
// every 17th fails.
type numbers struct {
	r       *run
	next, n int64
	size    int
}

func broken(v int64) bool { return v%17 == 16 }

// numbers is a stream of them.
func (r *run) numbers(n int64, size int) stage.Stream[int64] {
	return stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
		r.opened.Add(1)
		return &numbers{r: r, n: n, size: size}, nil
	})
}

func (s *numbers) Pull(ctx context.Context, into *stage.Chunk[int64], max stage.Limit) error {
	into.Reset()
	if err := s.r.fault.pass(ctx, atPull); err != nil {
		return err
	}
	k := min(int64(min(max.Room(), s.size)), s.n-s.next)
	if k == 0 {
		return io.EOF
	}
	into.Tokens = append(into.Tokens, stage.Token{At: stage.Position{Record: s.next}, First: s.next, N: k})
	for range k {
		if broken(s.next) {
			into.Fail(&stage.ItemError{Input: s.next, At: stage.Position{Record: s.next}, Err: errBroken})
		} else {
			into.Items = append(into.Items, s.next)
		}
		s.next++
	}
	return nil
}

func (s *numbers) Close() error {
	s.r.closed.Add(1)
	return nil
}

func (s *numbers) Fingerprint(context.Context) (json.RawMessage, error) { return json.Marshal(s.n) }

func (s *numbers) Seek(_ context.Context, at stage.Position, first int64) error {
	if at.Record != first {
		return fmt.Errorf("position %d of record %d", at.Record, first)
	}
	s.next = first
	return nil
}

// ledger is what sinks write to. It outlives the runs, and shows what was committed
// once. A sink without a checkpoint shows what it takes at once.
type ledger struct {
	shown  []int64
	staged []int64 // durable, not shown
}

// ledgers are one for each sink of a pipeline.
type ledgers []*ledger

func (p *pipeline) ledgers() ledgers {
	l := make(ledgers, p.sinks())
	for i := range l {
		l[i] = &ledger{}
	}
	return l
}

// ledgerState is what a checkpoint has of it.
type ledgerState struct {
	Shown  int     `json:"shown"`
	Staged []int64 `json:"staged"`
}

// plain is a run's sink, and its writer, that shows all at once.
type plain struct {
	r      *run
	to     *ledger
	closes []error
}

func (s *plain) Open(context.Context, json.RawMessage) (stage.Writer[int64], error) {
	s.r.opened.Add(1)
	return s, nil
}

func (s *plain) Write(ctx context.Context, c *stage.Chunk[int64]) error {
	if err := s.r.fault.pass(ctx, atWrite); err != nil {
		return err
	}
	s.to.shown = append(s.to.shown, c.Items...)
	clear(c.Items)
	c.Reset() // it may
	return nil
}

func (s *plain) Close(_ context.Context, cause error) error {
	s.r.closed.Add(1)
	s.closes = append(s.closes, cause)
	return nil
}

// committing is a run's sink, and its writer, that shows what is committed.
type committing struct {
	plain
	taken []int64
}

func (s *committing) Open(_ context.Context, restore json.RawMessage) (stage.Writer[int64], error) {
	s.r.opened.Add(1)
	var state ledgerState
	if restore != nil {
		if err := json.Unmarshal(restore, &state); err != nil {
			return nil, err
		}
	}
	if state.Shown > len(s.to.shown) {
		return nil, fmt.Errorf("%d items are there, %d were", len(s.to.shown), state.Shown)
	}
	s.to.shown, s.to.staged = s.to.shown[:state.Shown], state.Staged
	return s, nil
}

func (s *committing) Write(ctx context.Context, c *stage.Chunk[int64]) error {
	if err := s.r.fault.pass(ctx, atWrite); err != nil {
		return err
	}
	s.taken = append(s.taken, c.Items...)
	clear(c.Items)
	c.Reset()
	return nil
}

func (s *committing) Prepare(ctx context.Context, _ uint64) (json.RawMessage, error) {
	if err := s.r.fault.pass(ctx, atPrepare); err != nil {
		return nil, err
	}
	s.to.staged, s.taken = append(s.to.staged, s.taken...), nil
	return json.Marshal(ledgerState{len(s.to.shown), s.to.staged})
}

func (s *committing) Commit(ctx context.Context, _ uint64) error {
	if err := s.r.fault.pass(ctx, atCommit); err != nil {
		return err
	}
	s.to.shown = append(s.to.shown, s.to.staged...)
	s.to.staged = nil
	return nil
}

// memory is a store that outlives the runs; each of them has a view of it.
type memory struct {
	state []byte
	open  bool
}

type view struct {
	*memory
	r *run
}

func (v view) Open(context.Context) error {
	if v.open {
		return checkpoint.ErrLocked
	}
	v.open = true
	return nil
}

func (v view) Close(context.Context) error {
	v.open = false
	return nil
}

func (v view) Load(context.Context) (checkpoint.State, bool, error) {
	if v.state == nil {
		return checkpoint.State{}, false, nil
	}
	s, err := checkpoint.Decode(v.state)
	return s, true, err
}

// Save fails before or after it has saved: both may be.
func (v view) Save(ctx context.Context, s checkpoint.State) error {
	b, err := s.Encode()
	if err != nil {
		return err
	}
	given := v.r.fault.pass(ctx, atSave)
	if given == nil || v.r.fault.late {
		v.state = b
	}
	return given
}
