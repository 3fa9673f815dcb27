package pool

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// requireSound checks what holds of slots whenever nobody is at work on them.
func requireSound(t require.TestingT, p *slots) {
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Len(t, p.owners, p.used, "slots in use and owners")
	require.LessOrEqual(t, p.used, p.n, "no slot is made up")
	for i, s := range p.owners {
		require.Equal(t, i, s.index)
		require.NotEqual(t, int32(slotNone), s.state.Load(), "an owner owns")
		require.False(t, slices.Contains(p.owners[:i], s), "an owner owns one slot")
	}
	waiting := 0
	for _, w := range p.resumed {
		require.True(t, w.s.inLine)
		waiting++
	}
	for i, g := range p.turns {
		require.True(t, g.queued)
		require.False(t, slices.Contains(p.turns[:i], g), "a group has one turn")
		for _, w := range g.line {
			if w.s.inLine {
				waiting++
			}
		}
	}
	require.EqualValues(t, waiting, p.waiters.Load(), "waiters")
	if waiting == 0 {
		require.Empty(t, p.turns, "nothing is kept of those who left")
		return
	}
	require.Equal(t, p.n, p.used, "nobody waits while a slot is free")
	for _, s := range p.owners {
		require.Equal(t, int32(slotRunning), s.state.Load(), "nobody waits while a slot is idle")
	}
}

// claimant is a worker or task as the model sees it.
type claimant struct {
	name  string
	s     *slot
	state string // "none", "asking", "running", "idle", "over" or "pulling"
	done  chan struct{}
	backs []func() // ends of the loans of its task
	late  []func() // ends of loans that outlived their task, or began after it
}

// machine drives slots as the engine does, and knows who may run. Whatever may
// block runs in a goroutine of its own; synctest.Wait lets them settle.
type machine struct {
	p       *slots
	groups  []*group
	workers []*claimant
	applies []*claimant
	applied *group
	made    int

	mu     sync.Mutex // guards what goroutines change: this, and the claimants' states
	asking int        // calls of acquire or takeBack that have not returned
}

// async runs what may block, and then says so.
func (m *machine) async(block func() bool, then func(got bool)) {
	m.asking++
	go func() {
		got := block()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.asking--
		then(got)
	}()
}

func (m *machine) claimants() []*claimant { return append(slices.Clone(m.workers), m.applies...) }

// lent reports whether goroutines of the claimant wait.
func (c *claimant) lent() bool { return len(c.backs) > 0 }

func pick(t *rapid.T, from []*claimant, fits func(*claimant) bool) *claimant {
	var fit []*claimant
	for _, c := range from {
		if fits(c) {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		t.Skip("nobody")
	}
	return fit[rapid.IntRange(0, len(fit)-1).Draw(t, "who")]
}

// check is called after each step.
func (m *machine) check(t *rapid.T) {
	synctest.Wait()
	requireSound(t, m.p)
	running := 0
	for _, c := range m.claimants() {
		state := c.s.state.Load()
		owner := slices.Contains(m.p.owners, c.s)
		require.Equal(t, owner, state != slotNone, "%s owns a slot", c.name)
		switch c.state {
		case "running":
			if !c.lent() {
				require.Equal(t, int32(slotRunning), state, "%s runs", c.name)
				running++
			} else {
				require.Equal(t, int32(slotNone), state, "%s waits, having lent its slot", c.name)
			}
		case "asking", "over":
			require.Equal(t, int32(slotNone), state, "%s %s", c.name, c.state)
		}
	}
	require.LessOrEqual(t, running, m.p.n, "functions at once")
	if m.asking > 0 {
		require.Len(t, m.p.owners, m.p.n, "somebody asks, and a slot is free")
	}
}

// TestSlots lets rapid use slots in every order that the engine could.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) { // a deadline is for the real clock
			m := newMachine(rapid.IntRange(1, 3).Draw(t, "slots"), rapid.IntRange(1, 3).Draw(t, "groups"))
			defer m.stop()
			t.Repeat(map[string]func(*rapid.T){
				"":         m.check,
				"nothing":  func(*rapid.T) {}, // the others may all have nobody to do it
				"acquire":  m.acquire,
				"give up":  m.giveUp,
				"both":     m.giveUpAndRelease,
				"yield":    m.yield,
				"idle":     m.idle,
				"release":  m.release,
				"pull":     m.pull,
				"pulled":   m.pulled,
				"lend":     m.lend,
				"lend to":  m.lendTo,
				"return":   m.takeBack,
				"apply":    m.apply,
				"withdraw": m.withdraw,
				"claim":    m.claim,
				"end":      m.end,
				"leave":    m.leave,
				"late":     m.lendLate,
				"too late": m.takeBackLate,
			})
			m.drain(t)
		})
	})
}

