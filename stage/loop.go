package stage

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/penstock-go/penstock/internal/plan"
)

// maxChunk is the most items that an operator or terminal asks for or makes at
// a time by its own choice.
const maxChunk = 1024

// cursor is where a kernel is in the slices that it works on.
type cursor struct {
	in  int // items dealt with: the item that the user's function is looking at
	out int // outputs made
}

// kernel is what an operator does with the items of a chunk. All else is the
// loop's that drives it.
type kernel[A, B any] interface {
	// run takes items[c.in:] and writes what they make to out[c.out:], until
	// either is used up: it neither looks at an item when there is no room for
	// an output, nor leaves one behind that it has handed on whole. c is exact
	// whenever a user's function runs. An error is that of items[c.in], which
	// leaves nothing in out.
	run(ctx context.Context, items []A, out []B, c *cursor) error
}

// shape is what the loop must know of a kernel.
type shape uint8

const (
	exact   shape = 1 << iota // each item that does not fail makes one output
	expands                   // an item may make several outputs; the kernel counts
	retains                   // outputs may be views of earlier blocks
	sure                      // its errors never come of a context that ended
	counts                    // an item makes one output at most; the kernel counts nevertheless
)

// holding is a kernel that keeps items and makes outputs of them by itself, at the
// end of the stream or, if it is timed, when a time has come. It takes out of its state
// what it hands on.
type holding[B any] interface {
	// release writes to out[c.out:] until it is used up or nothing is left to hand on,
	// and reports the latter. end is why the stream ended, nil if it goes on. Nothing
	// that a user gave runs in it.
	release(end error, out []B, c *cursor) (done bool)
}

// timed is a holding kernel that looks at a clock.
type timed interface {
	clock() Clock
	// arrived tells when the chunk came whose items run next.
	arrived(now time.Time)
	// due is when release is to be called though nothing comes, if ever.
	due() (at time.Time, ever bool)
}

// fatal is an error of a kernel or a gatherer that ends the stream.
type fatal struct{ error }

// loop drives a kernel: it pulls chunks and cuts them into runs of items
// between upstream's errors, keeps to the limit, puts errors in their places,
// moves tokens and blocks, and counts. It makes each chunk from one input chunk
// and keeps what found no room; a run that is given up goes on with the item
// that it stopped at.
type loop[A, B any] struct {
	upstream[A]
	k     kernel[A, B]
	shape shape
	in    Chunk[A]
	at    cursor     // in: items of the chunk dealt with; out: outputs in the chunk that is being made
	errs  int        // errors of the chunk handed on
	base  int64      // items that came in before the chunk
	split bool       // the chunk goes out in several
	task  *plan.Task // where the item at hand is noted, if the run is watched
	end   error      // upstream's, sticky

	holds    holding[B] // k, if it is one
	timed    timed      // likewise
	ticks    bool       // its time has come
	released bool       // it has handed on all that it held at the end
}

func newLoop[A, B any](up upstream[A], k kernel[A, B], s shape) *loop[A, B] {
	l := &loop[A, B]{upstream: up, k: k, shape: s, task: up.m.Probe.Task()}
	l.holds, _ = k.(holding[B])
	l.timed, _ = k.(timed)
	return l
}

