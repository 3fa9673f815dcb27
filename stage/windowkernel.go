package stage

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/penstock-go/penstock/internal/plan"
)

// longAgo is the watermark before the first item.
const longAgo = math.MinInt64

// frame is where windows are, in nanoseconds. A step of 0 means sessions with a gap of
// size.
type frame struct{ size, step int64 }

// window is one that is open, or that is kept for late items.
type window[K comparable, Acc any] struct {
	key        K
	start, end int64
	acc        Acc
	items      int64
	fresh      int   // items since it came last, in this run
	updates    int   // how often it came
	kept       bool  // it has come, and nothing was added since
	due        int64 // when it comes, or goes if it is kept
	number     int64 // in the order in which windows were opened
	place      int   // in the heap
}

// windowKey finds a window that is no session.
type windowKey[K comparable] struct {
	key   K
	start int64
}

// windows is the kernel of Tumbling, Sliding and Session.
type windows[A any, K comparable, Acc any] struct {
	frame
	when TimeOf[A]
	key  func(A) K
	fold Fold[A, Acc]
	late func(A)
	cfg  windowConfig
	m    *plan.Meter

	open      map[windowKey[K]]*window[K, Acc]
	sessions  map[K][]*window[K, Acc] // by start
	queue     queue[K, Acc]
	last      *window[K, Acc] // that of the last item, if it is no session
	watermark int64
	next      int64 // number of the next window
	now       int64 // arrival of the chunk
	placed    bool  // the item at hand is in its windows
}

func (k *windows[A, K, Acc]) run(_ context.Context, items []A, out []WindowResult[K, Acc], c *cursor) error {
	for c.in < len(items) && c.out < len(out) {
		if !k.placed {
			if err := k.put(items[c.in]); err != nil {
				return err
			}
			k.placed = true
		}
		if !k.fire(k.watermark, out, c) {
			return nil
		}
		k.placed = false
		c.in++
	}
	return nil
}

// put adds an item to its windows and moves the watermark.
func (k *windows[A, K, Acc]) put(a A) error {
	t := max(k.now, k.watermark)
	if k.when.at != nil {
		at := k.when.at(a)
		if y := at.Year(); y < 1800 || y > 2150 {
			return fmt.Errorf("event time %v: want one from 1800 to 2150", at)
		}
		t = at.UnixNano()
	}
	key := k.key(a)
	var found bool
	var err error
	if k.step > 0 {
		found, err = k.putAligned(a, key, t)
	} else {
		found, err = k.putSession(a, key, t)
	}
	if err != nil {
		return err
	}
	if !found {
		return k.isLate(a)
	}
	k.m.Expanded-- // each window counted one
	k.watermark = max(k.watermark, minus(t, int64(k.when.disorder)))
	return nil
}

func (k *windows[A, K, Acc]) isLate(a A) error {
	if k.late != nil {
		k.late(a)
	}
	k.m.Late++
	if k.cfg.fails {
		return ErrLate
	}
	k.m.Filtered++
	return nil
}

// gone reports whether a window that ends at end is not kept any more.
func (k *windows[A, K, Acc]) gone(end int64) bool {
	return plus(end, int64(k.cfg.lateness)) <= k.watermark
}

func (k *windows[A, K, Acc]) putAligned(a A, key K, t int64) (found bool, err error) {
	latest := t - (t%k.step+k.step)%k.step
	for start := latest - (k.size-1-(t-latest))/k.step*k.step; start <= latest; start += k.step {
		if k.gone(start + k.size) {
			continue
		}
		w := k.last
		if w == nil || w.start != start || w.key != key {
			w = k.open[windowKey[K]{key, start}]
		}
		if w == nil {
			if w, err = k.begin(a, key, start, start+k.size); err != nil {
				return false, err
			}
			k.open[windowKey[K]{key, start}] = w
		} else if err = k.add(w, a); err != nil {
			return false, err
		}
		k.last = w
		found = true
	}
	return found, nil
}

func (k *windows[A, K, Acc]) putSession(a A, key K, t int64) (found bool, err error) {
	all := k.sessions[key]
	end := t + k.size
	// Those that overlap are all[i:j].
	i, _ := slices.BinarySearchFunc(all, t, func(w *window[K, Acc], t int64) int {
		if w.end <= t {
			return -1
		}
		return 1
	})
	j := i
	for j < len(all) && all[j].start < end {
		j++
	}
	if i == j {
		if k.gone(end) {
			return false, nil
		}
		w, err := k.begin(a, key, t, end)
		if err == nil {
			k.sessions[key] = slices.Insert(all, i, w)
		}
		return err == nil, err
	}
	w := all[i]
	if err := k.add(w, a); err != nil {
		return false, err
	}
	for _, o := range all[i+1 : j] {
		if w.acc, err = k.fold.Merge(w.acc, o.acc); err != nil {
			return false, fatal{fmt.Errorf("merge of two sessions of %v: %w", key, err)}
		}
		w.items += o.items
		w.fresh += o.fresh
		w.updates = max(w.updates, o.updates)
		w.end = o.end
		heap.Remove(&k.queue, o.place)
	}
	w.start, w.end = min(w.start, t), max(w.end, end)
	k.schedule(w)
	k.sessions[key] = slices.Delete(all, i+1, j)
	return true, nil
}

