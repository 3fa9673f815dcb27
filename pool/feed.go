package pool

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/penstock-go/penstock/backpressure"
	"github.com/penstock-go/penstock/stage"
)

// maxKeyedChunk bounds the automatic chunk of a keyed call, and with it the ring:
// each of its items may leave by itself.
const maxKeyedChunk = 128

// keyedBudget is how many chunks may be in flight in a keyed call, and how many
// items the largest chunk has: every item may leave by itself, and takes a slot of
// the ring then.
func (c *call[A, B]) keyedBudget(largest int) (chunks, chunk int) {
	workers := c.pool.Workers()
	items := min(4*maxKeyedChunk*workers, maxWindow)
	if c.cfg.items > 0 {
		items = min(c.cfg.items, maxWindow)
	}
	if c.cfg.chunk == 0 {
		largest = min(largest, maxKeyedChunk)
	}
	c.itemCap = items
	return items + 4*workers, min(largest, items)
}

// portion is what a worker that pulls may sort into lanes, and has paid for.
type portion struct {
	cost       backpressure.Cost
	begin, end int // of the pulled chunk's items
}

// route is a worker's life in a keyed call.
func (w *worker[A, B]) route() {
	if w.pulling { // another goroutine of this worker ended while it pulled
		w.dispense()
	}
	for {
		if w.job != nil {
			w.drive()
		}
		switch w.c.router.next(w) {
		case toLeave:
			return
		case toRun:
		case toPull:
			if !w.feed() {
				return
			}
		case toRest:
			if !w.wait(w.wake, &w.m.PullWait) {
				return
			}
		}
	}
}

// wait parks until ready delivers and reports true, or false when the call is
// over.
func (w *worker[A, B]) wait(ready <-chan struct{}, waited *time.Duration) bool {
	w.slot.idle()
	begun := time.Now()
	defer func() { *waited += time.Since(begun) }()
	select {
	case <-ready:
		return true
	case <-w.c.over:
		return false
	}
}

// feed pulls a chunk, unless some of the last one is left, and sorts it into
// lanes. It reports false if the call is over.
func (w *worker[A, B]) feed() bool {
	c, r := w.c, w.c.router
	var cost backpressure.Cost
	for {
		n := r.share(int(c.sizer.size.Load()))
		if n <= 0 {
			if !w.wait(r.room, &w.m.CreditWait) {
				return false
			}
			continue
		}
		// Errors at the end of a chunk, and a chunk without items, leave by themselves.
		cost = backpressure.Cost{Chunks: n + 1, Items: n}
		if !c.gate.TryAcquire(cost) && !w.awaitCredit(cost) {
			return false
		}
		if c.cfg.bytes == 0 || !c.gate.InDebt() {
			break
		}
		c.gate.Release(cost)
		if !w.awaitCredit(backpressure.Cost{}) {
			return false
		}
	}
	w.pulling = c.lock.tryLock(w.slot.id) // it is free: one worker pulls at a time
	w.slot.yield()
	w.portion = portion{cost: cost}
	if r.origin == nil && r.ending == nil {
		if c.attention.Load()&stopPulling != 0 {
			r.ending = c.stopped()
		} else {
			w.pullInto()
		}
	}
	w.portion.begin, w.portion.end = r.at, min(len(r.in.Items), r.at+cost.Items)
	w.dispense()
	return true
}

// pullInto pulls the next chunk of the source.
func (w *worker[A, B]) pullInto() {
	c, r := w.c, w.c.router
	r.in.Reset()
	r.at, r.err = 0, 0
	limit := c.limit(w.portion.cost.Items)
	timed := c.sizer.timed(c.ticket, limit.Items)
	var begun time.Time
	if timed {
		begun = time.Now()
	}
	r.step = inPull
	err := c.src.Pull(c.pulls, &r.in, limit)
	if timed {
		// A slow pull shrinks the chunk; a quick one says nothing of the function.
		if took := time.Since(begun); took > chunkTime && c.sizer.observe(limit.Items, len(r.in.Items), took, 0) {
			c.resize()
		}
	}
	if err != nil && c.pulls.Err() != nil {
		err = c.cutShort(err)
	}
	r.ending = err
	r.arrived(c)
	r.step = notFeeding
}

// arrived takes note of the chunk that was pulled.
func (r *router[A, B]) arrived(c *call[A, B]) {
	n := len(r.in.Items)
	c.ticket++
	r.base = c.index
	c.index += int64(n)
	if r.in.Empty() {
		return
	}
	o := &origin{left: n, tokens: append([]stage.Token(nil), r.in.Tokens...), partial: r.in.Partial}
	if n == 0 || len(r.in.Errors) > 0 && r.in.Errors[len(r.in.Errors)-1].Before >= n {
		o.left++ // the result that has the errors behind the last item
	}
	r.origin = o
	r.sizes = r.sizes[:0]
	if c.cfg.bytes > 0 && n > 0 {
		if err := r.weigh(c); err != nil {
			r.ending = fmt.Errorf("%s: SizeOf: %w", c.name, err)
		}
	}
}

