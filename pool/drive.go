package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/penstock-go/penstock/backpressure"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// drive runs the worker's task, or goes on with it, and publishes it when it
// is complete.
func (w *worker[A, B]) drive() {
	if !w.running {
		if !w.prepare() {
			return
		}
	}
	c, j := w.c, w.job
	n := j.n // the job is the consumer's once it is published
	for {
		for w.errs < len(w.errors) && w.errors[w.errs].Before <= w.pos {
			e := *w.errors[w.errs]
			j.out.Fail(&e)
			w.errs++
			if c.spec.eager { // an item that failed upstream fails the call as well
				c.failAt(place{j.ticket, w.pos}, w.errors[w.errs-1], false)
				w.m.Abandoned += int64(w.end - w.pos)
				w.end, w.errs = w.pos, len(w.errors)
			}
		}
		if w.pos >= w.end {
			break
		}
		w.stop = w.end
		if w.errs < len(w.errors) {
			w.stop = min(w.stop, w.errors[w.errs].Before)
		}
		if w.probe != nil {
			w.note()
		}
		err := w.call()
		w.probe.Done()
		if err != nil && !w.failed(err) {
			w.m.Abandoned += int64(w.end - w.pos)
			break
		}
	}
	w.running = false
	if w.root == nil { // nobody asks any more where an item came from
		j.out.Tokens, w.in.Tokens = w.in.Tokens, j.out.Tokens
		j.out.Partial = w.in.Partial
		w.recycle()
	}
	w.publish()
	w.slot.yield()
	if w.timed {
		w.timed = false
		run := time.Since(w.since)
		var changed bool
		switch {
		case c.router != nil:
			changed = c.observeBatch(n, run)
		case c.fill != nil:
			changed = c.sizer.observeBlock(w.asked, n, run)
		default:
			changed = c.sizer.observe(w.asked, n, w.pullTime, run)
		}
		if changed {
			c.resize()
		}
	}
}

// note says which item the kernel is called for. It is called for one at a time
// then, unless it takes the chunk as a whole.
func (w *worker[A, B]) note() {
	if !w.kernel.whole {
		w.stop = min(w.stop, w.pos+1)
	}
	at := w.chunk.Locate(w.pos)
	index := int64(-1) // of a block's items only the order will tell
	if w.c.fill == nil {
		index = w.job.base + int64(w.pos)
	}
	w.probe.Begin(plan.Running, plan.Place{
		Index: index, Key: at.Key, Part: at.Part, Offset: at.Offset, Record: at.Record,
	})
}

// errPartial ends a call whose results cannot be told to be all there.
var errPartial = errors.New("penstock: pool: unordered behind a stage that makes many items of one, pairs or batches, or another pool: " +
	"a checkpoint cannot tell which of its source's items are done; keep the order")

// prepare takes a slot and fills the chunk that was pulled, unless the task was
// shared by another worker. It reports false if the call ended.
func (w *worker[A, B]) prepare() bool {
	c, j := w.c, w.job
	w.probe.Await(plan.AwaitingSlot)
	if !w.slot.acquire(c.over) || c.attention.Load()&stopRunning != 0 {
		if w.root == nil {
			if c.router == nil { // which counts what is left
				w.m.In += int64(len(w.in.Items))
				w.m.Abandoned += int64(len(w.in.Items))
			}
			w.job = nil
			return false
		}
		w.m.Abandoned += int64(w.end - w.begin)
		j.fatal = context.Cause(c.ctx) // the other parts go out without this one
		w.publish()
		return false
	}
	if w.timed {
		w.since = time.Now()
	}
	w.load()
	return true
}

