package reorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// ErrPutTwice is the cause of a Put's failure when its number was put before.
var ErrPutTwice = errors.New("reorder: number was put before")

// ErrClosed is the cause of a Put's failure when its number lies behind the
// end that CloseAt set.
var ErrClosed = errors.New("reorder: number lies behind the end")

// Buffer is a bounded ring with a slot per ticket. Producers put values under
// their numbers, 0, 1, 2, ..., in any order; the consumer takes them in the
// order of the numbers. Put and Add may be called by many goroutines at once,
// Next and TryNext by one at a time. A buffer holds at most its window of
// values; no value is ever dropped.
//
// A buffer is used either with Put (ordered: the producer brings the ticket) or
// with Add (unordered: the ticket is drawn at publishing), not both. Each number
// is put once; that one was put before is noticed, except when two producers put
// it at the same moment.
//
// While no one has to wait for another, no method takes a lock; none allocates
// in the steady state.
type Buffer[T any] struct {
	slots  []slot[T]
	mask   uint64
	shift  uint // consecutive numbers go to different cache lines
	back   uint // the other part of that rotation
	window uint64
	_      [32]byte

	next    uint64        // the next number to take: the consumer's
	head    atomic.Uint64 // the same for producers, if the slots alone do not tell
	_       [56]byte
	waiting atomic.Uint64 // 1 + the number that a parked consumer waits for, or 0
	_       [56]byte
	drawn   atomic.Uint64 // numbers that Add drew
	_       [56]byte

	end     atomic.Uint64 // how many values there will be, noEnd, or 0 after Abort
	blocked atomic.Int32  // producers waiting for the window
	aborted atomic.Bool
	roused  atomic.Bool   // the parked consumer was woken and does not run yet
	wake    chan struct{} // a token for the parked consumer

	mu    sync.Mutex // guards what follows; never held while anything waits
	line  []*putter
	spare []*putter // for those who wait next
	cause error
}

// noEnd is the end while nobody has said how many values there will be. It
// bounds the numbers too: twice a number must fit the state of a slot.
const noEnd uint64 = 1 << 63

// slot holds one value. state is twice the number that the slot is free for,
// plus one when it holds that number's value.
type slot[T any] struct {
	state atomic.Uint64
	value T
}

// putter is a producer that waits for its number to enter the window, or for
// any number.
type putter struct {
	seq   uint64 // anyNumber for Add
	ready chan struct{}
}

const anyNumber uint64 = math.MaxUint64

// New returns an empty buffer with room for window values. New panics if window
// is less than 1.
func New[T any](window int) *Buffer[T] {
	if window < 1 {
		panic(fmt.Sprintf("penstock: reorder.New: window is %d, want at least 1", window))
	}
	size := uint64(1) << bits.Len64(uint64(window)-1)
	b := &Buffer[T]{
		slots: make([]slot[T], size), mask: size - 1, window: uint64(window),
		wake: make(chan struct{}, 1),
	}
	if size >= 64 && unsafe.Sizeof(slot[T]{}) < 64 {
		b.shift, b.back = 3, uint(bits.Len64(b.mask))-3
	}
	for i := range size {
		b.slot(i).state.Store(2 * i)
	}
	b.end.Store(noEnd)
	return b
}

// slot returns the place of a number. A line of the cache holds several slots;
// neighbours in number, which are in use at the same time, are kept apart.
func (b *Buffer[T]) slot(seq uint64) *slot[T] {
	i := seq & b.mask
	if b.shift != 0 {
		i = (i<<(b.shift&63) | i>>(b.back&63)) & b.mask
	}
	return &b.slots[i]
}

// Window is how many values the buffer has room for.
func (b *Buffer[T]) Window() int { return int(b.window) }

// room reports whether a value may be stored under number seq now: it was not
// yet and lies in the window.
func (b *Buffer[T]) room(s *slot[T], seq uint64) bool {
	return s.state.Load() == 2*seq && (b.window > b.mask || seq-b.head.Load() < b.window)
}

// beyond reports whether number seq lies ahead of the window. The window moves
// past a number only after somebody has put it, so that a producer for whom this
// turned false is never put off again.
func (b *Buffer[T]) beyond(seq uint64) bool {
	if state := b.slot(seq).state.Load(); state != 2*seq {
		return state < 2*seq
	}
	return b.window <= b.mask && seq-b.head.Load() >= b.window
}

