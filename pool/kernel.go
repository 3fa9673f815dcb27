package pool

import (
	"context"
	"io"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// kernel is what a verb does with the items of a chunk. Each worker has its
// own.
type kernel[A, B any] struct {
	// run takes w.items from w.pos to w.stop: it sets w.pos to the item that it
	// is at before it calls the user's function, and to w.stop at the end; it
	// returns the item's error, and is called again for the items behind it.
	// Between items it looks at the call's attention and returns errYield.
	run func(w *worker[A, B]) error
	// exact: every item that did not fail has one output. run then writes them to
	// w.job.out.Items, which has the room, from w.from on, and the driver cuts
	// what is not there.
	exact bool
	// whole: the function takes the chunk in one call, so that its tail cannot be
	// shared, and fails in one unless it deals with that itself.
	whole bool
	// one is the function itself, if it makes one output of one item: what run does
	// for a chunk of one.
	one func(context.Context, A) (B, error)
	// lets: the items are let go when run is through with them, and with them their
	// block, which the source may use again.
	lets bool
	// close ends the worker's state.
	close func() error
}

// fatalError ends a call at the place where it happened.
type fatalError struct{ error }

func (e fatalError) Unwrap() error { return e.error }

// mapping is the kernel of Map and Imap.
func mapping[A, B any](fn func(context.Context, A) (B, error)) func() kernel[A, B] {
	run := func(w *worker[A, B]) error {
		ctx, c, items, out := w.ctx, w.c, w.items, w.job.out.Items
		k := w.from
		for i := w.pos; i < w.stop; i++ {
			w.pos = i
			b, err := fn(ctx, items[i])
			if err != nil {
				return err
			}
			out[k] = b
			k++
			if c.attention.Load() != 0 && w.attend(i+1) {
				w.pos = i + 1
				return errYield
			}
		}
		w.pos = w.stop
		return nil
	}
	return func() kernel[A, B] { return kernel[A, B]{run: run, exact: true, one: fn} }
}

// filtering is the kernel of FilterMap.
func filtering[A, B any](fn func(context.Context, A) (B, bool, error)) func() kernel[A, B] {
	run := func(w *worker[A, B]) error {
		for i := w.pos; i < w.stop; i++ {
			w.pos = i
			b, keep, err := fn(w.ctx, w.items[i])
			if err != nil {
				return err
			}
			if keep {
				w.job.out.Items = append(w.job.out.Items, b)
			} else {
				w.m.Filtered++
			}
			if w.c.attention.Load() != 0 && w.attend(i+1) {
				w.pos = i + 1
				return errYield
			}
		}
		w.pos = w.stop
		return nil
	}
	return func() kernel[A, B] { return kernel[A, B]{run: run} }
}

// expanding is the kernel of FlatMap. What an item emitted before it failed is
// dropped.
func expanding[A, B any](fn func(context.Context, A, func(B)) error) func() kernel[A, B] {
	return func() kernel[A, B] {
		var w *worker[A, B]
		emit := func(b B) { w.job.out.Items = append(w.job.out.Items, b) }
		return kernel[A, B]{run: func(worker *worker[A, B]) error {
			w = worker
			for i := w.pos; i < w.stop; i++ {
				w.pos = i
				w.mark = len(w.job.out.Items)
				if err := fn(w.ctx, w.items[i], emit); err != nil {
					return err
				}
				if n := len(w.job.out.Items) - w.mark; n == 0 {
					w.m.Filtered++
				} else {
					w.m.Expanded += int64(n - 1)
				}
				w.mark = len(w.job.out.Items)
				if w.c.attention.Load() != 0 && w.attend(i+1) {
					w.pos = i + 1
					return errYield
				}
			}
			w.pos = w.stop
			return nil
		}}
	}
}

// bulk is the kernel of MapChunks.
func bulk[A, B any](fn func(context.Context, []A) ([]B, error)) func() kernel[A, B] {
	run := func(w *worker[A, B]) error {
		in := w.items[w.pos:w.stop:w.stop]
		out, err := fn(w.ctx, in)
		if err != nil {
			return err
		}
		w.job.out.Items = append(w.job.out.Items, out...)
		if d := len(in) - len(out); d > 0 {
			w.m.Filtered += int64(d)
		} else {
			w.m.Expanded -= int64(d)
		}
		w.pos = w.stop
		return nil
	}
	return func() kernel[A, B] { return kernel[A, B]{run: run, whole: true} }
}

// folding is the kernel of Reduce: it keeps the items in the worker.
func folding[A, Acc any](newAcc func() Acc, step func(context.Context, Acc, A) (Acc, error)) func(keep func(Acc)) func() kernel[A, struct{}] {
	return func(keep func(Acc)) func() kernel[A, struct{}] {
		return func() kernel[A, struct{}] { return newFolding(newAcc, step, keep) }
	}
}

func newFolding[A, Acc any](newAcc func() Acc, step func(context.Context, Acc, A) (Acc, error), keep func(Acc)) kernel[A, struct{}] {
	var acc Acc
	begun := false
	return kernel[A, struct{}]{
		lets: true,
		run: func(w *worker[A, struct{}]) error {
			if !begun {
				acc, begun = newAcc(), true
			}
			from := w.pos
			defer func() { w.m.Merged += int64(w.pos - from) }()
			for i := from; i < w.stop; i++ {
				w.pos = i
				next, err := step(w.ctx, acc, w.items[i])
				if err != nil {
					return err
				}
				acc = next
				if w.c.attention.Load() != 0 && w.attend(i+1) {
					w.pos = i + 1
					return errYield
				}
			}
			w.pos = w.stop
			return nil
		},
		close: func() error {
			if begun {
				keep(acc)
			}
			return nil
		},
	}
}

// stateful is the kernel of ImapWith. The state is made when the worker meets
// its first item, and again after recycle items.
func stateful[S, A, B any](newState func(context.Context) (S, error), fn func(context.Context, S, A) (B, error), recycle int) func() kernel[A, B] {
	return func() kernel[A, B] {
		var state S
		made, used := false, 0
		closeState := func() error {
			if !made {
				return nil
			}
			made, used = false, 0
			old := state
			var zero S
			state = zero
			if c, ok := any(old).(io.Closer); ok {
				return c.Close()
			}
			return nil
		}
		return kernel[A, B]{
			exact: true,
			run: func(w *worker[A, B]) error {
				k := w.from
				for i := w.pos; i < w.stop; i++ {
					w.pos = i
					if recycle > 0 && used >= recycle {
						if err := w.guarded(closeState); err != nil {
							return fatalError{err}
						}
					}
					if !made {
						if err := w.guarded(func() (err error) { state, err = newState(w.ctx); return err }); err != nil {
							return fatalError{err}
						}
						made = true
					}
					used++
					b, err := fn(w.ctx, state, w.items[i])
					if err != nil {
						return err
					}
					w.job.out.Items[k] = b
					k++
					if w.c.attention.Load() != 0 && w.attend(i+1) {
						w.pos = i + 1
						return errYield
					}
				}
				w.pos = w.stop
				return nil
			},
			close: closeState,
		}
	}
}

// room grows the slice by n items whose values do not matter.
func room[T any](s []T, n int) []T { return slices.Grow(s, n)[:len(s)+n] }

// job is one pulled chunk on its way through the pool: what goes into the ring
// under its ticket. When its tail was shared, the parts hang behind it.
type job[A, B any] struct {
	out    stage.Chunk[B]
	ticket uint64
	base   int64              // index of its first item, or -1 if only the order will tell
	n      int                // items that entered
	held   held               // what it holds of the budget
	failed []*stage.ItemError // failures whose index lacks the base
	fatal  error              // ends the call behind this job
	next   *job[A, B]         // the part behind this one
	lane   *lane[A, B]        // whose items it has, if the call bounds them per key
}