func newMachine(n, groups int) *machine {
	m := &machine{p: &slots{n: n}, applied: &group{}}
	for g := range groups {
		m.groups = append(m.groups, &group{})
		for i := range 3 {
			lock := newParkLock()
			c := &claimant{name: fmt.Sprintf("worker %d of group %d", i, g), s: &slot{lock: &lock, id: 1}, state: "none"}
			c.s.init(m.p, m.groups[g])
			m.workers = append(m.workers, c)
		}
	}
	return m
}

// acquire: a worker wants to run a chunk.
func (m *machine) acquire(t *rapid.T) {
	c := pick(t, m.workers, func(c *claimant) bool { return c.state == "none" || c.state == "idle" })
	c.state, c.done = "asking", make(chan struct{})
	m.async(func() bool { return c.s.acquire(c.done) }, func(got bool) {
		c.state = "over" // its call is: it never asks again
		if got {
			c.state = "running"
		}
	})
}

// giveUp: the call of a worker that waits is over.
func (m *machine) giveUp(t *rapid.T) {
	c := pick(t, m.workers, func(c *claimant) bool { return c.state == "asking" })
	close(c.done)
}

// giveUpAndRelease: a call is over at the moment that a slot becomes free, so
// that its worker may have been served.
func (m *machine) giveUpAndRelease(t *rapid.T) {
	c := pick(t, m.workers, func(c *claimant) bool { return c.state == "asking" })
	owner := pick(t, m.workers, idleOrBusy)
	close(c.done)
	owner.s.release()
	owner.state = "none"
}

func idleOrBusy(c *claimant) bool { return c.state == "running" && !c.lent() }

// yield: a worker has run its chunk, and goes on to the next.
func (m *machine) yield(t *rapid.T) {
	c := pick(t, m.workers, idleOrBusy)
	c.s.yield()
	if c.s.state.Load() == slotNone {
		c.state = "none"
	}
}

// idle: a worker parks.
func (m *machine) idle(t *rapid.T) {
	c := pick(t, m.workers, idleOrBusy)
	c.s.idle()
	c.state = "idle"
}

// release: a worker has nothing more to do.
func (m *machine) release(t *rapid.T) {
	c := pick(t, m.workers, func(c *claimant) bool { return idleOrBusy(c) || c.state == "idle" })
	c.s.release()
	c.state = "none"
}

// pull: a worker is inside the source's Pull, where its slot may be taken.
func (m *machine) pull(t *rapid.T) {
	c := pick(t, m.workers, idleOrBusy)
	require.True(t, c.s.lock.tryLock(c.s.id))
	c.s.yield()
	c.state = "pulling"
}

// pulled: and comes out again, with or without its slot.
func (m *machine) pulled(t *rapid.T) {
	pick(t, m.workers, func(c *claimant) bool { return c.state == "pulling" }).leavePull()
}

func (c *claimant) leavePull() {
	c.s.lock.unlock()
	c.state = "running"
	if c.s.state.Load() == slotNone {
		c.state = "none"
	}
}

// runs: also while a goroutine of the task takes the slot back, another may begin to wait.
func runs(c *claimant) bool {
	return (c.state == "running" || c.state == "resuming") && len(c.backs) < 3
}

func (c *claimant) wait(back func()) {
	c.backs = append(c.backs, back)
	c.state = "running"
}

// lend: a goroutine of a task waits.
func (m *machine) lend(t *rapid.T) {
	c := pick(t, m.claimants(), runs)
	c.wait(c.s.Lend())
}

