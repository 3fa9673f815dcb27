package pool

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/sourcegraph/conc"

	"github.com/penstock-go/penstock/backpressure"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/reorder"
	"github.com/penstock-go/penstock/stage"
)

// What attention says to a worker between two items: the call is over, or no
// more may be pulled, or so many workers have been idle for a while.
const (
	stopRunning = 1
	stopPulling = 2
	idleWorker  = 4
)

// errYield is what a kernel returns when the driver wants control between two
// items.
var errYield = errors.New("yield")

// errDone is why a call's context ends when its consumer is done with it.
var errDone = errors.New("penstock: the stream was closed")

// held is what a job holds of the budget, and how much of that is bytes of
// input that stop counting when their outputs do.
type held struct {
	cost    backpressure.Cost
	inBytes int64
}

// spec is what a verb asks of the engine.
type spec[A, B any] struct {
	verb   string
	kernel func() kernel[A, B]
	// nothing makes what a stream yields at its end if it has yielded nothing.
	nothing func() B
	// eager calls collect: they run to their end on a closed pool, end at the
	// failure of lowest index, and take results in any order.
	eager    bool
	accepted bool   // the pool took the call before
	awaits   bool   // the stream ends when the workers' states have
	group    *group // of the call's workers, if somebody waits for them already
	// table makes what finds the keys of a keyed call; nil for others.
	table func() table[A, B]
}

// call is one run of a verb: the state that its workers and its consumer share.
//
// A worker's way is credit, pull lock, pull, ticket, unlock, worker slot, fill,
// run, publish, free the slot. Only the wait for credit throttles; publishing
// never blocks, since every chunk that was pulled has its slot in the ring.
type call[A, B any] struct {
	pool *Pool
	cfg  config
	spec spec[A, B]
	name string
	live live
	m    *plan.Meter

	open   context.Context // what the call was opened with
	ctx    context.Context // ends with open, Terminate, or the consumer
	cancel context.CancelCauseFunc
	over   <-chan struct{} // ctx.Done()
	pulls  context.Context // ends with ctx, or when no more may be pulled
	noMore context.CancelCauseFunc
	awake  chan struct{} // closed when the end of ctx was noticed

	src   stage.Puller[A] // the source without the filling
	close func() error
	fill  func(context.Context, *stage.Chunk[A]) error // nil: src fills itself
	reuse func(block []byte)                           // nil: the source has no use for blocks
	sized func() (int64, bool)
	size  sizing[A, B]

	gate    *backpressure.Gate
	ring    reorder.Ring[parcel[A, B]]
	sizer   sizer
	parcels bool // results may travel by themselves
	whole   bool // unordered, in a run with a checkpoint: a source range must not be spread over chunks
	group   *group
	share   chan task[A, B]
	router  *router[A, B] // of a keyed call
	itemCap int           // the largest default budget of one

	_         [64]byte
	attention atomic.Uint32
	active    atomic.Int32 // workers that may still publish or share
	perItem   atomic.Int64 // bytes of an item, as last seen
	_         [52]byte

	lock    parkLock
	spawned atomic.Int32 // workers that have not retired
	ids     uint32       // given to workers
	ticket  uint64
	index   int64
	ended   bool
	ending  error // what the stream ends with, io.EOF if all went well

	started  bool
	wg       conc.WaitGroup
	finished chan struct{} // closed when no worker may share any more

	mu       sync.Mutex // guards what follows, for a moment at a time
	meters   []plan.Meter
	closing  []error // of closing workers' states
	fail     *failure[A, B]
	counts   ledger
	watching map[*worker[A, B]]place

	// The consumer's side.
	cur, part *job[A, B]
	handed    int               // results by themselves that were handed out
	spare     *job[A, B]        // done with, for the workers to use again
	owed      backpressure.Cost // let go, and not given back to the gate yet
	lot       int               // how much that may be, in items or chunks
	off, err  int               // of part: items and errors that were handed on
	stash     []*job[A, B]
	lost      *job[A, B] // parts behind the place where the call ended
	fatal     error      // unordered: what the call ends with, and where
	fatalAt   uint64
	done      error
	settled   chan struct{} // closed when every worker has ended, if somebody waits for that
	closed    bool
}

