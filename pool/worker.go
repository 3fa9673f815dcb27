package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/penstock-go/penstock/backpressure"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// idleAfter is how long a worker is parked before it asks for a share of a long
// chunk, and how long a chunk runs before its owner gives one.
const idleAfter = 100 * time.Microsecond

// phase is where a worker is in its life.
type phase uint8

const (
	working phase = iota // pulling and running chunks
	helping              // there is nothing more to pull
	closing
	closed
)

// worker is one goroutine of a call. Its fields survive the goroutine: when a
// function ends it with runtime.Goexit, another takes over.
type worker[A, B any] struct {
	task[A, B] // the part of a chunk that is being run: items[pos:end]
	keyed[A, B]

	c      *call[A, B]
	kernel kernel[A, B]
	one    single[A, B]
	slot   slot
	ctx    context.Context
	cancel context.CancelCauseFunc // of an eager call's worker
	m      plan.Meter
	probe  *plan.Task // where the item at hand is noted, if the run is watched
	line   backpressure.Reservation
	timer  *time.Timer

	in       *stage.Chunk[A] // pulled, and being run
	pulling  bool            // holds the pull lock
	spare    *job[A, B]      // to use for the next chunk
	purse    int             // credits taken ahead, each of
	coin     backpressure.Cost
	asked    int           // chunk size asked for
	pullTime time.Duration // how long the pull took, if it was timed
	since    time.Time     // when the pull ended, if it was timed
	timed    bool

	running bool
	filling bool
	guards  bool // runs a function without which the call cannot go on
	phase   phase
	pos     int
	stop    int // end, or the next place where an error from upstream stands
	from    int // length of the output when the kernel was called
	first   int // pos when the kernel was called
	mark    int // length of the output before the current item, or -1
	watched time.Time
}

// task is a part of a chunk, as it is shared between workers.
type task[A, B any] struct {
	root   *shared[A, B] // the parts' common fate, or nil if the chunk is whole
	job    *job[A, B]
	chunk  *stage.Chunk[A]
	items  []A
	begin  int
	end    int
	errors []*stage.ItemError // from upstream, from errs on
	errs   int
}

// spawn starts a worker. It needs the pull lock, or to be the first.
func (c *call[A, B]) spawn() {
	c.spawned.Add(1)
	c.ids++
	c.active.Add(1)
	w := &worker[A, B]{c: c, kernel: c.spec.kernel(), in: new(stage.Chunk[A])}
	w.slot.init(&c.pool.slots, c.group)
	w.slot.lock, w.slot.id = &c.lock, c.ids
	if c.router != nil {
		w.wake = make(chan struct{}, 1)
	}
	w.renew()
	w.probe = c.m.Probe.Task()
	if w.probe == nil && c.parcels && !c.sizer.auto && c.sizer.size.Load() == 1 {
		w.one.fn = w.kernel.one
	}
	w.run()
}

// renew gives the worker a context of its own, which in an eager call can be
// cancelled for what lies behind a failure.
func (w *worker[A, B]) renew() {
	parent := w.c.ctx
	if w.c.spec.eager {
		parent, w.cancel = context.WithCancelCause(parent)
	}
	w.ctx = &taskContext{Context: parent, of: &w.c.pool.slots, slot: &w.slot}
}

// run runs the worker in a goroutine of the call's group, and in another one if
// that is ended by runtime.Goexit.
func (w *worker[A, B]) run() {
	w.c.wg.Go(func() {
		ended := false
		defer func() {
			if v := recover(); v != nil { // in the engine
				w.c.cancel(&stage.PanicError{Value: v, Stack: debug.Stack()})
				w.close()
			} else if !ended && w.phase != closed {
				w.exited()
				w.run()
			}
		}()
		if w.job != nil {
			w.drive()
		}
		if w.phase == working {
			w.work()
			w.phase = helping
		}
		if w.phase == helping {
			w.idleOut()
			w.phase = closing
		}
		w.close()
		ended = true
	})
}

// exited mends what a Goexit in the source, or in a size function that a pull
// called, left.
func (w *worker[A, B]) exited() {
	err := fmt.Errorf("%s: source: %w", w.c.name, stage.ErrGoexit)
	switch {
	case w.c.router != nil:
		w.stopFeeding()
	case w.pulling:
		w.pulling = false
		w.c.end(err)
		w.c.lock.unlock()
	case w.filling:
		w.filled(0, err)
		w.chunk, w.items, w.errors = w.in, nil, nil
		w.begin, w.pos, w.end, w.errs = 0, 0, 0, 0
	}
}

