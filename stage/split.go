package stage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-go/penstock/internal/plan"
)

// defaultAhead is how many items a branch may be ahead of another if nobody says
// otherwise: two chunks of a terminal.
const defaultAhead = 2 * maxChunk

// SplitOption sets what Tee and Partition do beside splitting.
type SplitOption interface{ applySplit(*splitConfig) }

type splitConfig struct{ ahead int }

type splitOption func(*splitConfig)

func (o splitOption) applySplit(c *splitConfig) { o(c) }

// Ahead is how many items, failed ones included, wait for a branch of Tee or
// Partition at most: one whose reader is slower than that holds the others back. The
// default, and what 0 means, is 2048. Ahead panics if items is negative.
func Ahead(items int) SplitOption {
	notBelow(0, items, "stage.Ahead: items")
	return splitOption(func(c *splitConfig) {
		if c.ahead = items; items == 0 {
			c.ahead = defaultAhead
		}
	})
}

// dealer gives a chunk's items to branches.
type dealer[T any] interface {
	// deal adds what is in c to the chunks of the branches, nil where one is closed. It
	// may take c apart. base is how many items came before.
	deal(c *Chunk[T], out []*dealt[T], base int64)
}

// dealt is a chunk of a branch.
type dealt[T any] struct {
	Chunk[T]
	own int64 // failed items that the split itself had with it
}

func (d *dealt[T]) reset() {
	d.Reset()
	d.own = 0
}

// splitInto makes the branches of a split.
func splitInto[T any](op string, in Stream[T], n int, opts []SplitOption, deals func(label string) dealer[T]) []Stream[T] {
	cfg := splitConfig{ahead: defaultAhead}
	for _, o := range opts {
		notNil(o == nil, "stage."+op+": option")
		o.applySplit(&cfg)
	}
	ps := &plan.Split{Branches: n, Start: func() plan.Splitting {
		s := &split[T]{in: in, label: op, ahead: cfg.ahead, dealer: deals(op), opening: make(chan struct{}, 1), left: n}
		s.branches = make([]*branch[T], n)
		for i := range s.branches {
			s.branches[i] = &branch[T]{s: s, i: i, wake: make(chan struct{}, 1)}
		}
		s.out = make([]*dealt[T], n)
		return s
	}}
	branches := make([]Stream[T], n)
	for i := range branches {
		node := &plan.Node{
			Op: op, Kind: plan.Serial, Detail: fmt.Sprintf("branch %d of %d", i, n), Inputs: []*plan.Node{in.Plan()}, Split: ps, Branch: i,
		}
		branches[i] = Assemble(node, func(ctx context.Context, m *plan.Meter) (Puller[T], error) {
			s, _ := ctx.Value(plan.SplitKey{Split: ps}).(*split[T])
			return s.open(ctx, i, m)
		})
	}
	return branches
}

// split is what the branches share in a run. Whichever branch finds nothing waiting
// pulls the input, for all of them, provided that all have room.
type split[T any] struct {
	in     Stream[T]
	label  string
	ahead  int
	dealer dealer[T]
	ctx    context.Context // of the run: what the input is opened with

	opening chan struct{} // a lock
	opened  bool
	p       Puller[T]
	failed  error // to open

	// Of the branch that pulls.
	chunk Chunk[T]
	out   []*dealt[T]
	base  int64 // items that came

	mu       sync.Mutex // for the below and the branches; no user code runs under it
	branches []*branch[T]
	left     int // branches that are not closed
	pulling  bool
	end      error // sticky
}

// Bind implements plan.Splitting.
func (s *split[T]) Bind(ctx context.Context) { s.ctx = ctx }

// Skip implements plan.Splitting.
func (s *split[T]) Skip(i int) error {
	b := s.branches[i]
	s.mu.Lock()
	last := b.state == branchWaiting && b.end()
	s.mu.Unlock()
	return s.closeAfter(last)
}

// closeAfter closes the input after the last branch.
func (s *split[T]) closeAfter(last bool) error {
	if !last || s.p == nil {
		return nil
	}
	return s.p.Close()
}

