package pool

import "fmt"

// place is a position in the order of the source: a chunk and an item of it.
type place struct {
	ticket uint64
	item   int
}

func (a place) before(b place) bool {
	return a.ticket < b.ticket || a.ticket == b.ticket && a.item < b.item
}

// failure is where an eager call failed.
type failure[A, B any] struct {
	at  place
	err error
	// relative: err is an *ItemError whose index counts from its chunk's first.
	relative bool
}

// failAt notes the failure of an eager call. What lies behind it is cancelled,
// what lies before it goes on: it may fail at a lower place.
func (c *call[A, B]) failAt(at place, err error, relative bool) {
	c.mu.Lock()
	if c.fail != nil && c.fail.at.before(at) {
		c.mu.Unlock()
		return
	}
	c.fail = &failure[A, B]{at: at, err: err, relative: relative}
	for w, running := range c.watching {
		if at.before(running) {
			w.cancel(fmt.Errorf("penstock: an item before this one failed: %w", err))
		}
	}
	c.mu.Unlock()
	c.stopPulling(nil)
}

// watch enters what a worker of an eager call is about to run, and reports
// whether that may run: whether nothing before it has failed.
func (c *call[A, B]) watch(w *worker[A, B], at place) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil && c.fail.at.before(at) {
		return false
	}
	if c.watching == nil {
		c.watching = map[*worker[A, B]]place{}
	}
	c.watching[w] = at
	if w.ctx.Err() != nil { // it was cancelled for what lay behind the failure; this lies before
		w.renew()
	}
	return true
}
