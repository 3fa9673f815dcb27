package backpressure

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Cost is an amount of what a Gate budgets: chunks, items and bytes. As a
// limit, a field of 0 sets no bound. A gate counts up to 2^26-1 chunks, 2^36-1
// items and 2^63-1 bytes; limits above that mean that, costs above that panic.
type Cost struct {
	Chunks int
	Items  int
	Bytes  int64
}

// Stats are a gate's live figures.
type Stats struct {
	InUse   Cost          // admitted and not released
	Peak    Cost          // the most that was ever in use, field by field
	Waiters int           // requests in line
	Waited  time.Duration // time spent in line by requests that were admitted or gave up
}

// Chunks and items are packed into one word, so that a request that fits is
// one compare-and-swap: 36 bits of items, 26 of chunks, and a bit that says
// that somebody is in line.
const (
	itemBits  = 36
	chunkBits = 26
	maxItems  = 1<<itemBits - 1
	maxChunks = 1<<chunkBits - 1
	inLine    = 1 << 63
)

func pack(c Cost) uint64 { return uint64(c.Chunks)<<itemBits | uint64(c.Items) }

func items(s uint64) uint64  { return s & maxItems }
func chunks(s uint64) uint64 { return s >> itemBits & maxChunks }

// countable reports whether no field is negative or more than a gate counts.
func (c Cost) countable() bool {
	return uint64(c.Chunks) <= maxChunks && uint64(c.Items) <= maxItems && c.Bytes >= 0
}

// refuse panics because of the given argument, which says "Func: argument".
func refuse(argument string, c Cost) {
	is := func(field string, n int64) string {
		return fmt.Sprintf("penstock: backpressure.%s.%s is %d, want 0 or more", argument, field, n)
	}
	switch {
	case c.Chunks < 0:
		panic(is("Chunks", int64(c.Chunks)))
	case c.Items < 0:
		panic(is("Items", int64(c.Items)))
	case c.Bytes < 0:
		panic(is("Bytes", c.Bytes))
	default:
		panic(fmt.Sprintf("penstock: backpressure.%s is %+v, want at most %d chunks and %d items",
			argument, c, uint64(maxChunks), uint64(maxItems)))
	}
}

// Gate is a budget of work in flight, in chunks, items and bytes. A request is
// admitted when every part of it fits, otherwise it waits in line: first come,
// first served, so that a large request is not starved by small ones. A request
// that is larger than the whole budget is admitted alone, when nothing else is
// in use. All methods may be called concurrently.
//
// While there is room, and no limit on bytes, Acquire and Release are one
// atomic operation each.
type Gate struct {
	state atomic.Uint64 // packed chunks and items in use, and inLine
	_     [56]byte      // what follows changes rarely: keep it off state's cache line
	limit atomic.Uint64 // packed
	peak  atomic.Uint64 // packed
	_     [48]byte

	bytesLimit atomic.Int64
	bytes      atomic.Int64

	mu        sync.Mutex // never held while anything waits
	peakBytes int64
	head, end *Reservation // the line
	waiters   int
	waited    time.Duration
}

// New returns a gate with the given limits; a field of 0 sets no bound. New
// panics if a field is negative.
func New(limit Cost) *Gate {
	g := &Gate{}
	g.setLimit("New: limit", limit)
	return g
}

// SetLimit changes the budget. What is in use stays in use: after a cut,
// requests wait until enough was released. SetLimit panics if a field is
// negative.
func (g *Gate) SetLimit(limit Cost) { g.setLimit("Gate.SetLimit: limit", limit) }

