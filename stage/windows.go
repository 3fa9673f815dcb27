package stage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// WindowResult is what Tumbling, Sliding and Session make of the items of a key in a
// window, which reaches from Start to before End, in UTC.
type WindowResult[K comparable, V any] struct {
	Key        K
	Start, End time.Time
	Value      V     // the fold's accumulator
	Items      int64 // how many items are in it
	Update     int   // how often the window came before: see AllowedLateness
}

// TimeOf says what time an item has: EventTime or ArrivalTime.
type TimeOf[A any] struct {
	at       func(A) time.Time // nil: the clock's
	disorder time.Duration
	clock    Clock
}

// EventTime is the time that items carry. They may come out of order by up to disorder:
// the watermark, the time before which nothing is expected any more, is the latest time
// so far less disorder, as the bounded out-of-orderness of Flink and the Dataflow model.
// It moves with items only, so a stream that is idle leaves its windows open. An item
// whose time is before 1800 or after 2150 becomes an *ItemError. EventTime panics if at
// is nil or disorder is negative.
func EventTime[A any](at func(A) time.Time, disorder time.Duration) TimeOf[A] {
	notNil(at == nil, "stage.EventTime: at")
	notNegative(disorder, "stage.EventTime: disorder")
	return TimeOf[A]{at: at, disorder: disorder}
}

// ArrivalTime is the time at which items come, the processing time: that at which their
// chunk was pulled. The watermark is the clock, so no item is late, and windows come in
// time also when no item does: the pull of the input is given up for it, as by
// BatchWait. It panics if an option, of which there is OnClock, is nil.
func ArrivalTime[A any](opts ...TimeOption) TimeOf[A] {
	return TimeOf[A]{clock: clockOf("stage.ArrivalTime", opts)}
}

// Tumbling is the stream of the folded items of each key and window of size. Windows
// follow each other without a gap, from multiples of size since 1970-01-01 UTC on.
//
// A window comes as soon as the watermark has reached its end; at the end of the stream
// all that are open come. If several are due they come in the order of their
// ends, then in that in which their first items came. Windows without items do not come.
// If the input fails, or the run is told to stop, open windows do not come. A key that
// does not equal itself, such as NaN, has a window of its own for each item. An
// item that comes when its window is gone is late: it is dropped and counted as
// filtered, unless OnLate or FailLate say otherwise; StageSummary.Late says how many were.
//
// The windows that are open are held beyond the in-flight budget, MaxWindows of them at
// most. They, and the watermark, are saved with a checkpoint, as JSON, which must give
// keys and accumulators back as they were. The functions of fold and key run in
// whoever pulls; an item for which they fail or panic becomes an *ItemError.
//
// Tumbling panics if when is the zero value, size is not positive or more than 100 years,
// key, an option or a function of fold is nil, or OnLate has another type of item.
func Tumbling[A any, K comparable, Acc any](in Stream[A], when TimeOf[A], size time.Duration, key func(A) K, fold Fold[A, Acc], opts ...WindowOption) Stream[WindowResult[K, Acc]] {
	checkSpan("stage.Tumbling: size", size)
	return windowed("Tumbling", fmt.Sprintf("of %v", size), in, frame{size: int64(size), step: int64(size)}, when, key, fold, opts)
}

// Sliding is Tumbling with a window of size beginning at every multiple of step, so
// that an item is in about size/step of them. An item for which the fold fails in one of
// its windows stays in those that began before. Sliding also panics if step is not
// positive or is more than size.
func Sliding[A any, K comparable, Acc any](in Stream[A], when TimeOf[A], size, step time.Duration, key func(A) K, fold Fold[A, Acc], opts ...WindowOption) Stream[WindowResult[K, Acc]] {
	checkSpan("stage.Sliding: size", size)
	checkSpan("stage.Sliding: step", step)
	if step > size {
		panic(fmt.Sprintf("penstock: stage.Sliding: step is %v, want at most %v, which size is", step, size))
	}
	detail := fmt.Sprintf("of %v, step %v", size, step)
	return windowed("Sliding", detail, in, frame{size: int64(size), step: int64(step)}, when, key, fold, opts)
}

