package reorder

import (
	"context"
	"iter"
)

// Ring is a Buffer for producers that hold a credit for each value, such as one
// from a backpressure.Gate: no more credits than the window, each given back only
// after the value was taken. So there is always room, and neither side needs to
// tell the other about it: publishing is one atomic operation, taking is none.
// Values are made and used in their slots, so that large ones are not copied and
// what the consumer leaves in a slot can be used again by the next producer.
//
// A producer draws a number or brings one, fills its Place, and publishes it; one
// consumer looks at the value that is Ready and goes on with Taken. A number that
// is published twice, or without a credit, is not noticed and breaks the ring.
type Ring[T any] struct{ b *Buffer[T] }

// NewRing returns an empty ring with room for window values. NewRing panics if
// window is less than 1.
func NewRing[T any](window int) Ring[T] { return Ring[T]{New[T](window)} }

// Window is how many values the ring has room for.
func (r Ring[T]) Window() int { return r.b.Window() }

// Draw returns the next number, for producers that publish in the order of
// completion. All producers of a ring use it, or none.
func (r Ring[T]) Draw() uint64 { return r.b.drawn.Add(1) - 1 }

// Place is the slot of a number, for its producer until it publishes it. It holds
// what the consumer left there.
func (r Ring[T]) Place(seq uint64) *T { return &r.b.slot(seq).value }

// Publish hands the value in the place of number seq to the consumer. It never
// waits. It returns Abort's error, or one that wraps ErrClosed if the number lies
// behind the end; the consumer does not get the value then.
func (r Ring[T]) Publish(seq uint64) error {
	if seq >= r.b.end.Load() {
		return r.b.refusal(seq)
	}
	r.b.publish(r.b.slot(seq), seq)
	return nil
}

// Ready is the next value in order, or nil if it is not there yet. It belongs to
// the consumer until that calls Taken.
func (r Ring[T]) Ready() *T {
	head := r.b.next
	s := r.b.slot(head)
	if s.state.Load() != 2*head+1 {
		return nil
	}
	return &s.value
}

// Taken is done with the value that was Ready, and moves on to the next. What the
// consumer left in its slot is for the slot's next producer.
func (r Ring[T]) Taken() { r.b.next++ }

// Wait returns when the next value in order is Ready. It returns io.EOF behind the
// last (see CloseAt), Abort's error, or the cause of ctx if ctx ends first;
// nothing is lost then.
func (r Ring[T]) Wait(ctx context.Context) error { return r.b.wait(ctx) }

// Waiting reports whether the consumer is parked for a value that is not there.
// Anyone may ask.
func (r Ring[T]) Waiting() bool { return r.b.Waiting() }

// CloseAt says that there are n values in all, as Buffer.CloseAt does.
func (r Ring[T]) CloseAt(n uint64) { r.b.CloseAt(n) }

// Abort ends the ring at once, as Buffer.Abort does.
func (r Ring[T]) Abort(err error) { r.b.Abort(err) }

// Err is Abort's error, or nil.
func (r Ring[T]) Err() error { return r.b.Err() }

// Rest ranges over the values that were published and not taken, in order but over
// gaps. It is for clearing up when neither producers nor the consumer use the ring
// any more.
func (r Ring[T]) Rest() iter.Seq[T] { return r.b.Drain() }

// Roused reports whether the consumer was woken and does not run yet: while all
// processors are busy, it may have to wait for one of them. Anyone may ask.
func (r Ring[T]) Roused() bool { return r.b.roused.Load() }