func (g *Gate) setLimit(argument string, limit Cost) {
	if limit.Chunks < 0 || limit.Items < 0 || limit.Bytes < 0 {
		refuse(argument, limit)
	}
	l := uint64(maxChunks)<<itemBits | maxItems
	if limit.Chunks > 0 {
		l = min(uint64(limit.Chunks), maxChunks)<<itemBits | items(l)
	}
	if limit.Items > 0 {
		l = chunks(l)<<itemBits | min(uint64(limit.Items), maxItems)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit.Store(l)
	g.bytesLimit.Store(limit.Bytes)
	g.admit()
}

// Acquire takes c out of the budget, waiting in line until it fits. It returns
// the cause of ctx if ctx ends first; nothing is taken then. A request that
// fits at once is admitted even if ctx has ended. Only a request that waits
// allocates, see Reservation. Acquire panics if a field is negative.
func (g *Gate) Acquire(ctx context.Context, c Cost) error {
	if !c.countable() {
		refuse("Gate.Acquire: cost", c)
	}
	if g.tryAcquire(c) {
		return nil
	}
	var r Reservation
	if g.reserve(&r, c) {
		return nil
	}
	select {
	case <-r.Ready():
		return nil
	case <-ctx.Done():
		g.Cancel(&r)
		return context.Cause(ctx)
	}
}

// TryAcquire takes c out of the budget if it fits now and nobody is in line,
// and reports whether it did. It panics if a field is negative.
func (g *Gate) TryAcquire(c Cost) bool {
	if !c.countable() {
		refuse("Gate.TryAcquire: cost", c)
	}
	return g.tryAcquire(c)
}

func (g *Gate) tryAcquire(c Cost) bool {
	if c.Bytes > 0 || g.bytesLimit.Load() > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.head == nil && g.take(c)
	}
	add := pack(c)
	for {
		s := g.state.Load()
		if s&inLine != 0 || !g.fits(s, add) {
			return false
		}
		if g.state.CompareAndSwap(s, s+add) {
			g.note(s + add)
			return true
		}
	}
}

// fits reports whether add has room beside what s says is in use.
func (g *Gate) fits(s, add uint64) bool {
	l := g.limit.Load()
	s &^= inLine
	if s == 0 && g.bytes.Load() == 0 {
		return true // alone, however large
	}
	return items(s)+items(add) <= items(l) && chunks(s)+chunks(add) <= chunks(l)
}

// take admits c if it fits. It needs the lock, and ignores the line.
func (g *Gate) take(c Cost) bool {
	add := pack(c)
	for {
		s := g.state.Load()
		used, limit := g.bytes.Load(), g.bytesLimit.Load()
		if limit == 0 {
			limit = math.MaxInt64
		}
		if !g.fits(s, add) {
			return false
		}
		if c.Bytes > limit-used && (s&^inLine != 0 || used != 0) {
			return false
		}
		if g.state.CompareAndSwap(s, s+add) {
			g.note(s + add)
			g.peakBytes = max(g.peakBytes, g.bytes.Add(c.Bytes))
			return true
		}
	}
}

// note raises the peak to what s says is in use.
func (g *Gate) note(s uint64) {
	for {
		p := g.peak.Load()
		i, c := max(items(p), items(s)), max(chunks(p), chunks(s))
		if items(p) == i && chunks(p) == c {
			return
		}
		if g.peak.CompareAndSwap(p, c<<itemBits|i) {
			return
		}
	}
}

// Add takes c out of the budget without waiting, whether it fits or not: the
// excess is debt, and requests wait until it is paid back. It is for costs that
// are known only after the fact, such as the size of a result. Add panics if a
// field is negative, or if more would be in use than a gate counts.
func (g *Gate) Add(c Cost) {
	if !c.countable() {
		refuse("Gate.Add: cost", c)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.Bytes > math.MaxInt64-g.bytes.Load() {
		panic("penstock: backpressure.Gate.Add: cost.Bytes is more than can be counted beside what is in use")
	}
	for add := pack(c); add != 0; {
		s := g.state.Load()
		if items(s)+items(add) > maxItems || chunks(s)+chunks(add) > maxChunks {
			panic("penstock: backpressure.Gate.Add: cost is more than can be counted beside what is in use")
		}
		if g.state.CompareAndSwap(s, s+add) {
			g.note(s + add)
			break
		}
	}
	if c.Bytes > 0 {
		g.peakBytes = max(g.peakBytes, g.bytes.Add(c.Bytes))
	}
}

// HalfUsed reports whether half of the budget of chunks or items is in use, or
// more.
func (g *Gate) HalfUsed() bool {
	s, l := g.state.Load(), g.limit.Load()
	return 2*items(s) >= items(l) || 2*chunks(s) >= chunks(l)
}

// InDebt reports whether more bytes are in use than the limit allows.
func (g *Gate) InDebt() bool {
	limit := g.bytesLimit.Load()
	return limit > 0 && g.bytes.Load() > limit
}

// Release gives c back and admits who is next in line. It never waits. Release
// panics if a field is negative or more than is in use; nothing is given back
// then.
func (g *Gate) Release(c Cost) {
	if !c.countable() {
		refuse("Gate.Release: cost", c)
	}
	if c.Bytes > 0 && g.bytes.Add(-c.Bytes) < 0 {
		g.bytes.Add(c.Bytes)
		panic("penstock: backpressure.Gate.Release: cost.Bytes is more than is in use")
	}
	sub := pack(c)
	s := g.state.Add(-sub)
	if was := s + sub; items(was) < items(sub) || chunks(was) < chunks(sub) {
		g.state.Add(sub)
		g.bytes.Add(c.Bytes)
		panic("penstock: backpressure.Gate.Release: cost is more than is in use")
	}
	if s&inLine != 0 {
		g.mu.Lock()
		g.admit()
		g.mu.Unlock()
	}
}

// Stats returns the live figures. Fields are read one after another, so that
// under load they may be a moment apart.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.state.Load()
	g.note(s) // who was just admitted may not have come to it
	p := g.peak.Load()
	waited := g.waited
	for r := g.head; r != nil; r = r.next {
		waited += time.Since(r.since)
	}
	return Stats{
		InUse:   Cost{Chunks: int(chunks(s)), Items: int(items(s)), Bytes: g.bytes.Load()},
		Peak:    Cost{Chunks: int(chunks(p)), Items: int(items(p)), Bytes: g.peakBytes},
		Waiters: g.waiters,
		Waited:  waited,
	}
}