// lendTo: and for a certain call.
func (m *machine) lendTo(t *rapid.T) {
	c := pick(t, m.claimants(), runs)
	g := m.groups[rapid.IntRange(0, len(m.groups)-1).Draw(t, "group")]
	c.wait(c.s.lendTo(g))
}

// takeBack: a wait is over. That of the last goroutine that waits may itself have to wait.
func (m *machine) takeBack(t *rapid.T) {
	c := pick(t, m.claimants(), (*claimant).lent)
	m.giveBack(c, rapid.IntRange(0, len(c.backs)-1).Draw(t, "which loan"))
}

func (m *machine) giveBack(c *claimant, i int) {
	back := c.backs[i]
	c.backs = slices.Delete(c.backs, i, i+1)
	if c.state == "running" && !c.lent() {
		c.state = "resuming"
	}
	m.async(func() bool { back(); return true }, func(bool) {
		if c.state == "resuming" {
			c.state = "running"
		}
	})
}

// apply: a function gets in line.
func (m *machine) apply(t *rapid.T) {
	if len(m.applies) >= 20 {
		t.Skip("enough")
	}
	m.made++
	c := &claimant{name: fmt.Sprintf("apply %d", m.made), s: &slot{}, state: "asking"}
	c.s.init(m.p, m.applied)
	m.applies = append(m.applies, c)
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	m.p.enqueue(waiter{s: c.s, start: func() { c.state = "running" }})
}

// withdraw: its context ends before its turn.
func (m *machine) withdraw(t *rapid.T) {
	c := pick(t, m.applies, func(c *claimant) bool { return c.state == "asking" })
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	require.True(t, m.p.withdraw(c.s), "it was in line")
	require.False(t, m.p.withdraw(c.s), "it is no more")
	c.state = "over"
}

// claim: a task asks for the result of a function that may be in line.
func (m *machine) claim(t *rapid.T) {
	c := pick(t, m.claimants(), runs)
	a := pick(t, m.applies, func(*claimant) bool { return true })
	could := c.s.state.Load() == slotRunning && a.state == "asking"
	back := c.s.lendDirectly(a.s, func() { a.state = "running" })
	require.Equal(t, could, back != nil)
	if could {
		c.wait(back)
		synctest.Wait()
		require.Equal(t, "running", a.state, "it runs at once")
	}
}

// leave: a worker's function returns, although goroutines of it wait.
func (m *machine) leave(t *rapid.T) {
	c := pick(t, m.workers, func(c *claimant) bool { return c.state == "running" && c.lent() })
	c.leave()
	c.s.yield()
	c.state = "none"
}

func (c *claimant) leave() {
	c.late = append(c.late, c.backs...)
	c.backs = nil
}

// lendLate: a goroutine that outlived its task waits with its context.
func (m *machine) lendLate(t *rapid.T) {
	c := pick(t, m.claimants(), func(c *claimant) bool { return c.state != "running" && c.state != "resuming" && len(c.late) < 3 })
	c.late = append(c.late, c.s.Lend())
	if c.state == "idle" && c.s.state.Load() == slotNone {
		c.state = "none"
	}
}

// takeBackLate: and has waited. It must not block for ever, nor take anything
// from a task that runs.
func (m *machine) takeBackLate(t *rapid.T) {
	m.giveBackLate(pick(t, m.claimants(), func(c *claimant) bool { return len(c.late) > 0 }))
}

func (m *machine) giveBackLate(c *claimant) {
	back := c.late[0]
	c.late = c.late[1:]
	m.async(func() bool { back(); return true }, func(bool) {})
}

// end: a function returns, even if it has left goroutines that wait.
func (m *machine) end(t *rapid.T) {
	c := pick(t, m.applies, func(c *claimant) bool { return c.state == "running" })
	m.finish(c)
}

func (m *machine) finish(c *claimant) {
	c.s.release()
	c.leave()
	c.state = "over"
}

