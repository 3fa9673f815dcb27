package pool

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// slots are a pool's worker slots. A goroutine runs user functions only while
// it owns one, so that all calls on a pool together never run more functions
// than the pool has workers.
//
// A worker keeps its slot between chunks, so that a call that is alone on its
// pool pays only for a look at whether somebody waits. Whoever needs a slot
// takes away those of workers that are parked (they say so) or inside a
// source's Pull (the pull lock tells). When there are more who need one than
// slots, the groups (calls) get them in turn, chunk by chunk.
type slots struct {
	waiters atomic.Int32 // length of the queues, read without the lock
	workers atomic.Int32 // n, and
	surplus atomic.Int32 // how many more slots are owned, since there are fewer now: both read without the lock

	mu      sync.Mutex // never held while user code runs or anything waits
	n       int
	used    int
	over    bool     // the pool was terminated: only tasks that resume are served
	owners  []*slot  // who owns a slot, idle or running
	resumed []waiter // tasks that want a lent slot back: served first
	turns   []*group // groups with waiters, by round, and first come first served
	round   uint64   // of the last turn
}

// group is what shares the slots fairly with other groups: a call, or all the
// applies of a pool.
type group struct {
	line   []waiter
	queued bool   // in turns
	round  uint64 // in which it has its next turn
}

// waiter is somebody in line for a slot: a parked goroutine, or a function to
// start.
type waiter struct {
	s     *slot
	start func() // nil: s.ready gets a token
}

// The states of a slot's owner.
const (
	slotNone    = iota // owns none
	slotIdle           // owns one and is parked: it may be taken away
	slotRunning        // owns one; it may be taken away while the worker pulls
)

// slot is the claim of one worker or task on a worker slot.
type slot struct {
	_      [64]byte
	state  atomic.Int32
	_      [60]byte
	of     *slots
	group  *group
	lock   *parkLock // the pull lock of a worker's call
	id     uint32    // under which the worker holds it
	ready  chan struct{}
	index  int           // in owners
	inLine bool          // and not withdrawn
	loans  int           // goroutines of the task that wait; none while it runs
	era    int           // of the loans that count
	back   chan struct{} // closed when the goroutine is served that takes a lent slot back; nil if none does
}

func (s *slot) init(of *slots, g *group) {
	s.of, s.group, s.ready = of, g, make(chan struct{}, 1)
}

// acquire makes sure that s owns a slot and is running. It gives up when done
// is closed, and reports whether it succeeded.
func (s *slot) acquire(done <-chan struct{}) bool {
	if s.state.Load() == slotRunning || s.state.CompareAndSwap(slotIdle, slotRunning) {
		return true
	}
	p := s.of
	p.mu.Lock()
	if s.state.Load() == slotRunning { // a loan that ended late took one for us
		p.mu.Unlock()
		return true
	}
	s.forget()
	p.enqueue(waiter{s: s})
	p.mu.Unlock()
	return s.await(done)
}

// enqueue puts w in line and serves who can be served. It needs the lock.
func (p *slots) enqueue(w waiter) {
	g := w.s.group
	if !g.queued {
		g.queued = true
		g.round = max(g.round, p.round) // turns that it did not want are no credit
		p.queue(g)
	}
	g.line = append(g.line, w)
	w.s.inLine = true
	p.waiters.Add(1)
	p.reclaim()
	p.dispatch(nil)
}

// await waits for the slot that s is in line for.
func (s *slot) await(done <-chan struct{}) bool {
	select {
	case <-s.ready:
		return true
	default:
	}
	select {
	case <-s.ready:
		return true
	case <-done:
		p := s.of
		p.mu.Lock()
		left := p.withdraw(s)
		p.mu.Unlock()
		if !left { // it was served meanwhile
			<-s.ready
			s.release()
		}
		return false
	}
}

// yield hands the slot on if somebody waits for one. A worker calls it after a
// chunk, and again when it has the pull lock: who began to wait in between
// either is seen now, or sees that the worker holds the lock.
func (s *slot) yield() {
	if s.of.waiters.Load() > 0 || s.of.surplus.Load() > 0 {
		s.release()
	}
}

// idle marks the slot of a worker that is about to park.
func (s *slot) idle() {
	if s.state.CompareAndSwap(slotRunning, slotIdle) {
		s.yield()
	} else {
		s.release()
	}
}

