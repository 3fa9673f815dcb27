package stage

import (
	"context"
	"errors"

	"github.com/penstock-go/penstock/internal/plan"
)

// releases reports whether the kernel has something to hand on by itself. A stream
// that is told to stop is not at its end: what is held belongs to the next run.
func (l *loop[A, B]) releases() bool {
	if l.holds == nil || l.released {
		return false
	}
	return l.ticks || l.end != nil && !errors.Is(l.end, ErrStopped)
}

// release makes a chunk of what the kernel hands on by itself.
func (l *loop[A, B]) release(into *Chunk[B], max Limit) {
	room := min(max.Room(), maxChunk)
	if cap(into.Items) < room {
		into.Items = make([]B, 0, room)
	}
	out := into.Items[:room]
	l.at.out = 0
	if l.holds.release(l.end, out, &l.at) {
		l.ticks, l.released = false, l.end != nil
	}
	into.Items = out[:l.at.out]
	sent(l.m, into)
}

// fetchTimed is the pull of fetch for a kernel that looks at a clock: it is given up
// when the kernel has something to hand on.
func (l *loop[A, B]) fetchTimed(ctx context.Context, max Limit) error {
	clock := l.timed.clock()
	pull := ctx
	if at, ever := l.timed.due(); ever {
		if !at.After(clock.Now()) {
			l.in.Reset()
			l.ticks = true
			return nil
		}
		until, stop := endingAt(ctx, clock, at)
		defer stop()
		pull = until
	}
	err := l.upstream.Pull(pull, &l.in, max)
	if len(l.in.Items) > 0 {
		l.timed.arrived(clock.Now())
	}
	switch {
	case err == nil:
	case ctx.Err() == nil && gaveUp(pull, err):
		l.ticks = true
	case gaveUp(ctx, err):
		return err
	default:
		l.end = err
	}
	return nil
}

// folded counts an output that several items became, of which fresh came in since the
// output before; the others came in a run before this one, or have been counted.
func folded(m *plan.Meter, fresh int) {
	if fresh == 0 {
		m.Expanded++
		return
	}
	m.Merged += int64(fresh) - 1
}