// open opens a branch, and the input with the first one.
func (s *split[T]) open(ctx context.Context, i int, m *plan.Meter) (Puller[T], error) {
	b := s.branches[i]
	s.mu.Lock()
	fresh := b.state == branchWaiting
	if fresh {
		b.state, b.m = branchOpen, m
	}
	s.mu.Unlock()
	if !fresh {
		return nil, fmt.Errorf("stage: %s: branch %d was opened before in this run", s.label, i)
	}
	err := s.openInput(ctx)
	if err != nil {
		return nil, withClose(err, b.Close())
	}
	return b, nil
}

func (s *split[T]) openInput(ctx context.Context) error {
	select {
	case s.opening <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.opening }()
	if !s.opened {
		s.opened, s.failed = true, ErrGoexit // until it is known better
		s.p, s.failed = s.in.Open(s.ctx)
	}
	return s.failed
}

// pull pulls the input for all branches, on behalf of one that has the turn.
func (s *split[T]) pull(ctx context.Context, b *branch[T], into *Chunk[T], max Limit) error {
	end := ErrGoexit // until it is known better
	returned := false
	defer func() {
		if !returned { // a panic goes on; the others must not wait
			s.deliver(b, nil, end)
		}
	}()
	err := s.p.Pull(ctx, &s.chunk, max)
	came := int64(len(s.chunk.Items))
	s.dealer.deal(&s.chunk, s.out, s.base)
	s.base += came
	returned = true
	end = nil
	if err != nil && !gaveUp(ctx, err) {
		end = causeOf(ctx, err)
	}
	s.deliver(b, into, end)
	return err
}

// deliver ends the turn of a branch: it hands out what was dealt.
func (s *split[T]) deliver(b *branch[T], into *Chunk[T], end error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, d := range s.out {
		if d == nil {
			continue
		}
		switch to := s.branches[i]; {
		case into == nil || to.state == branchClosed || len(d.Items) == 0 && len(d.Errors) == 0:
			d.reset()
		case to == b:
			to.count(d)
			*into, d.Chunk = d.Chunk, *into
			d.own = 0
			sent(b.m, into)
		default:
			to.push(d)
			s.out[i] = nil
		}
	}
	if end != nil && s.end == nil {
		s.end = end
	}
	s.pulling = false
	s.wake()
}

// wake wakes the branches that can go on.
func (s *split[T]) wake() {
	for _, b := range s.branches {
		if b.parked && (b.size > 0 || s.end != nil || !s.pulling && s.room(b) > 0) {
			b.parked = false
			select {
			case b.wake <- struct{}{}:
			default:
			}
		}
	}
}

// room is how many items may be pulled on behalf of a branch; 0 if another has not
// enough room. Less than half of its bound is not worth a turn, unless it is all that
// is wanted.
func (s *split[T]) room(b *branch[T]) int {
	room := b.want
	for _, other := range s.branches {
		if other == b || other.state == branchClosed {
			continue
		}
		if other.full(b) {
			return 0
		}
		room = min(room, s.ahead-other.size)
	}
	return room
}

// branchState is how far a branch is.
type branchState uint8

const (
	branchWaiting branchState = iota // not opened yet
	branchOpen
	branchClosed
)

// branch is a branch of a split in a run.
type branch[T any] struct {
	s *split[T]
	i int
	m *plan.Meter

	// Under the split's lock.
	state  branchState
	queue  []*dealt[T]
	next   int // in queue
	size   int // items and failed items in queue that were not handed on
	spare  []*dealt[T]
	parked bool
	want   int // items that it would pull

	part parts[T] // of the first in queue
	cut  bool     // it was handed on in part
	wake chan struct{}
}

// spares is how many used chunks a branch keeps.
const spares = 4

// full reports whether the branch has too little room for what another wants.
func (b *branch[T]) full(other *branch[T]) bool {
	return b.s.ahead-b.size < max(min(other.want, b.s.ahead/2), 1)
}