// drain ends everything, which must be possible from every state.
func (m *machine) drain(t *rapid.T) {
	for range 1000 {
		m.check(t)
		busy := false
		for _, c := range m.claimants() {
			switch {
			case c.state == "pulling":
				c.leavePull()
			case c.lent():
				m.giveBack(c, 0)
			case len(c.late) > 0:
				m.giveBackLate(c)
			case c.state == "running" && strings.HasPrefix(c.name, "apply"):
				m.finish(c)
			case c.s.state.Load() != slotNone:
				c.s.release()
				c.state = "none"
			case c.state == "asking" || c.state == "resuming":
				busy = true
				continue
			default:
				continue
			}
			busy = true
			break // one at a time
		}
		if !busy {
			require.Zero(t, m.asking)
			require.Empty(t, m.p.owners)
			require.Zero(t, m.p.waiters.Load())
			return
		}
	}
	require.Fail(t, "somebody never gets a slot")
}

// stop lets go of goroutines that a failed check has left.
func (m *machine) stop() {
	m.p.mu.Lock()
	m.p.n = 1 << 20
	m.p.dispatch(nil)
	m.p.mu.Unlock()
}

// ---- turns

// served lets one owner after the other give its slot up, and returns the
// names of those who got it.
type turnTest struct {
	p     *slots
	order []string
}

func (tt *turnTest) add(name string, g *group) *slot {
	s := &slot{}
	s.init(tt.p, g)
	tt.p.mu.Lock()
	defer tt.p.mu.Unlock()
	tt.p.enqueue(waiter{s: s, start: func() {
		tt.order = append(tt.order, name)
		s.release()
	}})
	return s
}

func TestSlotsGroupsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tt := &turnTest{p: &slots{n: 1}}
		var holder slot
		holder.init(tt.p, &group{})
		require.True(t, holder.acquire(nil))
		a, b, c := &group{}, &group{}, &group{}
		for i := range 4 {
			tt.add(fmt.Sprint("a", i), a)
		}
		tt.add("b0", b)
		gone := tt.add("gone", b)
		tt.add("b1", b)
		tt.add("c0", c)
		tt.p.mu.Lock()
		assert.True(t, tt.p.withdraw(gone))
		tt.p.mu.Unlock()
		holder.release()
		synctest.Wait()
		assert.Equal(t, []string{"a0", "b0", "c0", "a1", "b1", "a2", "a3"}, tt.order)
		requireSound(t, tt.p)
	})
}

// A worker whose call comes back for its next chunk a moment after it gave up
// the slot has its turn before those who had theirs meanwhile.
func TestSlotsTurnsCountWhoComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slots{n: 1}
		applies, calls := &group{}, []*group{{}, {}}
		var order []string
		turn := make(chan struct{})
		for range 30 { // always in line
			s := &slot{}
			s.init(p, applies)
			p.mu.Lock()
			p.enqueue(waiter{s: s, start: func() {
				<-turn
				order = append(order, "apply")
				s.release()
			}})
			p.mu.Unlock()
		}
		for c, g := range calls { // in line again when the next one runs already
			var s slot
			s.init(p, g)
			go func() {
				for range 10 {
					s.acquire(nil)
					<-turn
					order = append(order, fmt.Sprint("call ", c))
					s.release()
					time.Sleep(time.Microsecond)
				}
			}()
		}
		for range 50 {
			time.Sleep(time.Millisecond)
			turn <- struct{}{}
		}
		synctest.Wait()
		for i := range 10 {
			slices.Sort(order[3*i : 3*i+3]) // one round
		}
		assert.Equal(t, slices.Repeat([]string{"apply", "call 0", "call 1"}, 10), order[:30])
		requireSound(t, p)
	})
}

// A task that resumes comes first, then the group that a loan is for, then
// whoever's turn it is; and a group that was preferred has still one turn.
func TestSlotsPreferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tt := &turnTest{p: &slots{n: 1}}
		var task slot
		task.init(tt.p, &group{})
		require.True(t, task.acquire(nil))
		a, b := &group{}, &group{}
		for round := range 50 {
			if round == 0 {
				tt.add("a", a)
			}
			tt.order = nil
			keep := &slot{}
			keep.init(tt.p, b)
			go func() {
				if keep.acquire(nil) {
					tt.order = append(tt.order, "b")
				}
			}()
			synctest.Wait()
			back := task.lendTo(b)
			synctest.Wait()
			require.Equal(t, []string{"b"}, tt.order, "the preferred group")
			resumed := false
			go func() {
				back()
				resumed = true
			}()
			synctest.Wait()
			require.False(t, resumed)
			keep.release()
			synctest.Wait()
			require.True(t, resumed, "a task that resumes comes first")
			require.Equal(t, []string{"b"}, tt.order)
			require.LessOrEqual(t, len(tt.p.turns), 2, "one turn a group")
		}
		task.release()
		synctest.Wait()
		assert.Equal(t, []string{"b", "a"}, tt.order)
		requireSound(t, tt.p)
	})
}