// weigh charges the bytes of a pulled chunk, to each item its own, or its part of
// the block.
func (r *router[A, B]) weigh(c *call[A, B]) error {
	n := len(r.in.Items)
	var err error
	switch {
	case r.in.Block != nil:
		part := int64(len(r.in.Block) / n)
		for range n {
			r.sizes = append(r.sizes, part)
		}
		r.sizes[0] += int64(len(r.in.Block)) - part*int64(n)
	case c.size.in != nil:
		for i := range n {
			var size int64
			if size, err = measure(c.size.in, r.in.Items[i:i+1]); err != nil {
				break
			}
			r.sizes = append(r.sizes, size)
		}
	}
	var sum int64
	for _, size := range r.sizes {
		sum += size
	}
	c.gate.Add(backpressure.Cost{Bytes: sum})
	if err == nil && sum > 0 {
		c.perItem.Store(max(1, sum/int64(n)))
	}
	return err
}

// dispense sorts the worker's portion into lanes and ends its turn at pulling.
func (w *worker[A, B]) dispense() {
	c, r, p := w.c, w.c.router, &w.portion
	for r.at < p.end {
		if err := r.sort(p.end); err != nil {
			w.refuse(err)
		}
	}
	used := backpressure.Cost{Chunks: r.at - p.begin, Items: r.at - p.begin}
	if r.origin != nil && r.at >= len(r.in.Items) {
		if r.err < len(r.in.Errors) || len(r.in.Items) == 0 {
			w.remainder()
			used.Chunks++
		}
		r.origin = nil
	}
	c.gate.Release(backpressure.Cost{Chunks: p.cost.Chunks - used.Chunks, Items: p.cost.Items - used.Items})
	over := r.ending != nil && r.origin == nil
	if over {
		c.ended, c.ending = true, r.ending
	} else {
		for more := max(1, used.Items); more > 0 && int(c.spawned.Load()) < c.pool.Workers(); more-- {
			c.spawn()
		}
	}
	w.pulling = false
	c.lock.unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pulling = false
	if over {
		r.ended = true
		for len(r.idle) > 0 {
			r.rouse()
		}
		r.settle()
	}
}

// sort puts items up to end into the lanes of their keys. Its error is a panic in
// the key function, or because of the key, of the item at r.at.
func (r *router[A, B]) sort(end int) (err error) {
	defer func() {
		if r.step != inKey {
			return
		}
		if v := recover(); v != nil {
			r.step = notFeeding
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	r.step = inKey
	for r.at < end {
		r.table.of(r.in.Items[r.at])
		r.admit()
	}
	r.step = notFeeding
	return nil
}

// refuse makes the next item, which has no key, a failed one.
func (w *worker[A, B]) refuse(err error) {
	c, r := w.c, w.c.router
	r.mu.Lock()
	e := r.entry()
	r.mu.Unlock()
	w.m.In++
	w.m.Failed++
	j := new(job[A, B])
	j.n = 1
	j.held = held{cost: backpressure.Cost{Chunks: 1, Items: 1, Bytes: e.bytes}, inBytes: e.bytes}
	j.out.Errors = append(j.out.Errors, e.errors...)
	j.out.Fail(&stage.ItemError{
		Stage: c.name, Index: e.index, Input: e.item, At: e.at, Err: fmt.Errorf("key: %w", err), Stack: stackOf(err),
	})
	for i, up := range j.out.Errors {
		here := *up
		here.Before = 0
		j.out.Errors[i] = &here
	}
	w.putAt(j, r.seal(j, []*entry[A]{e}))
}

// remainder hands on what stands behind the chunk's last item: errors, or the
// tokens of a chunk without items.
func (w *worker[A, B]) remainder() {
	r := w.c.router
	e := &entry[A]{from: r.origin, last: true}
	r.mu.Lock()
	r.number(e)
	r.mu.Unlock()
	j := new(job[A, B])
	j.held = held{cost: backpressure.Cost{Chunks: 1}}
	for ; r.err < len(r.in.Errors); r.err++ {
		here := *r.in.Errors[r.err]
		here.Before = 0
		j.out.Errors = append(j.out.Errors, &here)
	}
	w.putAt(j, r.seal(j, []*entry[A]{e}))
}

// stopFeeding mends what a Goexit left while the worker pulled; route goes on from
// there.
func (w *worker[A, B]) stopFeeding() {
	c, r := w.c, w.c.router
	if !w.pulling { // the rest is another worker's
		return
	}
	step := r.step
	r.step = notFeeding
	switch step {
	case notFeeding:
	case inKey:
		w.refuse(stage.ErrGoexit)
	case inPull:
		if r.origin == nil { // not in a size function
			r.in.Reset()
		}
		r.ending = fmt.Errorf("%s: source: %w", c.name, stage.ErrGoexit)
		w.portion.begin, w.portion.end = 0, min(len(r.in.Items), w.portion.cost.Items)
	}
}

// observeBatch takes the time of a batch, and reports whether the chunk size
// changed: as if a whole chunk had taken as long for each item.
func (c *call[A, B]) observeBatch(n int, run time.Duration) bool {
	size := int(c.sizer.size.Load())
	return c.sizer.adapt(size, size, true, 0, run/time.Duration(max(1, n))*time.Duration(size))
}