// Pull implements Puller.
func (b *branch[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	into.Reset()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch step, room, err := b.step(into, max); step {
		case stepDone:
			return err
		case stepPull:
			err := b.s.pull(ctx, b, into, Limit{Items: room, Bytes: max.Bytes})
			if err != nil || !into.Empty() {
				return err
			}
		case stepPark:
			if err := b.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// step is what a branch does next.
type step uint8

const (
	stepDone step = iota // it has a chunk or the end
	stepPull             // it has the turn
	stepPark
)

func (b *branch[T]) step(into *Chunk[T], limit Limit) (_ step, room int, end error) {
	s := b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case b.next < len(b.queue):
		b.pop(into, limit)
		s.wake()
		return stepDone, 0, nil
	case s.end != nil:
		return stepDone, 0, s.end
	}
	b.want = limit.Room()
	if !s.pulling {
		if room := s.room(b); room > 0 {
			s.pulling = true
			for i, other := range s.branches {
				s.out[i] = other.blank(s.out[i])
			}
			return stepPull, room, nil
		}
	}
	b.parked = true
	return stepPark, 0, nil
}

// blank is an empty chunk for the branch, nil if it is closed. had is what there is.
func (b *branch[T]) blank(had *dealt[T]) *dealt[T] {
	switch n := len(b.spare); {
	case b.state == branchClosed:
		return nil
	case had != nil:
		return had
	case n > 0:
		d := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return d
	default:
		return &dealt[T]{}
	}
}

// wait waits for its turn, for what others pull, or for room. The lock is not held.
func (b *branch[T]) wait(ctx context.Context) error {
	s := b.s
	s.mu.Lock()
	var slow []int
	if !s.pulling {
		for i, other := range s.branches {
			if other != b && other.state != branchClosed && other.full(b) {
				slow = append(slow, i)
			}
		}
	}
	s.mu.Unlock()
	defer plan.Lend(ctx)()
	if len(slow) > 0 {
		start := time.Now()
		defer func() {
			if b.m.BranchWait == nil {
				b.m.BranchWait = make([]time.Duration, len(s.branches))
			}
			for _, i := range slow {
				b.m.BranchWait[i] += time.Since(start)
			}
		}()
	}
	select {
	case <-b.wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// push queues a chunk.
func (b *branch[T]) push(d *dealt[T]) {
	if b.next > 0 && b.next*2 >= len(b.queue) {
		n := copy(b.queue, b.queue[b.next:])
		clear(b.queue[n:])
		b.queue, b.next = b.queue[:n], 0
	}
	b.queue = append(b.queue, d)
	b.size += len(d.Items) + len(d.Errors)
}

// pop hands on the first chunk of the queue, or a part of it.
func (b *branch[T]) pop(into *Chunk[T], limit Limit) {
	d := b.queue[b.next]
	if !b.cut {
		b.count(d)
		d.own = 0
	}
	last := b.part.serve(&d.Chunk, into, limit.Room(), limit.Items > 0)
	b.cut = !last
	b.size -= len(into.Items) + len(into.Errors)
	sent(b.m, into)
	if !last {
		return
	}
	b.queue[b.next] = nil
	b.next++
	if len(b.spare) < spares {
		b.spare = append(b.spare, d)
	}
}

// count counts a chunk that has come.
func (b *branch[T]) count(d *dealt[T]) {
	b.m.In += int64(len(d.Items)) + d.own
	b.m.Failed += d.own
	b.m.ChunksIn++
}

// end closes the branch, under the lock: what comes for it from now on is dropped. It
// reports whether it was the last one.
func (b *branch[T]) end() (last bool) {
	s := b.s
	if b.m != nil {
		for i, d := range b.queue[b.next:] {
			if i > 0 || !b.cut {
				b.count(d)
			}
		}
		b.m.Settle()
	}
	b.state, b.queue, b.spare, b.next, b.size = branchClosed, nil, nil, 0, 0
	s.left--
	s.wake()
	return s.left == 0
}

// Close implements Puller. It is idempotent.
func (b *branch[T]) Close() error {
	s := b.s
	s.mu.Lock()
	last := b.state == branchOpen && b.end()
	s.mu.Unlock()
	return s.closeAfter(last)
}