// What the preferred group of another pool's slots has in line is none of ours.
func TestSlotsOfOtherPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := New(1), New(1)
		var onP, onQ slot
		onP.init(&p.slots, &group{})
		onQ.init(&q.slots, &group{})
		require.True(t, onP.acquire(nil))
		require.True(t, onQ.acquire(nil))
		var order []string
		wait := func(name string, of *slots, g *group) {
			s := &slot{}
			s.init(of, g)
			of.mu.Lock()
			defer of.mu.Unlock()
			of.enqueue(waiter{s: s, start: func() {
				order = append(order, name)
				s.release()
			}})
		}
		call := &group{}
		wait("on p", &p.slots, &group{})
		wait("on q", &q.slots, call)
		ctx := &taskContext{Context: t.Context(), of: &p.slots, slot: &onP}
		back := lend(ctx, q, call)
		synctest.Wait()
		assert.Equal(t, []string{"on p"}, order)
		back()
		requireSound(t, &p.slots)
		requireSound(t, &q.slots)
		onQ.release()
		synctest.Wait()
		assert.Equal(t, []string{"on p", "on q"}, order)
		foreign := &slot{}
		foreign.init(&q.slots, call)
		assert.Nil(t, onP.lendDirectly(foreign, func() { t.Error("it is in no line here") }))
		onP.release()
	})
}

// A task whose context is used after its end takes nothing.
func TestSlotsLateReturn(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("acquired again %t", again), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &slots{n: 1}
				lock := newParkLock()
				s := &slot{lock: &lock, id: 1}
				s.init(p, &group{})
				require.True(t, s.acquire(nil))
				first, second := s.Lend(), s.Lend()
				if again { // the worker's next chunk
					require.True(t, s.acquire(nil))
					first()
					requireSound(t, p)
					third := s.Lend()
					second()
					assert.Equal(t, int32(slotNone), s.state.Load(), "an old loan ends no new one")
					third()
					assert.Equal(t, int32(slotRunning), s.state.Load())
				} else {
					s.release()
					first()
					second()
					assert.Equal(t, int32(slotNone), s.state.Load())
				}
				requireSound(t, p)
				s.release()
				requireSound(t, p)
				assert.Empty(t, p.owners)
			})
		})
	}
}

// When the pool was terminated nothing in line begins, but a task that waited
// goes on, and who is in line can leave it.
func TestSlotsThatAreShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slots{n: 1}
		var task slot
		task.init(p, &group{})
		require.True(t, task.acquire(nil))
		never := func() { t.Error("it began") }
		inLine, claimed := &slot{}, &slot{}
		for _, s := range []*slot{inLine, claimed} {
			s.init(p, &group{})
			p.mu.Lock()
			p.enqueue(waiter{s: s, start: never})
			p.mu.Unlock()
		}
		p.shut()
		back := task.Lend()
		synctest.Wait()
		back()
		assert.Equal(t, int32(slotRunning), task.state.Load(), "the task goes on")
		assert.Nil(t, task.lendDirectly(claimed, never))
		done := make(chan struct{})
		gaveUp := make(chan bool)
		go func() {
			var s slot
			s.init(p, &group{})
			gaveUp <- !s.acquire(done)
		}()
		synctest.Wait()
		task.release()
		synctest.Wait()
		close(done)
		assert.True(t, <-gaveUp)
		p.mu.Lock()
		assert.True(t, p.withdraw(inLine))
		assert.True(t, p.withdraw(claimed))
		p.mu.Unlock()
		requireSound(t, p)
		assert.Empty(t, p.owners)
	})
}