// load makes the chunk that was pulled the worker's task, unless it has one, and
// begins with it.
func (w *worker[A, B]) load() {
	c, j := w.c, w.job
	w.running = true
	w.watched = time.Time{}
	if w.root == nil {
		// A block behind an eager call's failure is not filled any more.
		if c.fill != nil && (!c.spec.eager || c.watch(w, place{j.ticket, 0})) {
			w.fill()
		}
		n := len(w.in.Items)
		w.chunk, w.items, w.errors = w.in, w.in.Items, w.in.Errors
		w.begin, w.end, w.errs = 0, n, 0
		w.m.In += int64(n)
		w.m.ChunksIn++
		if c.whole && w.in.Partial {
			w.die(n, errPartial)
		}
		if w.in.Block != nil {
			j.out.Block, w.in.Block = w.in.Block, nil
		}
	}
	w.pos, w.mark = w.begin, -1
	if c.spec.eager && !c.watch(w, place{j.ticket, w.pos}) {
		w.m.Abandoned += int64(w.end - w.pos)
		w.pos, w.errs = w.end, len(w.errors)
	}
}

// recycle gives the block of a chunk whose items were let go back to the source.
// A failure may refer to its item, and so keeps the block.
func (w *worker[A, B]) recycle() {
	if out := &w.job.out; w.kernel.lets && w.c.reuse != nil && out.Block != nil && len(out.Errors) == 0 && w.pos >= w.end {
		w.c.reuse(out.Block)
		out.Block = nil
	}
}

// fill turns the block that was pulled into items.
func (w *worker[A, B]) fill() {
	bytes := int64(len(w.in.Block))
	w.filling = true
	w.probe.Begin(plan.Running, plan.Place{Index: -1})
	err := w.c.fill(w.ctx, w.in)
	w.probe.Done()
	n := len(w.in.Items)
	if n > 0 && bytes > 0 {
		w.c.perItem.Store(max(1, bytes/int64(n)))
	}
	w.filled(n, err)
}

// filled accounts for the items of a block, which are known only now.
func (w *worker[A, B]) filled(n int, err error) {
	c, j := w.c, w.job
	w.filling = false
	if more := n - j.held.cost.Items; more > 0 {
		c.gate.Add(backpressure.Cost{Items: more})
	} else if more < 0 {
		c.gate.Release(backpressure.Cost{Items: -more})
	}
	j.held.cost.Items, j.n = n, n
	c.mu.Lock()
	c.counts.set(j.ticket, n)
	c.mu.Unlock()
	if err != nil {
		w.die(n, reason(c.ctx, err))
	}
}

// die ends the call before the given item of the worker's job.
func (w *worker[A, B]) die(item int, err error) {
	if w.c.spec.eager {
		w.c.failAt(place{w.job.ticket, item}, err, false)
		return
	}
	w.job.fatal = err
	w.c.stopPulling(nil)
}

// dieBehind ends the call behind a whole job.
func (c *call[A, B]) dieBehind(j *job[A, B], err error) {
	if c.spec.eager {
		c.failAt(place{j.ticket, j.n}, err, false)
		return
	}
	last := j
	for last.next != nil {
		last = last.next
	}
	if last.fatal == nil {
		last.fatal = err
	}
	c.stopPulling(nil)
}