// start opens the input and prepares a call; no worker runs before the first
// pull.
func start[A, B any](ctx context.Context, p *Pool, in stage.Stream[A], m *plan.Meter, cfg config, sp spec[A, B]) (*call[A, B], error) {
	c := &call[A, B]{
		pool: p, cfg: cfg, spec: sp, name: m.Node.Label(), m: m, open: ctx,
		lock: newParkLock(), finished: make(chan struct{}), awake: make(chan struct{}),
		share: make(chan task[A, B]), size: newSizing[A, B](&cfg, sp.verb),
	}
	c.ctx, c.cancel = context.WithCancelCause(&taskContext{Context: ctx, of: &p.slots})
	c.pulls, c.noMore = context.WithCancelCause(c.ctx)
	c.over = c.ctx.Done()
	if c.group = sp.group; c.group == nil {
		c.group = &group{}
	}
	c.live.cancel = func(err error) {
		c.cancel(err)
		c.attention.Or(stopRunning | stopPulling) // now, not when the end of ctx is noticed
	}
	if !sp.eager {
		c.live.stop = c.stopPulling
	}
	if err := p.enter(ctx, &c.live, sp.accepted); err != nil {
		c.cancel(err)
		return nil, err
	}
	opened := false
	defer func() {
		if !opened { // also when the source ended the goroutine
			c.cancel(errDone)
			p.leave(&c.live)
		}
	}()
	up, err := in.Open(plan.WithRegistryOf(c.ctx, ctx))
	if err != nil {
		return nil, reason(c.ctx, err)
	}
	opened = true
	c.src, c.close = up, up.Close
	if b, ok := up.(interface{ Blocks() stage.Filler[A] }); ok && cfg.items == 0 && sp.table == nil {
		if f := b.Blocks(); f != nil {
			c.src, c.fill = f, f.Fill
			if r, ok := f.(interface{ Recycle(block []byte) }); ok {
				c.reuse = r.Recycle
			}
		}
	}
	if s, ok := up.(stage.Sized); ok && c.fill == nil {
		c.sized = s.Remaining
	}
	c.parcels = !sp.eager && c.fill == nil && cfg.bytes == 0 && sp.table == nil
	if r := plan.RegistryOf(ctx); r != nil && r.Checkpoint != nil {
		c.whole = cfg.unordered
	}
	if sp.table != nil {
		c.router = newRouter(sp.table(), cfg.perKey, c.whole, func(n uint64) { c.ring.CloseAt(n) })
	}
	c.budget()
	p.follow(&c.live, c.resize)
	context.AfterFunc(c.ctx, func() {
		defer close(c.awake)
		c.attention.Or(stopRunning | stopPulling)
		c.ring.Abort(context.Cause(c.ctx))
	})
	return c, nil
}

// minBudget is the least default budget, in items.
const minBudget = 64

// maxWindow bounds the ring: a budget of more chunks than that is cut.
const maxWindow = 1 << 15

// budget sets up the gate, the ring and the chunk size.
func (c *call[A, B]) budget() {
	workers := c.pool.Workers()
	limit := backpressure.Cost{Chunks: min(max(minBudget, 4*workers), maxWindow), Bytes: c.cfg.bytes}
	var a A
	var b B
	bytes := max(1, int(unsafe.Sizeof(a)+unsafe.Sizeof(b)))
	largest := max(1, min(maxChunk, maxChunkBytes/bytes))
	switch {
	case c.cfg.items > 0:
		limit.Items = c.cfg.items
		limit.Chunks = min(c.cfg.items, maxWindow)
		if c.cfg.chunk > 0 {
			largest = min(c.cfg.items, math.MaxInt32) // what the gate admits in one go
		} else {
			largest = max(1, min(largest, c.cfg.items/workers))
		}
	case c.cfg.chunk > 0:
		largest = max(minBudget, 4096*workers) // what the default budget can be
	case c.fill != nil:
		largest = maxBlock
	}
	if c.router != nil {
		limit.Chunks, largest = c.keyedBudget(largest)
	}
	c.sizer.init(c.cfg.chunk, largest)
	c.ring = reorder.NewRing[parcel[A, B]](limit.Chunks)
	c.gate = backpressure.New(limit)
	c.lot = c.purse(1)
	c.resize()
}

// resize makes the default budget follow the chunk size.
func (c *call[A, B]) resize() {
	if c.cfg.items > 0 {
		return
	}
	c.mu.Lock() // of two changes the later one stays
	defer c.mu.Unlock()
	workers, size := c.pool.Workers(), int(c.sizer.size.Load())
	items := max(minBudget, min(4*workers*size, 4096*workers))
	if c.router != nil {
		items = min(items, c.itemCap)
	}
	c.gate.SetLimit(backpressure.Cost{Chunks: c.ring.Window(), Items: items, Bytes: c.cfg.bytes})
}

// stopPulling ends the stream with err behind what was pulled; nil is no
// failure.
func (c *call[A, B]) stopPulling(err error) {
	if err == nil {
		err = io.EOF
	}
	c.noMore(err)
	c.attention.Or(stopPulling) // last: who sees it asks for the cause
}