// Reservation is a place in a gate's line. The zero value is ready for use. It
// may be used again, with the same gate or another one, which saves Acquire's
// allocations: after Reserve reported true, after its value was received from
// Ready, or after Cancel. It must not be copied while it is in line.
type Reservation struct {
	ready      chan struct{}
	cost       Cost
	since      time.Time
	prev, next *Reservation
	queued     bool
}

// Ready returns the channel that delivers one value when the reservation is
// admitted. It is nil before the first Reserve that reported false.
func (r *Reservation) Ready() <-chan struct{} { return r.ready }

// Reserve asks for c like Acquire, but does not wait: it reports true if c was
// taken at once; otherwise r is in line, and the caller receives from r.Ready
// or calls Cancel. Reserve panics if a field is negative or r is in use.
func (g *Gate) Reserve(r *Reservation, c Cost) bool {
	if !c.countable() {
		refuse("Gate.Reserve: cost", c)
	}
	return g.reserve(r, c)
}

func (g *Gate) reserve(r *Reservation, c Cost) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.queued || len(r.ready) > 0 {
		panic("penstock: backpressure.Gate.Reserve: r is in line, or was admitted and neither received nor cancelled")
	}
	if g.head == nil {
		if g.take(c) {
			return true
		}
		// Say first that somebody is in line, then look again: a Release in
		// between sees it.
		g.state.Or(inLine)
		if g.take(c) {
			g.state.And(^uint64(inLine))
			return true
		}
	}
	if r.ready == nil {
		r.ready = make(chan struct{}, 1)
	}
	r.cost, r.since, r.queued = c, time.Now(), true
	r.prev, r.next = g.end, nil
	if g.end != nil {
		g.end.next = r
	} else {
		g.head = r
	}
	g.end = r
	g.waiters++
	return false
}

// Cancel ends a reservation: it leaves the line, or gives back what it was
// admitted for if that had not been received from Ready. Otherwise it does
// nothing.
func (g *Gate) Cancel(r *Reservation) {
	g.mu.Lock()
	if r.queued {
		g.unlink(r)
		g.admit() // it may have been in the way of a smaller one
		g.mu.Unlock()
		return
	}
	g.mu.Unlock()
	select {
	case <-r.ready:
		g.Release(r.cost)
	default:
	}
}

// admit serves the line from its head as long as requests fit. It needs the
// lock.
func (g *Gate) admit() {
	for r := g.head; r != nil && g.take(r.cost); r = g.head {
		g.unlink(r)
		r.ready <- struct{}{} // has room: a reservation is admitted once
	}
	if g.head == nil {
		g.state.And(^uint64(inLine))
	}
}

// unlink takes r out of the line. It needs the lock.
func (g *Gate) unlink(r *Reservation) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		g.head = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		g.end = r.prev
	}
	r.prev, r.next, r.queued = nil, nil, false
	g.waiters--
	g.waited += time.Since(r.since)
}
