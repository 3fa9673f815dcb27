package source

import (
	"context"
	"io"
	"iter"

	"github.com/penstock-go/penstock/stage"
)

// Seq makes a stream of what seq yields, in that order. Each run of the stream
// ranges over seq anew and stops it when the run ends.
//
// The sequence runs on a coroutine of its own that is switched to once per
// chunk, not per item: it goes on until the chunk that was asked for is full. So
// a sequence that waits for the consumer of its own items needs chunks of one
// item (pool.ChunkSize(1)), and a slow one delays the items that it has yielded
// by the rest of their chunk; use [Func] or [Chan] for those. A sequence that
// blocks cannot be interrupted when the context ends; one that yields is stopped
// at the end of the chunk.
//
// A panic of the sequence is the stream's error, after all items before it. A run
// with a checkpoint refuses the source ([ErrNoResume]). Seq panics if seq is nil.
func Seq[T any](seq iter.Seq[T]) stage.Stream[T] {
	notNil(seq == nil, "Seq: seq")
	return stage.New("Seq", func(context.Context) (stage.Puller[T], error) {
		return newSeq(func(p *seqPuller[T], full func(struct{}) bool) {
			for v := range seq {
				p.into.Items = append(p.into.Items, v)
				if len(p.into.Items) >= p.room && !full(struct{}{}) {
					return
				}
			}
		}), nil
	})
}

// Seq2 makes a stream of the pairs that seq yields. Otherwise it is like [Seq].
// For a sequence of values and errors see [SeqErr].
func Seq2[K, V any](seq iter.Seq2[K, V]) stage.Stream[stage.Pair[K, V]] {
	notNil(seq == nil, "Seq2: seq")
	return stage.New("Seq2", func(context.Context) (stage.Puller[stage.Pair[K, V]], error) {
		return newSeq(func(p *seqPuller[stage.Pair[K, V]], full func(struct{}) bool) {
			for k, v := range seq {
				p.into.Items = append(p.into.Items, stage.Pair[K, V]{First: k, Second: v})
				if len(p.into.Items) >= p.room && !full(struct{}{}) {
					return
				}
			}
		}), nil
	})
}

// SeqErr makes a stream of the values that seq yields. A value that comes with
// an error is a failed item: a *stage.ItemError at its place with the value as
// its input, and the stream goes on. It ends when the sequence does. Otherwise
// it is like [Seq].
func SeqErr[T any](seq iter.Seq2[T, error]) stage.Stream[T] {
	notNil(seq == nil, "SeqErr: seq")
	return stage.New("SeqErr", func(context.Context) (stage.Puller[T], error) {
		return newSeq(func(p *seqPuller[T], full func(struct{}) bool) {
			for v, err := range seq {
				c := p.into
				if err == nil {
					c.Items = append(c.Items, v)
				} else {
					i := p.first + int64(len(c.Items)+len(c.Errors))
					c.Fail(&stage.ItemError{Index: i, Input: v, At: stage.Position{Record: i}, Err: err})
				}
				if len(c.Items)+len(c.Errors) >= p.room && !full(struct{}{}) {
					return
				}
			}
		}), nil
	})
}

// seqPuller ranges over a sequence on a coroutine. The coroutine fills the chunk
// that is being pulled and switches back when it is full.
type seqPuller[T any] struct {
	oneWay
	next func() (struct{}, bool)
	stop func()

	into  *stage.Chunk[T] // while a Pull runs
	room  int
	first int64
}

// newSeq makes the puller of a loop over a sequence. The loop appends to p.into
// and calls full when that holds p.room items; it returns when full says so.
func newSeq[T any](loop func(p *seqPuller[T], full func(struct{}) bool)) *seqPuller[T] {
	p := &seqPuller[T]{oneWay: oneWay{sequenceEnds}}
	p.next, p.stop = iter.Pull(func(full func(struct{}) bool) { loop(p, full) })
	return p
}

func (p *seqPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.into, p.room = into, max.Room()
	defer func() { // also when the sequence panics: what it yielded before counts
		number(into, p.first)
		p.first += int64(len(into.Items) + len(into.Errors))
		p.into = nil
	}()
	if _, more := p.next(); !more {
		return io.EOF
	}
	return nil
}

func (p *seqPuller[T]) Close() error {
	p.stop()
	return nil
}

// notNil panics, in the caller's name, when a required argument is missing.
func notNil(isNil bool, what string) {
	if isNil {
		panic("penstock: source." + what + " is nil")
	}
}