// Put stores the value of number seq. It waits while seq is the window or more
// ahead of the next number to take; the next one is always accepted, and what
// has room is stored even if ctx has ended. It returns the cause of ctx if ctx
// ends first, Abort's error, or an error that wraps ErrPutTwice or ErrClosed;
// nothing is stored then.
func (b *Buffer[T]) Put(ctx context.Context, seq uint64, v T) error {
	s := b.slot(seq)
	for !b.room(s, seq) {
		if seq >= b.end.Load() {
			return b.refusal(seq)
		}
		if s.state.Load() > 2*seq {
			return fmt.Errorf("%w: %d", ErrPutTwice, seq)
		}
		if err := b.await(ctx, seq); err != nil {
			return err
		}
	}
	if seq >= b.end.Load() {
		return b.refusal(seq)
	}
	s.value = v
	b.publish(s, seq)
	return nil
}

// Add stores a value under the next free number, which makes the buffer a queue
// in completion order. It waits while the window is full and returns as Put
// does.
func (b *Buffer[T]) Add(ctx context.Context, v T) error {
	for {
		seq := b.drawn.Load()
		if seq >= b.end.Load() {
			b.admit() // who waits behind us cannot have a number either
			return b.refusal(seq)
		}
		s := b.slot(seq)
		if !b.room(s, seq) {
			if b.drawn.Load() != seq {
				continue // another producer was faster
			}
			if err := b.await(ctx, anyNumber); err != nil {
				return err
			}
			continue
		}
		if b.drawn.CompareAndSwap(seq, seq+1) {
			s.value = v
			b.publish(s, seq)
			return nil
		}
	}
}

// publish hands over the value in a slot and wakes the consumer if it waits for
// just that one.
func (b *Buffer[T]) publish(s *slot[T], seq uint64) {
	s.state.Store(2*seq + 1)
	if b.waiting.Load() == seq+1 {
		b.rouse(seq + 1)
	}
}

// rouse wakes the consumer if it is parked under the mark.
func (b *Buffer[T]) rouse(mark uint64) {
	if b.waiting.CompareAndSwap(mark, 0) {
		b.roused.Store(true)
		b.wake <- struct{}{} // has room: each parking takes its token
	}
}

// refusal is why number seq is not accepted any more.
func (b *Buffer[T]) refusal(seq uint64) error {
	if err := b.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %d of %d", ErrClosed, seq, b.end.Load())
}

