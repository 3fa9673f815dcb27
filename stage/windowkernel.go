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

// Event times are from earliest to before latest, in seconds since 1970.
const (
	earliest = -5364662400 // 1800-01-01
	latest   = 5711817600  // 2151-01-01
)

// frame is where windows are, in nanoseconds. A step of 0 means sessions with a gap of
// size.
type frame struct{ size, step int64 }

// lane has the windows of a key.
type lane[K comparable, Acc any] struct {
	key  K
	open []*window[K, Acc] // by start, and so by end; never empty
}

// after is where the first window is that ends after t.
func (l *lane[K, Acc]) after(t int64) int {
	last := len(l.open) - 1
	if w := l.open[last]; w.start <= t { // as a rule
		if w.end <= t {
			return last + 1
		}
		if last == 0 || l.open[last-1].end <= t {
			return last
		}
	}
	i, _ := slices.BinarySearchFunc(l.open, t, func(w *window[K, Acc], t int64) int {
		if w.end <= t {
			return -1
		}
		return 1
	})
	return i
}

// reuse is what is used again, so that what comes and goes all the time costs no memory.
type reuse[T any] []*T

const maxReuse = 1 << 10

func (s *reuse[T]) take() *T {
	last := len(*s) - 1
	if last < 0 {
		return new(T)
	}
	v := (*s)[last]
	*s = (*s)[:last]
	return v
}

func (s *reuse[T]) put(v *T) {
	if len(*s) < maxReuse {
		*s = append(*s, v)
	}
}