// begin opens a window for its first item.
func (k *windows[A, K, Acc]) begin(a A, key K, start, end int64) (*window[K, Acc], error) {
	if len(k.queue) >= k.cfg.most {
		return nil, fatal{fmt.Errorf("more than %d open windows (see MaxWindows)", k.cfg.most)}
	}
	acc, err := k.fold.Add(k.fold.New(), a)
	if err != nil {
		return nil, err
	}
	w := &window[K, Acc]{key: key, start: start, end: end, acc: acc, items: 1, fresh: 1, due: end, number: k.next}
	k.next++
	k.m.Expanded++
	heap.Push(&k.queue, w)
	return w, nil
}

// add puts an item into a window that there is.
func (k *windows[A, K, Acc]) add(w *window[K, Acc], a A) error {
	acc, err := k.fold.Add(w.acc, a)
	if err != nil {
		return err
	}
	w.acc = acc
	w.items++
	w.fresh++
	k.m.Expanded++
	if w.kept {
		k.schedule(w)
	}
	return nil
}

// schedule lets a window that changed come at its end.
func (k *windows[A, K, Acc]) schedule(w *window[K, Acc]) {
	w.kept, w.due = false, w.end
	heap.Fix(&k.queue, w.place)
}

// fire hands on the windows that are due at a time. It reports whether there was room.
func (k *windows[A, K, Acc]) fire(at int64, out []WindowResult[K, Acc], c *cursor) bool {
	for len(k.queue) > 0 && k.queue[0].due <= at {
		w := k.queue[0]
		if !w.kept {
			if c.out == len(out) {
				return false
			}
			out[c.out] = WindowResult[K, Acc]{
				Key: w.key, Start: time.Unix(0, w.start).UTC(), End: time.Unix(0, w.end).UTC(),
				Value: w.acc, Items: w.items, Update: w.updates,
			}
			c.out++
			folded(k.m, w.fresh)
			w.fresh, w.kept = 0, true
			w.updates++
			w.due = plus(w.end, int64(k.cfg.lateness))
		}
		if w.due > at {
			heap.Fix(&k.queue, 0)
		} else {
			heap.Pop(&k.queue)
			k.forget(w)
		}
	}
	return true
}

// forget lets go of a window.
func (k *windows[A, K, Acc]) forget(w *window[K, Acc]) {
	if k.last == w {
		k.last = nil
	}
	if k.step > 0 {
		delete(k.open, windowKey[K]{w.key, w.start})
		return
	}
	all := k.sessions[w.key]
	if len(all) == 1 {
		delete(k.sessions, w.key)
		return
	}
	i := slices.Index(all, w)
	k.sessions[w.key] = slices.Delete(all, i, i+1)
}

// release implements holding.
func (k *windows[A, K, Acc]) release(end error, out []WindowResult[K, Acc], c *cursor) bool {
	switch end {
	case nil:
		return k.fire(k.watermark, out, c)
	case io.EOF:
		return k.fire(math.MaxInt64, out, c)
	}
	return true
}

// arrivals are windows by the clock.
type arrivals[A any, K comparable, Acc any] struct{ *windows[A, K, Acc] }

func (k arrivals[A, K, Acc]) clock() Clock { return k.when.clock }

func (k arrivals[A, K, Acc]) arrived(now time.Time) { k.now = now.UnixNano() }

func (k arrivals[A, K, Acc]) due() (time.Time, bool) {
	if len(k.queue) == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, k.queue[0].due), true
}

// release implements holding.
func (k arrivals[A, K, Acc]) release(end error, out []WindowResult[K, Acc], c *cursor) bool {
	if end == nil {
		k.watermark = max(k.watermark, k.when.clock.Now().UnixNano())
	}
	return k.windows.release(end, out, c)
}

// plus is a + b for a b that is not negative, or the latest time there is.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// minus is a - b for a b that is not negative, or the earliest time there is.
func minus(a, b int64) int64 {
	if a < math.MinInt64+b {
		return math.MinInt64
	}
	return a - b
}

// queue is a heap of windows: the one that is due first at the top.
type queue[K comparable, Acc any] []*window[K, Acc]

// Len implements heap.Interface.
func (q queue[K, Acc]) Len() int { return len(q) }

// Less implements heap.Interface.
func (q queue[K, Acc]) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].due, q[j].due), cmp.Compare(q[i].number, q[j].number)) < 0
}

// Swap implements heap.Interface.
func (q queue[K, Acc]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *queue[K, Acc]) Push(w any) {
	n := w.(*window[K, Acc]) //nolint:forcetypeassert // by begin
	n.place = len(*q)
	*q = append(*q, n)
}

// Pop implements heap.Interface.
func (q *queue[K, Acc]) Pop() any {
	n := len(*q) - 1
	w := (*q)[n]
	(*q)[n] = nil
	*q = (*q)[:n]
	return w
}