// call runs the kernel until it returns, and turns a panic into an error. One
// deferred call per run of items: not one per item.
func (w *worker[A, B]) call() (err error) {
	j := w.job
	w.from, w.first = len(j.out.Items), w.pos
	if w.kernel.exact {
		j.out.Items = room(j.out.Items, w.stop-w.pos)
	}
	returned := false
	defer func() {
		if !returned {
			v := recover()
			if v == nil {
				w.trim()
				err = stage.ErrGoexit
				if w.guards {
					w.guards, err = false, fatalError{err}
				}
				if !w.failed(err) { // this goroutine ends; run starts another
					w.m.Abandoned += int64(w.end - w.pos)
					w.end, w.errs = w.pos, len(w.errors)
				}
				return
			}
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
		w.trim()
	}()
	err = w.kernel.run(w)
	returned = true
	return err
}

// trim cuts the output to what was written.
func (w *worker[A, B]) trim() {
	if w.kernel.exact {
		w.job.out.Items = w.job.out.Items[:w.from+w.pos-w.first]
	}
}

// failed deals with what ended a run of items at w.pos and moves on behind it.
// It reports false if the rest of the part must not run.
func (w *worker[A, B]) failed(err error) bool {
	c, j := w.c, w.job
	if w.mark >= 0 { // drop what the item emitted before it failed
		clear(j.out.Items[w.mark:])
		j.out.Items = j.out.Items[:w.mark]
	}
	if err == errYield && c.attention.Load()&stopRunning == 0 && w.ctx.Err() == nil {
		return true
	}
	if w.ctx.Err() != nil { // ended with its context
		if c.ctx.Err() != nil { // not only what lies behind a failure: what follows is missing
			j.fatal = context.Cause(c.ctx)
		}
		return false
	}
	if err == errYield {
		return true
	}
	if fatal, ok := err.(fatalError); ok { //nolint:errorlint // kernels return it bare
		w.die(w.pos, fatal.error)
		return false
	}
	if w.kernel.whole {
		for ; w.pos < w.stop; w.pos++ {
			w.fail(err)
		}
	} else {
		w.fail(err)
		w.pos++
	}
	return !c.spec.eager
}

// fail notes the failure of the item at w.pos.
func (w *worker[A, B]) fail(err error) {
	c, j := w.c, w.job
	e := &stage.ItemError{
		Stage: c.name, Index: j.base + int64(w.pos), Input: w.items[w.pos], Err: err,
		At: w.chunk.Locate(w.pos), Stack: stackOf(err),
	}
	if c.router != nil {
		e.Index, e.At = w.batch[w.pos].index, w.batch[w.pos].at
	}
	w.m.Failed++
	if c.fill != nil {
		e.Index = int64(w.pos) // the consumer adds the base, or settle does
		j.failed = append(j.failed, e)
	}
	if c.spec.eager {
		c.failAt(place{j.ticket, w.pos}, e, c.fill != nil)
	}
	j.out.Fail(e)
}

// stackOf is the stack of the panic that err tells of, if it does.
func stackOf(err error) (stack []byte) {
	defer func() { _ = recover() }() // err may be a nil pointer, whose methods panic
	if p, ok := errors.AsType[*stage.PanicError](err); ok {
		stack = p.Stack
	}
	return stack
}

// guarded calls f and turns a panic into an error. A Goexit leaves w.guards
// set.
func (w *worker[A, B]) guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			w.guards = false
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	w.guards = true
	err = f()
	w.guards = false
	return err
}

// publish puts the job into the ring, when its last part is done.
func (w *worker[A, B]) publish() {
	c, j := w.c, w.job
	w.job = nil
	if root := w.root; root != nil {
		w.root = nil
		if w.chunk == w.in { // other parts may still read it
			w.in = new(stage.Chunk[A])
		}
		w.chunk, w.items, w.errors = nil, nil, nil
		if root.parts.Add(-1) > 0 {
			return
		}
		j = root.first
	}
	if c.size.out != nil && c.cfg.bytes > 0 {
		defer w.put(j) // whatever the size function does
		c.reweigh(j)
		return
	}
	w.put(j)
}

// reweigh charges a job's outputs in place of its inputs. When the size function
// does not return, the call ends behind the job.
func (c *call[A, B]) reweigh(j *job[A, B]) {
	var bytes int64
	var n int
	err := stage.ErrGoexit
	defer func() {
		if err != nil {
			c.dieBehind(j, fmt.Errorf("%s: SizeOf: %w", c.name, err))
		}
	}()
	for p := j; p != nil; p = p.next {
		more, failed := measure(c.size.out, p.out.Items)
		if failed != nil {
			err = failed
			return
		}
		bytes += more
		n += len(p.out.Items)
	}
	err = nil
	if n > 0 {
		c.perItem.Store(max(1, max(bytes, j.held.inBytes)/int64(n)))
	}
	c.gate.Add(backpressure.Cost{Bytes: bytes})
	c.gate.Release(backpressure.Cost{Bytes: j.held.inBytes})
	j.held.cost.Bytes, j.held.inBytes = bytes, 0
}