// window is one that is open, or that is kept for late items.
type window[K comparable, Acc any] struct {
	lane       *lane[K, Acc]
	start, end int64
	acc        Acc
	items      int64
	fresh      int   // items since it came last, in this run
	updates    int   // how often it came
	kept       bool  // it has come, and nothing was added since
	due        int64 // when it comes, or goes if it is kept; of a session that grew since, earlier
	number     int64 // in the order in which windows were opened
	place      int   // in the heap
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

	lanes     map[K]*lane[K, Acc]
	last      *lane[K, Acc] // that of the last item, or nil
	queue     queue[K, Acc]
	unused    reuse[window[K, Acc]]
	empty     reuse[lane[K, Acc]]
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
		if len(k.queue) > 0 && k.queue[0].due <= k.watermark && !k.fire(k.watermark, out, c) {
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
		seconds := at.Unix()
		if seconds < earliest || seconds >= latest {
			return fmt.Errorf("event time %v: want one from 1800 to 2150", at)
		}
		t = seconds*int64(time.Second) + int64(at.Nanosecond())
	}
	key := k.key(a)
	l := k.last
	if l == nil || l.key != key {
		l = k.lanes[key]
		k.last = l
	}
	var found bool
	var err error
	if k.step > 0 {
		found, err = k.putAligned(l, a, key, t)
	} else {
		found, err = k.putSession(l, a, key, t)
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

// putAligned puts an item into windows of fixed places. l is nil if its key has none.
func (k *windows[A, K, Acc]) putAligned(l *lane[K, Acc], a A, key K, t int64) (found bool, err error) {
	last := t - (t%k.step+k.step)%k.step
	start := last
	if k.size > k.step {
		start -= (k.size - 1 - (t - last)) / k.step * k.step
	}
	i := 0
	if l != nil {
		i = l.after(start + k.size - 1)
	}
	for ; start <= last; start += k.step {
		if k.gone(start + k.size) {
			continue
		}
		for l != nil && i < len(l.open) && l.open[i].start < start {
			i++
		}
		if l != nil && i < len(l.open) && l.open[i].start == start {
			err = k.add(l.open[i], a)
		} else {
			l, err = k.begin(l, i, a, key, start, start+k.size)
		}
		if err != nil {
			return false, err
		}
		found = true
	}
	return found, nil
}

// putSession puts an item into a session. l is nil if its key has none.
func (k *windows[A, K, Acc]) putSession(l *lane[K, Acc], a A, key K, t int64) (found bool, err error) {
	end := t + k.size
	// Those that overlap are l.open[i:j].
	i, j := 0, 0
	if l != nil {
		i = l.after(t)
		for j = i; j < len(l.open) && l.open[j].start < end; {
			j++
		}
	}
	if i == j {
		if k.gone(end) {
			return false, nil
		}
		_, err = k.begin(l, i, a, key, t, end)
		return err == nil, err
	}
	w := l.open[i]
	if err := k.add(w, a); err != nil {
		return false, err
	}
	for _, o := range l.open[i+1 : j] {
		if w.acc, err = k.fold.Merge(w.acc, o.acc); err != nil {
			return false, fatal{fmt.Errorf("merge of two sessions of %v: %w", key, err)}
		}
		w.items += o.items
		w.fresh += o.fresh
		w.updates = max(w.updates, o.updates)
		w.end = o.end
		heap.Remove(&k.queue, o.place)
	}
	if j > i+1 {
		l.open = slices.Delete(l.open, i+1, j)
	}
	w.start, w.end = min(w.start, t), max(w.end, end)
	return true, nil
}

// begin opens a window for its first item, at l.open[i]. It returns l, or what is to be it.
func (k *windows[A, K, Acc]) begin(l *lane[K, Acc], i int, a A, key K, start, end int64) (*lane[K, Acc], error) {
	if len(k.queue) >= k.cfg.most {
		return l, fatal{fmt.Errorf("more than %d open windows (see MaxWindows)", k.cfg.most)}
	}
	acc, err := k.fold.Add(k.fold.New(), a)
	if err != nil {
		return l, err
	}
	k.m.Expanded++
	w := k.unused.take()
	*w = window[K, Acc]{start: start, end: end, acc: acc, items: 1, fresh: 1, due: end}
	return k.enter(l, i, key, w), nil
}

// enter makes a window one of those that are open, at l.open[i]. It returns l, or what is to be it.
func (k *windows[A, K, Acc]) enter(l *lane[K, Acc], i int, key K, w *window[K, Acc]) *lane[K, Acc] {
	if l == nil {
		l = k.empty.take()
		l.key = key
		if itself(key) {
			k.lanes[key] = l
			k.last = l
		}
	}
	w.lane = l
	l.open = slices.Insert(l.open, i, w)
	w.number = k.next
	k.next++
	heap.Push(&k.queue, w)
	return l
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
		w.kept = false
		k.schedule(w, w.end)
	}
	return nil
}

// schedule lets a window come, or go, at a time.
func (k *windows[A, K, Acc]) schedule(w *window[K, Acc], due int64) {
	w.due = due
	heap.Fix(&k.queue, w.place)
}

// fire hands on the windows that are due at a time. It reports whether there was room.
func (k *windows[A, K, Acc]) fire(at int64, out []WindowResult[K, Acc], c *cursor) bool {
	for len(k.queue) > 0 && k.queue[0].due <= at {
		w := k.queue[0]
		if !w.kept {
			if w.end > w.due {
				k.schedule(w, w.end)
				continue
			}
			if c.out == len(out) {
				return false
			}
			out[c.out] = WindowResult[K, Acc]{
				Key: w.lane.key, Start: time.Unix(0, w.start).UTC(), End: time.Unix(0, w.end).UTC(),
				Value: w.acc, Items: w.items, Update: w.updates,
			}
			c.out++
			folded(k.m, w.fresh)
			w.fresh, w.kept = 0, true
			w.updates++
			if gone := plus(w.end, int64(k.cfg.lateness)); gone > at {
				k.schedule(w, gone)
				continue
			}
		}
		heap.Pop(&k.queue)
		k.forget(w)
	}
	return true
}

// forget lets go of a window.
func (k *windows[A, K, Acc]) forget(w *window[K, Acc]) {
	l := w.lane
	i := slices.Index(l.open, w)
	l.open = slices.Delete(l.open, i, i+1)
	*w = window[K, Acc]{}
	k.unused.put(w)
	if len(l.open) > 0 {
		return
	}
	delete(k.lanes, l.key)
	if k.last == l {
		k.last = nil
	}
	var none K
	l.key = none
	k.empty.put(l)
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
