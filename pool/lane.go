package pool

import (
	"sync"

	"github.com/penstock-go/penstock/stage"
)

// lane is the queue of the items of a key, first come, first served. It is run by
// one worker at a time.
type lane[A, B any] struct {
	head, tail *entry[A]
	busy       bool // ready, or being run
	count      int  // items in flight, if the call bounds them per key
	next       *lane[A, B]
	self       any // the lane as its table knows it
}

// entry is an item in its lane.
type entry[A any] struct {
	item   A
	index  int64 // in the stream
	at     stage.Position
	bytes  int64
	seq    uint64 // in order: its place in the ring
	last   bool   // of its chunk
	from   *origin
	errors []*stage.ItemError // from upstream, that stand before it
	next   *entry[A]
}

// keyed is what a worker of a keyed call has besides.
type keyed[A, B any] struct {
	lane    *lane[A, B] // being run
	batch   []*entry[A] // the items of the task
	batches uint64      // so far
	wake    chan struct{}
	portion portion // to sort while it pulls
}

// origin is what the results of a pulled chunk have in common: its tokens leave
// with the last of them.
type origin struct {
	left    int // results that have not left
	tokens  []stage.Token
	partial bool
}

// router shares out the items of a keyed call. One worker at a time pulls and sorts
// them into lanes; the others, and that one too when it is through, run what is
// ready.
//
// A worker pulls, or parks, only when no lane is ready. Lanes become ready by being
// sorted into, and by being put back by a worker that takes another at once; and
// whoever takes one wakes another worker if more is to be done. So nobody is parked
// while a lane is ready that nobody is on the way to.
type router[A, B any] struct {
	table   table[A, B]
	closeAt func(n uint64) // ends the ring
	perKey  int            // most items in flight of a key; 0: no bound
	ordered bool           // results leave in the order of the source

	// What follows belongs to the worker that pulls.
	in      stage.Chunk[A] // pulled
	at, err int            // items and errors of it that were sorted
	base    int64          // index of its first item
	sizes   []int64        // of its items, if bytes are counted
	origin  *origin
	ending  error // what the source ended with, behind in
	step    feedStep

	mu      sync.Mutex // guards what follows, for a moment at a time
	pulling bool       // a worker pulls
	ended   bool       // there is nothing more to pull
	undone  int        // results that are owed for what was sorted
	seq     uint64     // of the next result
	first   *lane[A, B]
	end     *lane[A, B] // first to end are ready
	idle    []chan struct{}
	counts  []int // how many keys have so many items in flight
	most    int   // the most that a key has
	waiting bool  // for a key to have fewer
	spare   *entry[A]
	jobs    *job[A, B]    // to use again
	room    chan struct{} // a token says that one may have
}

// feedStep is what a worker that pulls was at, should its goroutine end.
type feedStep uint8

const (
	notFeeding feedStep = iota
	inPull              // the source's code
	inKey               // the user's key function
)

func newRouter[A, B any](t table[A, B], perKey int, ordered bool, closeAt func(uint64)) *router[A, B] {
	return &router[A, B]{table: t, closeAt: closeAt, perKey: perKey, ordered: ordered, room: make(chan struct{}, 1)}
}

// errand is what a worker is to do next.
type errand uint8

const (
	toLeave errand = iota
	toRun
	toPull
	toRest
)

// next puts the lane back that w has run and says what w is to do.
func (r *router[A, B]) next(w *worker[A, B]) errand {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := w.lane; l != nil {
		w.lane = nil
		r.putBack(l)
	}
	switch {
	case w.c.attention.Load()&stopRunning != 0:
		return toLeave
	case (r.first == nil || len(r.idle) > 0) && w.c.retire(): // the one that pulls may be parked
		if r.first != nil || !r.pulling && !r.ended {
			r.rouse()
		}
		return toLeave
	case r.first != nil:
		r.load(w)
		if r.first != nil || !r.pulling && !r.ended {
			r.rouse()
		}
		return toRun
	case r.ended:
		return toLeave
	case !r.pulling:
		r.pulling = true
		return toPull
	default:
		r.idle = append(r.idle, w.wake)
		return toRest
	}
}

// rouse wakes one idle worker. It needs the lock.
func (r *router[A, B]) rouse() {
	if n := len(r.idle); n > 0 {
		r.idle[n-1] <- struct{}{} // has room: a worker is idle once
		r.idle = r.idle[:n-1]
	}
}

// putBack makes a lane ready again, or drops it when it is empty. It needs the
// lock.
func (r *router[A, B]) putBack(l *lane[A, B]) {
	l.busy = false
	switch {
	case l.head != nil:
		r.makeReady(l)
	case l.count == 0:
		r.table.drop(l)
	}
}

// makeReady puts a lane behind those that are ready. It needs the lock.
func (r *router[A, B]) makeReady(l *lane[A, B]) {
	l.busy, l.next = true, nil
	if r.first == nil {
		r.first = l
	} else {
		r.end.next = l
	}
	r.end = l
}