// await parks a producer while seq lies beyond the window. That it returns nil
// is a hint to look again.
func (b *Buffer[T]) await(ctx context.Context, seq uint64) error {
	b.mu.Lock()
	p := b.queue(seq)
	// Say first that somebody waits, then look: whoever moves the window or the
	// end in between sees it.
	if !b.stuck(p) {
		b.leave(p)
		b.recycle(p)
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	var err error
	select {
	case <-p.ready:
		b.mu.Lock()
	case <-ctx.Done():
		err = context.Cause(ctx)
		b.mu.Lock()
		if !b.leave(p) { // it was let go at the same moment: let another one go instead
			<-p.ready
			b.admitLocked()
		}
	}
	b.recycle(p)
	b.mu.Unlock()
	return err
}

// queue puts a producer in line. It needs the lock.
func (b *Buffer[T]) queue(seq uint64) *putter {
	var p *putter
	if n := len(b.spare); n > 0 {
		p, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		p = &putter{ready: make(chan struct{}, 1)}
	}
	p.seq = seq
	b.line = append(b.line, p)
	b.blocked.Add(1)
	return p
}

// recycle keeps p, which is not in line and has no token, for the next one that
// waits. It needs the lock.
func (b *Buffer[T]) recycle(p *putter) { b.spare = append(b.spare, p) }

// leave takes p out of the line and reports whether it was there. It needs the
// lock.
func (b *Buffer[T]) leave(p *putter) bool {
	i := slices.Index(b.line, p)
	if i < 0 {
		return false
	}
	b.line = slices.Delete(b.line, i, i+1)
	b.blocked.Add(-1)
	return true
}

// stuck reports whether p has to wait.
func (b *Buffer[T]) stuck(p *putter) bool {
	seq := p.seq
	if seq == anyNumber {
		seq = b.drawn.Load()
	}
	return seq < b.end.Load() && b.beyond(seq)
}

// admit lets producers in line go that need not wait any more.
func (b *Buffer[T]) admit() {
	if b.blocked.Load() > 0 {
		b.mu.Lock()
		b.admitLocked()
		b.mu.Unlock()
	}
}

// admitLocked is admit for who holds the lock. Of those who wait for any number
// it lets one go, since it is called for each number that becomes free; one that
// was let go and has no use for it calls it again.
func (b *Buffer[T]) admitLocked() {
	kept, given := b.line[:0], false
	for _, p := range b.line {
		if p.seq == anyNumber && given || b.stuck(p) {
			kept = append(kept, p)
			continue
		}
		given = given || p.seq == anyNumber
		p.ready <- struct{}{} // has room: one token for each time in line
		b.blocked.Add(-1)
	}
	clear(b.line[len(kept):])
	b.line = kept
}

// TryNext takes the next value in order if it is there.
func (b *Buffer[T]) TryNext() (v T, ok bool) {
	head := b.next
	s := b.slot(head)
	if s.state.Load() != 2*head+1 {
		return v, false
	}
	var none T
	v, s.value = s.value, none
	s.state.Store(2 * (head + uint64(len(b.slots))))
	b.next = head + 1
	if b.window <= b.mask {
		b.head.Store(head + 1)
	}
	b.admit()
	return v, true
}

// Drain takes what is there, in order but over gaps. It is for clearing up when
// neither producers nor the consumer use the buffer any more.
func (b *Buffer[T]) Drain() iter.Seq[T] {
	return func(yield func(T) bool) {
		head := b.next
		for seq := head; seq < head+uint64(len(b.slots)); seq++ {
			s := b.slot(seq)
			if s.state.Load() != 2*seq+1 {
				continue
			}
			var zero T
			v := s.value
			s.value = zero
			s.state.Store(2 * (seq + uint64(len(b.slots))))
			if !yield(v) {
				return
			}
		}
	}
}

// Waiting reports whether the consumer is parked for a value that is not there.
// Anyone may ask.
func (b *Buffer[T]) Waiting() bool { return b.waiting.Load() != 0 }

// ready reports whether the next value in order is there.
func (b *Buffer[T]) ready() bool {
	head := b.next
	return b.slot(head).state.Load() == 2*head+1
}

// Next takes the next value in order, waiting for it. It returns io.EOF after
// the last (see CloseAt), Abort's error, or the cause of ctx if ctx ends first;
// nothing is lost then.
func (b *Buffer[T]) Next(ctx context.Context) (v T, err error) {
	if err := b.wait(ctx); err != nil {
		return v, err
	}
	v, _ = b.TryNext()
	return v, nil
}

// wait returns when the next value in order is there, or an error as Next does.
func (b *Buffer[T]) wait(ctx context.Context) error {
	for {
		if b.aborted.Load() {
			return b.Err()
		}
		if b.ready() {
			return nil
		}
		head := b.next
		if head >= b.end.Load() {
			if b.aborted.Load() {
				return b.Err()
			}
			return io.EOF
		}
		// Say first for which value we wait, then look again: whoever stores it
		// in between sees the mark.
		b.waiting.Store(head + 1)
		if b.ready() || head >= b.end.Load() || b.aborted.Load() {
			b.unpark(head + 1)
			continue
		}
		select {
		case <-b.wake:
			b.roused.Store(false)
		case <-ctx.Done():
			b.unpark(head + 1)
			return context.Cause(ctx)
		}
	}
}

// unpark takes the consumer's mark back, and the token if somebody took the
// mark first.
func (b *Buffer[T]) unpark(mark uint64) {
	if !b.waiting.CompareAndSwap(mark, 0) {
		<-b.wake
		b.roused.Store(false)
	}
}

// CloseAt says that there are n values in all, numbers 0 to n-1: Next returns
// io.EOF behind the last of them, and whoever puts another one, or waits to,
// gets an error that wraps ErrClosed. It may be called before they are put; no
// number from n on may have been put. Only the first call counts. CloseAt panics
// if n is more than 1<<63.
func (b *Buffer[T]) CloseAt(n uint64) {
	if n > noEnd {
		panic(fmt.Sprintf("penstock: reorder.Buffer.CloseAt: n is %d, want at most %d", n, noEnd))
	}
	if b.end.CompareAndSwap(noEnd, n) {
		if mark := b.waiting.Load(); mark > n {
			b.rouse(mark)
		}
		b.admit()
	}
}

// Close says that no more values will be added: Next returns io.EOF behind the
// last that was. It is for buffers used with Add, after the last Add returned.
func (b *Buffer[T]) Close() { b.CloseAt(b.drawn.Load()) }

// Abort ends the buffer at once: every waiting and later Put, Add and Next
// returns err. What was stored stays, for TryNext and Drain. Only the first call
// counts. Abort panics if err is nil.
func (b *Buffer[T]) Abort(err error) {
	if err == nil {
		panic("penstock: reorder.Buffer.Abort: err is nil")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause != nil {
		return
	}
	b.cause = err
	b.aborted.Store(true)
	b.end.Store(0)
	b.admitLocked()
	if mark := b.waiting.Load(); mark != 0 {
		b.rouse(mark)
	}
}

// Err is Abort's error, or nil.
func (b *Buffer[T]) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}
