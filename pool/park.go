package pool

import (
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/backpressure"
	"github.com/penstock-go/penstock/internal/plan"
)

// shared is what the parts of a chunk have in common that was split between
// workers: the job goes out when the last part is done.
type shared[A, B any] struct {
	first *job[A, B]
	parts atomic.Int32
}

// attend is called between two items when something wants attention. It reports
// whether the kernel must return to the driver: the call is over, or the part's
// end moved because its tail was given away.
func (w *worker[A, B]) attend(next int) (yield bool) {
	c := w.c
	a := c.attention.Load()
	if a&stopRunning != 0 || w.cancel != nil && w.ctx.Err() != nil {
		return true
	}
	if a < idleWorker || !c.sizer.auto || w.kernel.whole || next >= w.end {
		return false
	}
	// Somebody has been idle for a while. A chunk that has just begun is most
	// likely a quick one, so give a share only of one that has run as long.
	now := time.Now()
	if w.watched.IsZero() {
		w.watched = now
		if !w.timed || now.Sub(w.since) < idleAfter {
			return false
		}
	} else if now.Sub(w.watched) < idleAfter {
		return false
	}
	if !w.give(next) {
		w.watched = now // or each item would be looked at until somebody takes a share
		return false
	}
	return true
}

// shares reports whether workers share a long chunk.
func (c *call[A, B]) shares() bool { return c.sizer.auto && c.router == nil }

// give hands the tail of the part to an idle worker: half of what is left.
func (w *worker[A, B]) give(next int) bool {
	c := w.c
	if c.pool.slots.waiters.Load() > 0 {
		return false // there is no free slot for another worker
	}
	mid := next + (w.end-next)/2
	tail := task[A, B]{
		root: w.root, chunk: w.chunk, items: w.items, begin: mid, end: w.end,
		job: &job[A, B]{ticket: w.job.ticket, base: w.job.base, n: w.job.n, next: w.job.next},
	}
	// What stands behind the chunk's last item goes with the last part.
	tail.job.out.Tokens, tail.job.fatal = w.job.out.Tokens, w.job.fatal
	tail.job.out.Partial = w.job.out.Partial
	if tail.root == nil {
		tail.job.out.Tokens = slices.Clone(w.in.Tokens)
		tail.job.out.Partial = w.in.Partial
		tail.root = &shared[A, B]{first: w.job}
		tail.root.parts.Store(1)
	}
	split := w.errs
	for split < len(w.errors) && w.errors[split].Before < mid {
		split++
	}
	tail.errors = w.errors[split:]
	tail.root.parts.Add(1)
	c.active.Add(1)
	select {
	case c.share <- tail:
	default: // nobody is idle any more
		c.active.Add(-1)
		tail.root.parts.Add(-1)
		return false
	}
	w.job.next = tail.job
	w.job.out.Tokens, w.job.fatal = nil, nil
	w.job.out.Partial = true
	w.job.out.Block = nil // the parts' items may all be views of it
	w.root = tail.root
	w.errors = w.errors[:split]
	w.end = mid
	w.watched = time.Time{}
	return true
}

// accept makes another worker's tail this worker's task. The giver counted the
// worker as active.
func (w *worker[A, B]) accept(t task[A, B]) {
	w.task = t
	w.timed = false
}

// awaitCredit waits in line for c's budget. It reports false if the worker got
// a task instead, or none because the call ended.
func (w *worker[A, B]) awaitCredit(cost backpressure.Cost) bool {
	c := w.c
	if c.gate.Reserve(&w.line, cost) {
		return true
	}
	w.probe.Await(plan.AwaitingCredit)
	defer w.probe.Await(plan.Idle)
	wait := &w.m.CreditWait
	if !c.ring.Waiting() {
		wait = &w.m.ConsumerWait
	}
	if w.park(w.line.Ready(), wait) {
		return true
	}
	c.gate.Cancel(&w.line)
	return false
}

// spins is how often a worker tries to get the pull lock of a source of blocks
// before it parks: taking a block is quick, and being woken takes longer than to
// split one.
const spins = 400

// awaitLock waits for the pull lock, and reports as awaitCredit does.
func (w *worker[A, B]) awaitLock() bool {
	if w.c.fill != nil {
		for range spins {
			if w.c.lock.tryLock(w.slot.id) {
				return true
			}
			runtime.Gosched()
		}
	}
	w.probe.Await(plan.AwaitingInput)
	defer w.probe.Await(plan.Idle)
	for !w.c.lock.contend(w.slot.id) {
		if !w.park(w.c.lock.turn, &w.m.PullWait) {
			return false
		}
	}
	return true
}

// park waits until ready delivers and reports true, or until the worker got a
// share of another's chunk or the call ended. A worker that is parked for long
// says so, so that the owner of a long chunk may share it.
func (w *worker[A, B]) park(ready <-chan struct{}, wait *time.Duration) bool {
	c := w.c
	w.slot.idle()
	begun := time.Now()
	defer func() { *wait += time.Since(begun) }()
	share := c.share
	if !c.shares() || w.kernel.whole {
		share = nil
	} else {
		if w.timer == nil {
			w.timer = time.NewTimer(idleAfter)
		} else {
			w.timer.Reset(idleAfter)
		}
		select {
		case <-ready:
			w.timer.Stop()
			return true
		case <-c.over:
			return false
		case <-w.timer.C:
		}
		c.attention.Add(idleWorker)
		defer c.attention.Add(^uint32(idleWorker - 1))
	}
	select {
	case <-ready:
		return true
	case t := <-share:
		w.accept(t)
		c.active.Add(-1) // it was counted already
		return false
	case <-c.over:
		return false
	}
}

// idleOut helps the other workers with their chunks when there is nothing more
// to pull, until all is done.
func (w *worker[A, B]) idleOut() {
	c := w.c
	w.slot.release()
	for {
		if c.active.Add(-1) == 0 {
			close(c.finished)
			return
		}
		if !c.shares() || w.kernel.whole {
			return
		}
		c.attention.Add(idleWorker)
		var got bool
		select {
		case t := <-c.share:
			w.accept(t)
			got = true
		case <-c.finished:
		case <-c.over:
		}
		c.attention.Add(^uint32(idleWorker - 1))
		if !got {
			return
		}
		w.drive()
		w.slot.release()
	}
}