// Session is Tumbling with windows that end when a key has had no item for gap: each item
// opens a window from its time to gap later, and windows of a key that overlap are one.
// Where a late-coming item joins two, their accumulators are merged, that of the earlier
// window first; a Merge that fails ends the stream. Session panics as Tumbling
// does, about gap instead of size.
func Session[A any, K comparable, Acc any](in Stream[A], when TimeOf[A], gap time.Duration, key func(A) K, fold Fold[A, Acc], opts ...WindowOption) Stream[WindowResult[K, Acc]] {
	checkSpan("stage.Session: gap", gap)
	return windowed("Session", fmt.Sprintf("gap %v", gap), in, frame{size: int64(gap)}, when, key, fold, opts)
}

// ErrLate is why FailLate fails an item.
var ErrLate = errors.New("late: its window is gone")

// WindowOption is a setting of Tumbling, Sliding and Session. The interface is sealed.
type WindowOption interface{ applyWindow(*windowConfig) }

type windowConfig struct {
	lateness time.Duration
	late     any // a func(A), or nil
	fails    bool
	most     int
}

type windowOption func(*windowConfig)

func (o windowOption) applyWindow(c *windowConfig) { o(c) }

// AllowedLateness keeps windows for d after they came. An item that comes for one by
// then makes it come again, with that item, at once; WindowResult.Update counts. Where the
// fold's Add changes an accumulator in place, it then changes that of the earlier
// result: such a result must be used before the next is pulled. The default is 0. It
// panics if d is negative.
func AllowedLateness(d time.Duration) WindowOption {
	notNegative(d, "stage.AllowedLateness: d")
	return windowOption(func(c *windowConfig) { c.lateness = d })
}

// OnLate makes windows call fn with each item that is late, before the next item. It is
// filtered then; if fn panics it becomes an *ItemError. OnLate panics if fn is nil.
func OnLate[A any](fn func(A)) WindowOption {
	notNil(fn == nil, "stage.OnLate: fn")
	return windowOption(func(c *windowConfig) { c.late = fn })
}

// FailLate makes each late item an *ItemError with ErrLate, so that the run's policy
// deals with it: DeadLetter gives it a place.
func FailLate() WindowOption { return windowOption(func(c *windowConfig) { c.fails = true }) }

// DefaultMaxWindows is how many windows may be open if MaxWindows does not say.
const DefaultMaxWindows = 1 << 20

// MaxWindows is how many windows, of all keys, may be open at once, counting those that
// AllowedLateness keeps. The stream fails at the first item that needs one more. The
// default is DefaultMaxWindows. It panics if n is less than 1.
func MaxWindows(n int) WindowOption {
	notBelow(1, n, "stage.MaxWindows: n")
	return windowOption(func(c *windowConfig) { c.most = n })
}

// maxSpan bounds the length of windows, so that their ends are times.
const maxSpan = 100 * 365 * 24 * time.Hour

func checkSpan(what string, d time.Duration) {
	if d <= 0 || d > maxSpan {
		panic(fmt.Sprintf("penstock: %s is %v, want more than 0 and at most 100 years", what, d))
	}
}

// windowed makes the stage of each kind of windows.
func windowed[A any, K comparable, Acc any](
	op, detail string, in Stream[A], f frame, when TimeOf[A], key func(A) K, fold Fold[A, Acc], opts []WindowOption,
) Stream[WindowResult[K, Acc]] {
	who := "stage." + op
	notNil(when.at == nil && when.clock == nil, who+": when")
	notNil(key == nil, who+": key")
	fold.Check(who)
	cfg := windowConfig{most: DefaultMaxWindows}
	for _, o := range opts {
		notNil(o == nil, who+": option")
		o.applyWindow(&cfg)
	}
	late, ok := cfg.late.(func(A))
	if !ok && cfg.late != nil {
		panic(fmt.Sprintf("penstock: %s: OnLate has a %T, want a %T", who, cfg.late, late))
	}
	if when.at == nil {
		detail += ", by arrival"
	} else {
		detail += fmt.Sprintf(", disorder %v", when.disorder)
	}
	if cfg.lateness > 0 {
		detail += fmt.Sprintf(", lateness %v", cfg.lateness)
	}
	return keeping(op, detail, in, func(_ context.Context, up upstream[A]) (Puller[WindowResult[K, Acc]], error) {
		k := &windows[A, K, Acc]{
			frame: f, when: when, key: key, fold: fold, late: late, cfg: cfg, m: up.m, watermark: longAgo,
			lanes: map[K]*lane[K, Acc]{},
		}
		if when.at == nil {
			return newLoop(up, arrivals[A, K, Acc]{k}, expands|retains|sure), nil
		}
		return newLoop(up, k, expands|retains|sure), nil
	})
}