// next waits for what comes next in the ring, which the caller takes. It returns
// the error that the call ends with, or the cause of ctx, which only bounds this
// wait.
func (c *call[A, B]) next(ctx context.Context) (*parcel[A, B], error) {
	c.letGo()
	if !c.started {
		c.started = true
		c.spawn()
	}
	if c.attention.Load()&stopRunning != 0 {
		return nil, c.finish(context.Cause(c.ctx))
	}
	if p := c.ring.Ready(); p != nil {
		return p, nil
	}
	c.repay()
	back := lend(ctx, c.pool, c.group)
	err := c.ring.Wait(ctx)
	back()
	switch {
	case err == nil:
		return c.ring.Ready(), nil
	case err == io.EOF:
		if c.spec.awaits {
			if err := c.awaitStates(ctx); err != nil {
				return nil, err
			}
		}
		return nil, c.finish(c.ending)
	case c.ctx.Err() != nil:
		return nil, c.finish(context.Cause(c.ctx))
	default:
		return nil, err // this wait's own context ended
	}
}

// awaitStates waits until every worker has ended its state, behind the last result, so that
// what that reports comes before the end of the stream. Its error is that of ctx, by
// which the pull is given up.
func (c *call[A, B]) awaitStates(ctx context.Context) error {
	if c.settled == nil {
		c.settled = make(chan struct{})
		go func() {
			defer close(c.settled)
			c.wg.Wait()
		}()
	}
	back := lend(ctx, c.pool, c.group)
	defer back()
	select {
	case <-c.settled:
	case <-ctx.Done():
		if c.ctx.Err() == nil {
			return context.Cause(ctx)
		}
		<-c.settled // the workers see it too
	}
	switch {
	case c.ctx.Err() != nil:
		c.ending = context.Cause(c.ctx)
	case c.ending != io.EOF:
		c.ending = errors.Join(append([]error{c.ending}, c.closing...)...)
	case len(c.closing) > 0:
		c.ending = errors.Join(c.closing...)
	}
	c.closing = nil
	return nil
}

// finish notes what the call ended with.
func (c *call[A, B]) finish(err error) error {
	if c.fatal != nil && c.ctx.Err() == nil { // it lies before the source's own end
		err = c.fatal
	}
	c.done = err
	return err
}

// letGo gives back what the consumer was handed last.
func (c *call[A, B]) letGo() {
	c.owed.Chunks += c.handed
	c.owed.Items += c.handed
	c.handed = 0
	if j := c.cur; j != nil {
		c.cur = nil
		c.owed.Chunks += j.held.cost.Chunks
		c.owed.Items += j.held.cost.Items
		c.owed.Bytes += j.held.cost.Bytes
		j.held = held{}
		if c.router != nil {
			c.router.letGo(j)
		} else if j.next == nil {
			c.spare = j
		}
	}
	if c.owed.Items >= c.lot || c.owed.Chunks >= c.lot {
		c.repay()
	}
}

// repay gives back the credit of chunks that were let go.
func (c *call[A, B]) repay() {
	if c.owed != (backpressure.Cost{}) {
		c.gate.Release(c.owed)
		c.owed = backpressure.Cost{}
	}
}

// stop ends the call and joins its workers; it reports what closing them and
// the input reported.
func (c *call[A, B]) stop() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.cancel(errDone)
	// The loan lasts while the input is closed: it may have workers to join too.
	back := lend(c.open, c.pool, nil)
	defer func() { // also when the source ends the goroutine
		back()
		c.count()
		c.pool.leave(&c.live)
	}()
	<-c.awake // the watch over ctx is a goroutine of ours too
	c.wg.Wait()
	if c.settled != nil {
		<-c.settled
	}
	err := c.close()
	return errors.Join(append(c.closing, err)...)
}

// count adds up the meters when all workers have ended.
func (c *call[A, B]) count() {
	for i := range c.meters {
		w := &c.meters[i]
		c.m.In += w.In
		c.m.ChunksIn += w.ChunksIn
		c.m.Filtered += w.Filtered
		c.m.Failed += w.Failed
		c.m.Expanded += w.Expanded
		c.m.Merged += w.Merged
		c.m.Abandoned += w.Abandoned
		c.m.CreditWait += w.CreditWait
		c.m.PullWait += w.PullWait
		c.m.ConsumerWait += w.ConsumerWait
	}
	for j := c.part; j != nil; j = j.next {
		c.m.Abandoned += int64(len(j.out.Items) - c.off)
		c.off = 0
	}
	c.m.Abandoned += c.lost.outputs()
	for _, j := range c.stash {
		c.m.Abandoned += j.outputs()
	}
	for p := range c.ring.Rest() {
		if p.job == nil {
			c.m.Abandoned++
		}
		c.m.Abandoned += p.job.outputs()
	}
	if c.router != nil {
		left := c.router.left()
		c.m.In += left
		c.m.Abandoned += left
	}
	c.m.PeakInFlight = int64(c.gate.Stats().Peak.Items)
	c.m.ChunkSize = c.sizer.size.Load()
}

func (j *job[A, B]) outputs() (n int64) {
	for ; j != nil; j = j.next {
		n += int64(len(j.out.Items))
	}
	return n
}