// retire reports whether a worker is to leave because the pool has fewer than the
// call, and counts it out. One stays.
func (c *call[A, B]) retire() bool {
	for {
		n := c.spawned.Load()
		if int(n) <= max(1, c.pool.Workers()) {
			return false
		}
		if c.spawned.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// work is the worker's life: chunk after chunk until there are no more.
func (w *worker[A, B]) work() {
	c := w.c
	if c.router != nil {
		w.route()
		return
	}
	for {
		if c.retire() {
			w.refund()
			break
		}
		if w.one.fn != nil {
			done := w.singles()
			if w.job != nil {
				w.drive()
			}
			if done {
				break
			}
		}
		cost := backpressure.Cost{Chunks: 1, Items: int(c.sizer.size.Load())}
		if !w.credit(cost) && !w.awaitCredit(cost) {
			if w.job == nil {
				break
			}
			w.drive()
			continue
		}
		if !c.lock.tryLock(w.slot.id) && !w.awaitLock() {
			c.gate.Release(cost)
			if w.job == nil {
				break
			}
			w.drive()
			continue
		}
		if more := w.pull(cost); !more {
			break
		}
		if w.job != nil {
			w.drive()
		}
	}
}

// credit takes the credit for a chunk from the worker's purse, or else from the
// gate if there is room. Several at a time go into the purse while the budget is
// the default and so wide that nobody misses them: one atomic operation for all.
func (w *worker[A, B]) credit(cost backpressure.Cost) bool {
	c := w.c
	if w.purse > 0 && w.coin == cost {
		w.purse--
		return true
	}
	w.refund()
	if n := c.purse(cost.Items); n > 1 {
		if c.gate.TryAcquire(backpressure.Cost{Chunks: n, Items: n * cost.Items}) {
			w.purse, w.coin = n-1, cost
			return true
		}
	}
	return c.gate.TryAcquire(cost)
}

// refund gives the worker's purse back.
func (w *worker[A, B]) refund() {
	if w.purse > 0 {
		w.c.gate.Release(backpressure.Cost{Chunks: w.purse, Items: w.purse * w.coin.Items})
		w.purse = 0
	}
}

// purse is how many credits for chunks of size items may be moved at a time: all
// workers and the consumer together hold back less than half of the budget.
func (c *call[A, B]) purse(size int) int {
	if c.cfg.items > 0 || c.cfg.bytes > 0 {
		return 1 // the bound is exact, and so is what may be pulled
	}
	return minBudget / size / (4 * c.pool.Workers())
}

// pull takes the next chunk. It is called with the pull lock and gives it back.
// It reports false when there is nothing more to pull.
func (w *worker[A, B]) pull(cost backpressure.Cost) (more bool) {
	c := w.c
	w.pulling = true
	w.slot.yield()
	if !c.ended && c.attention.Load()&stopPulling != 0 {
		c.end(c.stopped())
	}
	if !c.ended && c.cfg.bytes > 0 && c.gate.InDebt() {
		// Somebody pulled since our credit came, and went into debt: only one
		// chunk may do so.
		w.pulling = false
		c.lock.unlock()
		c.gate.Release(cost)
		return w.awaitCredit(backpressure.Cost{}) || w.job != nil
	}
	if c.ended {
		w.pulling = false
		c.lock.unlock()
		c.gate.Release(cost)
		return false
	}
	limit := c.limit(cost.Items)
	w.asked = limit.Items
	w.timed = c.sizer.timed(c.ticket, cost.Items)
	if w.timed {
		w.since = time.Now()
	}
	err := c.src.Pull(c.pulls, w.in, limit)
	if w.timed {
		now := time.Now()
		w.pullTime, w.since = now.Sub(w.since), now
	}
	return w.pulled(cost, err)
}

// pulled takes what the source returned, gives it a ticket and unlocks, as pull
// does.
func (w *worker[A, B]) pulled(cost backpressure.Cost, err error) (more bool) {
	c := w.c
	n := len(w.in.Items)
	if err != nil && c.pulls.Err() != nil {
		err = c.cutShort(err)
	}
	if n > 0 || !w.in.Empty() || w.in.Block != nil {
		j := w.freeJob()
		j.held.cost = backpressure.Cost{Chunks: 1, Items: n}
		if c.fill != nil {
			j.held.cost.Items = cost.Items
		}
		j.ticket, j.base, j.n = c.ticket, c.index, n
		c.ticket++
		c.index += int64(n)
		w.job = j
		if c.cfg.bytes > 0 {
			if failed := w.weigh(j); failed != nil {
				err = failed
			}
		}
	}
	if err != nil {
		c.end(err)
	} else if int(c.spawned.Load()) < c.pool.Workers() {
		c.spawn()
	}
	w.pulling = false
	c.lock.unlock()
	if w.job == nil {
		c.gate.Release(cost)
		return err == nil
	}
	if surplus := cost.Items - w.job.held.cost.Items; surplus > 0 {
		c.gate.Release(backpressure.Cost{Items: surplus})
	} else if surplus < 0 { // a source that broke its limit
		c.gate.Add(backpressure.Cost{Items: -surplus})
	}
	return true
}

// freeJob returns a job to use for the next chunk.
func (w *worker[A, B]) freeJob() *job[A, B] {
	j := w.spare
	w.spare = nil
	if j == nil {
		j = new(job[A, B])
	}
	return j
}

// limit is what to ask the source for, given credit for n items.
func (c *call[A, B]) limit(n int) stage.Limit {
	if n > 1 && c.sizer.auto && c.sized != nil {
		if left, known := c.sized(); known {
			n = int(min(int64(n), max(1, left/int64(4*c.pool.Workers()))))
		}
	}
	limit := stage.Limit{Items: n}
	if per := c.perItem.Load(); per > 0 {
		if c.cfg.bytes > 0 { // keep a chunk well below the budget of bytes
			limit.Items = int(min(int64(n), max(1, c.cfg.bytes/(int64(2*c.pool.Workers())*per))))
		}
		if c.fill != nil && n >= blockSizing {
			limit.Bytes = min(maxChunkBytes, int64(n)*per)
		}
	}
	return limit
}

// cutShort is what the stream ends with when the source ended with err after it
// was told to stop: a failure of its own is told beside the reason.
func (c *call[A, B]) cutShort(err error) error {
	stopped := c.stopped()
	if err == io.EOF || errors.Is(err, c.pulls.Err()) || errors.Is(err, stopped) {
		return stopped
	}
	return errors.Join(stopped, err)
}

// stopped is why no more is pulled. It needs the pull lock.
func (c *call[A, B]) stopped() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return context.Cause(c.pulls)
}

// end ends the pulling. It needs the pull lock.
func (c *call[A, B]) end(err error) {
	if !c.ended {
		c.ended, c.ending = true, err
		c.ring.CloseAt(c.ticket)
	}
}

// weigh charges the bytes of a pulled chunk. Its error is a panic of the size
// function: the call ends behind the chunk.
func (w *worker[A, B]) weigh(j *job[A, B]) (err error) {
	c := w.c
	switch {
	case w.in.Block != nil:
		j.held.inBytes = int64(len(w.in.Block))
	case c.size.in != nil:
		if j.held.inBytes, err = measure(c.size.in, w.in.Items); err != nil {
			err = fmt.Errorf("%s: SizeOf: %w", c.name, err)
		} else if j.n > 0 {
			c.perItem.Store(max(1, j.held.inBytes/int64(j.n)))
		}
	}
	j.held.cost.Bytes = j.held.inBytes
	c.gate.Add(backpressure.Cost{Bytes: j.held.inBytes})
	return err
}

// measure adds up the sizes of items; a negative one counts nothing. Its error
// is a panic of the size function.
func measure[T any](size func(T) int, items []T) (bytes int64, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	for _, v := range items {
		bytes += int64(max(0, size(v)))
	}
	return bytes, nil
}

// close ends the worker's state and adds its figures to the call's.
func (w *worker[A, B]) close() {
	c := w.c
	w.phase = closed
	w.refund()
	w.slot.release()
	err := stage.ErrGoexit
	defer func() { // also when closing the state ends the goroutine
		if w.timer != nil {
			w.timer.Stop()
		}
		if w.cancel != nil {
			w.cancel(io.EOF)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watching, w)
		c.meters = append(c.meters, w.m)
		if err != nil {
			c.closing = append(c.closing, err)
		}
	}()
	if w.kernel.close == nil {
		err = nil
		return
	}
	err = w.guarded(w.kernel.close)
}