// take takes the slot away from its owner, if that does not need it. It needs
// the lock of the slots.
func (s *slot) take() bool {
	if s.state.CompareAndSwap(slotIdle, slotNone) {
		return true
	}
	if s.lock == nil || !s.lock.heldBy(s.id) || !s.state.CompareAndSwap(slotRunning, slotNone) {
		return false
	}
	if s.lock.heldBy(s.id) {
		return true // the worker will look for its slot only after the pull
	}
	s.state.Store(slotRunning) // it is past that; if it looked, it waits for our lock
	return false
}

// release gives the slot up, if s owns one. No task runs on it.
func (s *slot) release() {
	p := s.of
	p.mu.Lock()
	defer p.mu.Unlock()
	s.forget()
	if s.state.CompareAndSwap(slotIdle, slotNone) || s.state.CompareAndSwap(slotRunning, slotNone) {
		p.disown(s)
		p.dispatch(nil)
	}
}

// Lend implements plan.Lender: the task gives its slot up while it waits.
func (s *slot) Lend() (takeBack func()) { return s.lendTo(nil) }

// lendTo lends the slot, to a waiter of the preferred group of the pool if there
// is one: what the task waits for.
func (s *slot) lendTo(prefer *group) (takeBack func()) {
	p := s.of
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case s.state.CompareAndSwap(slotRunning, slotNone):
		p.disown(s)
		p.dispatch(prefer)
	case s.loans == 0 && s.back == nil: // no task runs
		return func() {}
	}
	return s.loan()
}

// forget makes loans that outlive their task count for nothing. It needs the
// lock.
func (s *slot) forget() {
	s.loans, s.back = 0, nil
	s.era++
}

// loan counts a loan and returns the function that ends it. It needs the lock.
func (s *slot) loan() (takeBack func()) {
	s.loans++
	era := s.era
	return func() { s.takeBack(era) }
}

// takeBack ends a loan: it returns when the task owns a slot again, or at once
// when another goroutine of the task still waits. If it took the slot back then,
// the one that waits might wait for ever for what needs that slot.
func (s *slot) takeBack(era int) {
	p := s.of
	p.mu.Lock()
	if s.era != era {
		p.mu.Unlock()
		return
	}
	s.loans--
	if !s.wants(era) {
		p.mu.Unlock()
		return
	}
	if served := s.back; served != nil { // another goroutine of the task is in line for it
		p.mu.Unlock()
		<-served
		return
	}
	served := make(chan struct{})
	defer close(served)
	s.back = served
	// A slot of its own stands in line: the task's may be there for its worker.
	back := &slot{of: p, group: s.group, ready: make(chan struct{}, 1), inLine: true}
	p.resumed = append(p.resumed, waiter{s: back})
	p.waiters.Add(1)
	p.reclaim()
	p.dispatch(nil)
	p.mu.Unlock()
	<-back.ready
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disown(back)
	if s.back == served {
		s.back = nil
	}
	if s.wants(era) {
		s.state.Store(slotRunning)
		p.own(s)
	} else {
		p.dispatch(nil)
	}
}

// wants reports whether a task is to have the slot back that it lent. It needs
// the lock.
func (s *slot) wants(era int) bool {
	return s.era == era && s.loans == 0 && s.state.Load() == slotNone
}

// own enters s as the owner of a slot. It needs the lock.
func (p *slots) own(s *slot) {
	p.used++
	p.recount()
	s.index = len(p.owners)
	p.owners = append(p.owners, s)
}

// disown takes s out of the owners. It needs the lock.
func (p *slots) disown(s *slot) {
	p.used--
	p.recount()
	last := len(p.owners) - 1
	p.owners[s.index] = p.owners[last]
	p.owners[s.index].index = s.index
	p.owners[last] = nil
	p.owners = p.owners[:last]
}

// setWorkers changes the number of slots. Owners that do not need theirs lose it,
// the others when they have finished their chunk.
func (p *slots) setWorkers(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n = n
	p.workers.Store(int32(min(n, math.MaxInt32)))
	p.recount()
	for i := 0; i < len(p.owners) && p.used > p.n; {
		if s := p.owners[i]; s.take() {
			p.disown(s)
		} else {
			i++
		}
	}
	p.reclaim()
	p.dispatch(nil)
}