// load gives w the first ready lane and makes a batch of its items w's task. It
// needs the lock.
func (r *router[A, B]) load(w *worker[A, B]) {
	l := r.first
	r.first, l.next = l.next, nil
	w.lane = l
	most := max(1, int(w.c.sizer.size.Load()))
	if r.ordered {
		most = 1 // each result has a place of its own
	}
	w.in.Reset()
	j := r.jobs
	if j == nil {
		j = new(job[A, B])
	} else {
		r.jobs, j.next = j.next, nil
	}
	j.n = 0
	for e := l.head; e != nil && j.n < most; e = l.head {
		l.head = e.next
		e.next = nil
		for _, up := range e.errors {
			here := *up
			here.Before = j.n
			w.in.Errors = append(w.in.Errors, &here)
		}
		w.in.Items = append(w.in.Items, e.item)
		w.batch = append(w.batch, e)
		j.held.inBytes += e.bytes
		j.n++
	}
	j.held.cost.Chunks, j.held.cost.Items, j.held.cost.Bytes = j.n, j.n, j.held.inBytes
	if r.perKey > 0 {
		j.lane = l
	}
	w.job = j
	w.batches++
	w.timed = w.c.sizer.timed(w.batches, j.n)
}

// admit puts the next item into the lane of its key.
func (r *router[A, B]) admit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.table.lane() // may panic
	e := r.entry()
	if l.head == nil {
		l.head = e
	} else {
		l.tail.next = e
	}
	l.tail = e
	if r.perKey > 0 {
		r.recount(l, 1)
	}
	if !l.busy {
		r.makeReady(l)
	}
}

// entry makes an entry of the next item, with the errors before it. It needs the
// lock.
func (r *router[A, B]) entry() *entry[A] {
	e := r.spare
	if e == nil {
		e = new(entry[A])
	} else {
		r.spare, e.next = e.next, nil
	}
	i := r.at
	e.item, e.index, e.at, e.from = r.in.Items[i], r.base+int64(i), r.in.Locate(i), r.origin
	if i < len(r.sizes) {
		e.bytes = r.sizes[i]
	}
	from := r.err
	for r.err < len(r.in.Errors) && r.in.Errors[r.err].Before <= i {
		r.err++
	}
	e.errors = append(e.errors, r.in.Errors[from:r.err]...)
	e.last = i+1 == len(r.in.Items) && r.err == len(r.in.Errors)
	r.number(e)
	r.at++
	return e
}

// number counts a result that is owed and, in order, gives it its place. It needs
// the lock.
func (r *router[A, B]) number(e *entry[A]) {
	r.undone++
	if r.ordered {
		e.seq = r.seq
		r.seq++
	}
}

// recount changes how many items of a key are in flight. It needs the lock.
func (r *router[A, B]) recount(l *lane[A, B], by int) {
	if l.count > 0 {
		r.counts[l.count]--
	}
	l.count += by
	for len(r.counts) <= l.count {
		r.counts = append(r.counts, 0)
	}
	if l.count > 0 {
		r.counts[l.count]++
	}
	r.most = max(r.most, l.count)
	for r.most > 0 && r.counts[r.most] == 0 {
		r.most--
	}
}

// letGo notes that the consumer is done with a job.
func (r *router[A, B]) letGo(j *job[A, B]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := j.lane
	j.lane, j.next, r.jobs = nil, r.jobs, j
	if l == nil {
		return
	}
	r.recount(l, -j.n)
	if l.count == 0 && !l.busy && l.head == nil {
		r.table.drop(l)
	}
	if r.waiting && r.most < r.perKey {
		r.waiting = false
		r.room <- struct{}{} // has room: one worker waits
	}
}

// share is how many items may be pulled without exceeding any key's bound, even if
// they are all of one; if that is none, a token comes to r.room when some may.
func (r *router[A, B]) share(want int) int {
	if r.perKey == 0 {
		return want
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = r.most >= r.perKey
	return min(want, r.perKey-r.most)
}

// settle ends the ring behind the last result, once no more will come. It needs
// the lock.
func (r *router[A, B]) settle() {
	if r.ended && r.undone == 0 {
		r.closeAt(r.seq)
	}
}

// seal is called with a job that is about to be published: it gives it its place
// in the ring and the tokens of the chunks whose last result it has. Doing both
// under one lock keeps a token behind all results that it accounts for.
func (r *router[A, B]) seal(j *job[A, B], batch []*entry[A]) (seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range batch {
		o := e.from
		o.left--
		done := o.left == 0
		if r.ordered {
			done = e.last
		}
		if done {
			j.out.Tokens = append(j.out.Tokens, o.tokens...)
		}
		j.out.Partial = j.out.Partial || !done || o.partial
	}
	if r.ordered {
		seq = batch[0].seq
	} else {
		seq = r.seq
		r.seq++
	}
	r.undone -= len(batch)
	r.settle()
	for _, e := range batch {
		*e = entry[A]{next: r.spare}
		r.spare = e
	}
	return seq
}

// left is how many pulled items have not been run when the call is over.
func (r *router[A, B]) left() int64 {
	return int64(r.undone + max(0, len(r.in.Items)-r.at))
}