// Pull implements Puller.
func (l *loop[A, B]) Pull(ctx context.Context, into *Chunk[B], max Limit) error {
	into.Reset()
	for {
		if l.drained() && l.end != nil && !l.releases() {
			return l.end
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if l.drained() && l.releases() {
			if l.release(into, max); !into.Empty() {
				return nil
			}
			continue
		}
		if l.drained() {
			if err := l.fetch(ctx, max); err != nil {
				if l.drained() {
					l.account(into)
				}
				return err
			}
		}
		err := l.work(ctx, into, max)
		switch {
		case err != nil:
			return err
		case l.drained() && l.end != nil && !l.releases():
			return l.end
		case !into.Empty():
			return nil
		}
	}
}

// drained reports whether the input chunk is done with.
func (l *loop[A, B]) drained() bool {
	return l.at.in == len(l.in.Items) && l.errs == len(l.in.Errors)
}

// fetch pulls the next input chunk. Its error says that the pull was given up;
// what came nevertheless waits for the next one.
func (l *loop[A, B]) fetch(ctx context.Context, max Limit) error {
	if l.shape&expands != 0 {
		max.Items = l.wanted(min(max.Room(), maxChunk))
	}
	l.base += int64(len(l.in.Items))
	l.at.in, l.errs, l.split = 0, 0, false
	if l.timed != nil {
		return l.fetchTimed(ctx, max)
	}
	err := l.upstream.Pull(ctx, &l.in, max)
	if err != nil && gaveUp(ctx, err) {
		return err
	}
	l.end = err
	return nil
}

// wanted is how many items are enough to fill room outputs, going by how many
// the items so far have made. The first pull asks for one.
func (l *loop[A, B]) wanted(room int) int {
	came := l.base + int64(len(l.in.Items))
	switch made := l.m.Out; {
	case came == 0:
		return 1
	case made <= came:
		return room
	default:
		return max(1, int(int64(room)*came/made))
	}
}

// work makes a chunk from what the input chunk still holds. Its error says that
// the function failed because the pull was given up.
func (l *loop[A, B]) work(ctx context.Context, into *Chunk[B], max Limit) error {
	in := &l.in
	room := len(in.Items) - l.at.in
	if l.shape&expands != 0 {
		room = min(max.Room(), maxChunk)
	} else if max.Items > 0 {
		room = min(room, max.Items)
	}
	out := slices.Grow(into.Items, room)[:room]
	l.at.out = 0
	var gone error
	for gone == nil {
		stop := len(in.Items)
		for ; l.errs < len(in.Errors); l.errs++ {
			e := in.Errors[l.errs]
			if e.Before > l.at.in && l.at.in < len(in.Items) {
				stop = min(stop, e.Before)
				break
			}
			e.Before = l.at.out
			into.Errors = append(into.Errors, e)
		}
		if l.at.in == len(in.Items) || l.at.out == room {
			break
		}
		if l.task != nil { // one at a time, so that the one at hand is known
			stop = min(stop, l.at.in+1)
			l.task.Begin(plan.Running, placeOf(l.base+int64(l.at.in), in.locate(l.at.in, l.errs)))
		}
		before := l.at
		err := l.call(ctx, in.Items[:stop], out)
		l.task.Done()
		if l.shape&(expands|counts) == 0 {
			l.m.Filtered += int64(l.at.in - before.in - (l.at.out - before.out))
		}
		if err != nil {
			if gone = context.Cause(ctx); l.shape&sure != 0 {
				gone = nil
			}
			if gone == nil {
				if f, ends := err.(fatal); ends { //nolint:errorlint // only the kernel's own word
					l.abort(f.error)
				} else {
					l.fail(into, err)
				}
			}
		}
	}
	into.Items = out[:l.at.out]
	if l.drained() {
		if !l.split && l.shape&retains == 0 {
			into.Block = in.Block
		}
		in.Block = nil
		l.account(into)
		into.Partial = in.Partial
	} else {
		into.Partial = true
	}
	l.split = true
	sent(l.m, into)
	return gone
}

// account copies the tokens of the input chunk, which is done with.
func (l *loop[A, B]) account(into *Chunk[B]) { into.Tokens = append(into.Tokens, l.in.Tokens...) }

// call runs the kernel and turns a panic into an error.
func (l *loop[A, B]) call(ctx context.Context, items []A, out []B) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return l.k.run(ctx, items, out, &l.at)
}

// fail puts the failure of the item at hand in its place and steps over it.
func (l *loop[A, B]) fail(into *Chunk[B], err error) {
	e := failure(l.m.Node.Label(), &l.in, l.at.in, l.errs, l.base, err)
	e.Before = l.at.out
	into.Errors = append(into.Errors, e)
	l.m.Failed++
	l.at.in++
}

// abort ends the stream at the item at hand, for a reason of the kernel's. The chunk's
// tokens do not go out: what they account for is not done.
func (l *loop[A, B]) abort(err error) {
	l.end = fmt.Errorf("%s: %w", l.m.Node.Label(), err)
	l.in.Items, l.in.Errors = l.in.Items[:l.at.in], l.in.Errors[:l.errs]
	l.in.Tokens, l.in.Partial = nil, true
}

// failure is the error of a chunk's item: errs errors stand before it in the
// chunk, base items came before the chunk.
func failure[T any](stage string, c *Chunk[T], i, errs int, base int64, err error) *ItemError {
	e := &ItemError{Stage: stage, Index: base + int64(i), Input: c.Items[i], At: c.locate(i, errs), Err: err}
	if p, ok := err.(*PanicError); ok { //nolint:errorlint // only the panic of this very call
		e.Stack = p.Stack
	}
	return e
}

// Remaining implements Sized for stages that make one item of one.
func (l *loop[A, B]) Remaining() (int64, bool) {
	if l.shape&exact == 0 {
		return 0, false
	}
	n, known := l.remaining()
	return n + int64(len(l.in.Items)-l.at.in), known
}

// Close implements Puller. It is idempotent.
func (l *loop[A, B]) Close() error {
	if l.closed {
		return nil
	}
	l.m.Settle()
	l.end, l.released = io.EOF, true
	l.in, l.at, l.errs = Chunk[A]{}, cursor{}, 0
	return l.upstream.Close()
}