// recount says how many slots are owned above n. It needs the lock.
func (p *slots) recount() {
	if surplus := int32(max(0, min(p.used-p.n, math.MaxInt32))); surplus != p.surplus.Load() {
		p.surplus.Store(surplus)
	}
}

// reclaim takes idle slots away from their owners, as many as somebody waits
// for. It needs the lock.
func (p *slots) reclaim() {
	for i := 0; i < len(p.owners) && p.n-p.used < int(p.waiters.Load()); {
		if s := p.owners[i]; s.take() {
			p.disown(s)
		} else {
			i++
		}
	}
}

// dispatch gives free slots to who waits: tasks that resume, then a waiter of
// the preferred group, then the groups in turn. It needs the lock.
func (p *slots) dispatch(prefer *group) {
	for p.used < p.n && p.waiters.Load() > 0 && (!p.over || len(p.resumed) > 0) {
		w := p.pop(prefer)
		prefer = nil
		p.serve(w)
	}
	p.sweep()
}

// shut has nothing new begin: who is in line for a slot stays there until the
// call that it belongs to is cancelled.
func (p *slots) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// sweep lets go of those who have left the line when nobody is left in it. It
// needs the lock.
func (p *slots) sweep() {
	if p.waiters.Load() > 0 {
		return
	}
	for _, g := range p.turns {
		g.line, g.queued = nil, false
	}
	clear(p.turns)
	p.turns = p.turns[:0]
}

// serve gives w a slot. It needs the lock.
func (p *slots) serve(w waiter) {
	p.waiters.Add(-1)
	w.s.inLine = false
	w.s.state.Store(slotRunning)
	p.own(w.s)
	if w.start != nil {
		go w.start()
	} else {
		w.s.ready <- struct{}{} // has room: a slot is in line once
	}
}

// pop takes the next waiter out of its line. It needs the lock, and a waiter.
func (p *slots) pop(prefer *group) (w waiter) {
	if len(p.resumed) > 0 {
		w = p.resumed[0]
		p.resumed = shift(p.resumed)
		return w
	}
	if prefer != nil {
		if w, ok := prefer.pop(); ok {
			return w
		}
	}
	for {
		g := p.turns[0]
		p.turns = slices.Delete(p.turns, 0, 1)
		w, ok := g.pop()
		if ok {
			p.round = g.round
			g.round++
		}
		if g.queued = len(g.line) > 0; g.queued {
			p.queue(g)
		}
		if ok {
			return w
		}
	}
}

// queue enters a group into the turns. A group that has had its turn goes behind
// those that have not, also behind one that comes back only now: a worker's next
// chunk is in line a moment after its last one gave the slot up. It needs the
// lock.
func (p *slots) queue(g *group) {
	i := len(p.turns)
	for i > 0 && p.turns[i-1].round > g.round {
		i--
	}
	p.turns = slices.Insert(p.turns, i, g)
}

// pop takes the first waiter that is still interested out of the line.
func (g *group) pop() (w waiter, ok bool) {
	for len(g.line) > 0 {
		w = g.line[0]
		g.line = shift(g.line)
		if w.s.inLine {
			return w, true
		}
	}
	return waiter{}, false
}

// withdraw takes s out of the line, if it is there, and reports whether it was.
// Its waiter stays behind until its turn comes. It needs the lock.
func (p *slots) withdraw(s *slot) bool {
	if !s.inLine {
		return false
	}
	s.inLine = false
	p.waiters.Add(-1)
	p.sweep()
	return true
}

// lendDirectly lends the slot of a running task to another that is in line, and
// starts that. It returns the function that ends the loan, or nil if it could
// not.
func (s *slot) lendDirectly(to *slot, start func()) (takeBack func()) {
	p := s.of
	if to.of != p {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || !to.inLine || !s.state.CompareAndSwap(slotRunning, slotNone) {
		return nil
	}
	p.disown(s)
	p.serve(waiter{s: to, start: start})
	p.sweep()
	return s.loan()
}

// shift drops the first waiter of a line and lets go of what it pointed to. The
// memory in front is given back when the line is empty.
func shift(line []waiter) []waiter {
	line[0] = waiter{}
	if len(line) == 1 {
		return line[:0]
	}
	return line[1:]
}
