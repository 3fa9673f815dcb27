package pool

import (
	"context"
	"runtime/debug"

	"github.com/penstock-go/penstock/stage"
)

// single is what a worker needs to run chunks of one item the short way: pull,
// call, publish, with nothing else to look at. It is what most chunks are when the
// chunk size is fixed at 1; whatever is out of the ordinary goes the long way, by a
// job.
type single[A, B any] struct {
	fn     func(context.Context, A) (B, error)
	flying bool   // fn is running
	ticket uint64 // of its item
	index  int64
}

// singles runs chunks of one item for as long as nothing else wants attention. It
// leaves at once when there is no room for another chunk or the pull lock is
// taken: work goes on from there. It reports whether there is nothing more to pull.
func (w *worker[A, B]) singles() (done bool) {
	c, in := w.c, w.in
	defer w.land()
	for c.attention.Load() == 0 && w.slot.state.Load() == slotRunning && w.credit(alone) {
		if !c.lock.tryLock(w.slot.id) {
			w.purse, w.coin = w.purse+1, alone
			return false
		}
		if c.ended || int(c.spawned.Load()) != c.pool.Workers() || c.pool.slots.waiters.Load() > 0 {
			return !w.pull(alone)
		}
		w.asked, w.pulling = 1, true
		err := c.src.Pull(c.pulls, in, stage.Limit{Items: 1})
		if err != nil || len(in.Items) != 1 || len(in.Errors) > 0 || len(in.Tokens) > 1 || in.Partial || in.Block != nil {
			return !w.pulled(alone, err)
		}
		w.one.ticket, w.one.index = c.ticket, c.index
		c.ticket++
		c.index++
		w.pulling = false
		c.lock.unlock()
		if !w.slot.acquire(c.over) { // it may have been taken away while the lock was held
			w.board()
			return false
		}
		w.one.flying = true
		b, err := w.one.fn(w.ctx, in.Items[0])
		w.one.flying = false
		if err != nil {
			w.divert(err)
			return false
		}
		w.m.In++
		w.m.ChunksIn++
		w.putAlone(w.one.ticket, b)
		w.slot.yield()
	}
	return false
}

// land, deferred, deals with a panic or a Goexit of the function.
func (w *worker[A, B]) land() {
	if !w.one.flying {
		return
	}
	w.one.flying = false
	if v := recover(); v != nil {
		w.divert(&stage.PanicError{Value: v, Stack: debug.Stack()})
	} else {
		w.divert(stage.ErrGoexit) // run starts another goroutine, which goes on
	}
}

// board gives the item that was pulled a job.
func (w *worker[A, B]) board() {
	j := w.freeJob()
	j.held.cost = alone
	j.ticket, j.base, j.n = w.one.ticket, w.one.index, 1
	w.job = j
}

// divert gives the item, whose function failed, a job that is as far as that.
func (w *worker[A, B]) divert(err error) {
	w.board()
	w.timed = false
	w.load()
	if !w.failed(err) {
		w.m.Abandoned += int64(w.end - w.pos)
		w.end, w.errs = w.pos, len(w.errors)
	}
}
