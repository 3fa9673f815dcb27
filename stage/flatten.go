package stage

import (
	"context"
	"iter"

	"github.com/penstock-go/penstock/internal/plan"
)

// Flatten is the stream of the items of in's sequences, one sequence after the other. They
// are read as they are pulled, so one may be endless; nothing of a sequence is held but
// the chunk that is being made, of the size that is asked for: one that waits for its own
// consumer needs chunks of one item. A sequence runs in whoever pulls, on a coroutine
// (see iter.Pull); it is stopped, so that its defers run, when the stream is closed. It
// knows no context: one that blocks is not interrupted, though the stream is given up
// between two items.
//
// A sequence that panics becomes an *ItemError behind the items that it gave; the stream
// goes on with the next. A nil sequence is empty. Order is kept. A run with a checkpoint
// takes one only when all that came of a sequence is written, and reads sequences from
// their start again: they must give the same items. For slices there is Unbatch, and
// FlatMap for functions that make several items of one.
func Flatten[T any](in Stream[iter.Seq[T]]) Stream[T] {
	return flatten("Flatten", in, func(seq iter.Seq[T], take func(T) bool) (err error) {
		seq(take)
		return nil
	})
}

// FlattenErr is Flatten for sequences that may fail: at an error, what stands beside it is
// passed over, the sequence ends, and its item becomes an *ItemError behind the items that it gave.
func FlattenErr[T any](in Stream[iter.Seq2[T, error]]) Stream[T] {
	return flatten("FlattenErr", in, func(seq iter.Seq2[T, error], take func(T) bool) (err error) {
		seq(func(v T, failed error) bool {
			if failed != nil {
				err = failed
				return false
			}
			return take(v)
		})
		return err
	})
}

func flatten[S ~func(Y), Y, T any](op string, in Stream[S], read func(S, func(T) bool) error) Stream[T] {
	return serial(op, "", in, func(_ context.Context, up upstream[S]) (Puller[T], error) {
		k := &flattening[S, T]{read: read, isNil: func(s S) bool { return s == nil }, m: up.m}
		return &flattener[S, T]{newLoop(up, k, expands|retains), k}, nil
	})
}

// flattener is a loop that stops the sequence at hand when it is closed.
type flattener[S, T any] struct {
	*loop[S, T]
	k *flattening[S, T]
}

// Close implements Puller. It is idempotent.
func (f *flattener[S, T]) Close() error {
	err := f.k.end()
	if err != nil {
		err = panicIn(f.m, err.(*PanicError).Value) //nolint:errorlint,forcetypeassert // it is one
	}
	return withClose(err, f.loop.Close())
}

// flattening reads sequences. A switch to the coroutine fills as much as there is room for.
type flattening[S, T any] struct {
	read  func(S, func(T) bool) error
	isNil func(S) bool
	m     *plan.Meter

	next   func() (struct{}, bool) // of the sequence at hand, nil: there is none
	stop   func()
	failed error // the sequence's own
	gave   bool  // it gave an item

	// For the coroutine.
	ctx context.Context // of the pull
	out []T
	n   int // of out made
}

// patient is how many items come of a sequence between two looks at the context.
const patient = 64

func (k *flattening[S, T]) run(ctx context.Context, items []S, out []T, c *cursor) error {
	for c.in < len(items) && c.out < len(out) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if k.next == nil {
			k.begin(items[c.in])
		}
		k.ctx, k.out, k.n = ctx, out, c.out //nolint:fatcontext // for the coroutine
		more, err := k.resume()
		made := k.n - c.out
		c.out, k.ctx, k.out = k.n, nil, nil
		k.m.Expanded += int64(made)
		if made > 0 && !k.gave {
			k.gave = true
			k.m.Expanded--
		}
		if more {
			continue
		}
		k.next, k.stop = nil, nil
		if err != nil {
			if k.gave {
				k.m.Expanded++ // beside what it gave it is a failed one
			}
			return err
		}
		if !k.gave {
			k.m.Filtered++
		}
		c.in++
	}
	return nil
}

// begin takes a sequence up, without reading it.
func (k *flattening[S, T]) begin(seq S) {
	k.gave, k.failed = false, nil
	k.next, k.stop = iter.Pull(func(full func(struct{}) bool) {
		if k.isNil(seq) {
			return
		}
		k.failed = k.read(seq, func(v T) bool {
			k.out[k.n] = v
			k.n++
			if k.n == len(k.out) || k.n%patient == 0 && k.ctx.Err() != nil {
				return full(struct{}{})
			}
			return true
		})
	})
}

// resume reads on until there is no more room, or the sequence has ended.
func (k *flattening[S, T]) resume() (more bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			more, err = false, panicked(v)
		}
	}()
	if _, more = k.next(); more {
		return true, nil
	}
	return false, k.failed
}

// end stops the sequence at hand.
func (k *flattening[S, T]) end() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	if stop := k.stop; stop != nil {
		k.next, k.stop = nil, nil
		stop()
	}
	return nil
}
