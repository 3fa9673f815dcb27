package stage

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// plainWindow is a window of the model.
type plainWindow struct {
	key, start, end int
	items           []int
	updates         int
	came            bool
	number          int
}

// plainWindows is what windows are, in seconds, done by looking at all of them each time.
type plainWindows struct {
	op                   string
	size, step, disorder int // step 0: sessions
	lateness             int
	fails                bool
}

func (p plainWindows) stream(w *world, in Stream[int]) Stream[string] {
	when := EventTime(func(v int) time.Time { return time.Unix(int64(v), 0) }, time.Duration(p.disorder)*time.Second)
	key := func(v int) int {
		w.passed()
		return v % 3
	}
	fold := Fold[int, []int]{
		New: func() []int { return nil },
		Add: func(acc []int, v int) ([]int, error) {
			if err := fate(v); err != nil {
				return nil, err
			}
			return append(slices.Clone(acc), v), nil
		},
		Merge: func(a, b []int) ([]int, error) { return slices.Concat(a, b), nil },
	}
	opts := []WindowOption{AllowedLateness(time.Duration(p.lateness) * time.Second)}
	if p.fails {
		opts = append(opts, FailLate())
	}
	size, step := time.Duration(p.size)*time.Second, time.Duration(p.step)*time.Second
	var out Stream[WindowResult[int, []int]]
	switch p.op {
	case "Tumbling":
		out = Tumbling(in, when, size, key, fold, opts...)
	case "Sliding":
		out = Sliding(in, when, size, step, key, fold, opts...)
	case "Session":
		out = Session(in, when, size, key, fold, opts...)
	}
	return Map(out, Pure(func(r WindowResult[int, []int]) string {
		if int(r.Items) != len(r.Value) {
			panic("items and value differ")
		}
		return fmt.Sprint(r.Key, r.Start.Unix(), r.End.Unix(), r.Value, r.Update)
	}))
}

// model runs the plain windows; whole says whether the stream ended by itself.
func (p plainWindows) model(whole bool) func([]event) []string {
	return func(events []event) (out []string) {
		var all []*plainWindow
		watermark, number := -1<<40, 0
		fire := func() {
			for {
				var due *plainWindow
				for _, w := range all {
					if !w.came && w.end <= watermark && (due == nil || cmp.Or(cmp.Compare(w.end, due.end), cmp.Compare(w.number, due.number)) < 0) {
						due = w
					}
				}
				if due == nil {
					break
				}
				out = append(out, fmt.Sprint(due.key, due.start, due.end, due.items, due.updates))
				due.came = true
				due.updates++
			}
			all = slices.DeleteFunc(all, func(w *plainWindow) bool { return w.end+p.lateness <= watermark })
		}
		index := int64(-1)
		for i, e := range events {
			if e.err != nil {
				out = append(out, failed("script", int64(i), e.err))
				continue
			}
			index++
			v := e.item
			starts := []int{v}
			if p.step > 0 {
				starts = nil
				for s := -200 * p.step; s <= v; s += p.step {
					if v < s+p.size {
						starts = append(starts, s)
					}
				}
			}
			found, err := false, error(nil)
			for _, s := range starts {
				in := slices.IndexFunc(all, func(w *plainWindow) bool {
					if p.step > 0 {
						return w.key == v%3 && w.start == s
					}
					return w.key == v%3 && w.start < v+p.size && v < w.end
				})
				if in < 0 && s+p.size+p.lateness <= watermark {
					continue
				}
				if err = fateOf(v); err != nil {
					break
				}
				found = true
				if in < 0 {
					all = append(all, &plainWindow{key: v % 3, start: s, end: s + p.size, items: []int{v}, number: number})
					number++
					continue
				}
				w := all[in]
				if p.step == 0 { // the earliest that overlaps, and all others into it
					var overlap []*plainWindow
					for _, o := range all {
						if o.key == v%3 && o.start < v+p.size && v < o.end {
							overlap = append(overlap, o)
						}
					}
					slices.SortFunc(overlap, func(a, b *plainWindow) int { return cmp.Compare(a.start, b.start) })
					w = overlap[0]
					w.items = append(slices.Clone(w.items), v)
					w.start, w.end = min(w.start, v), max(w.end, v+p.size)
					for _, o := range overlap[1:] {
						w.items = append(w.items, o.items...)
						w.end = max(w.end, o.end)
						w.updates = max(w.updates, o.updates)
						all = slices.DeleteFunc(all, func(x *plainWindow) bool { return x == o })
					}
				} else {
					w.items = append(slices.Clone(w.items), v)
				}
				w.came = false
			}
			switch {
			case err != nil:
				out = append(out, failed(p.op, index, err))
				continue
			case !found && p.fails:
				out = append(out, failed(p.op, index, ErrLate))
			case found:
				watermark = max(watermark, v-p.disorder)
			}
			fire()
		}
		if whole {
			watermark = 1 << 40
			fire()
		}
		return out
	}
}

// windowOperators are the windows of event time, beside the model.
func windowOperators() []operator {
	var ops []operator
	for _, p := range []plainWindows{
		{op: "Tumbling", size: 10, step: 10},
		{op: "Tumbling", size: 7, step: 7, disorder: 15, fails: true},
		{op: "Tumbling", size: 10, step: 10, disorder: 5, lateness: 20},
		{op: "Sliding", size: 10, step: 4, disorder: 8},
		{op: "Sliding", size: 9, step: 3, lateness: 10, fails: true},
		{op: "Session", size: 6, disorder: 20},
		{op: "Session", size: 10, disorder: 5, lateness: 15, fails: true},
	} {
		ops = append(ops, keepsCase(p.op, p.stream, p.model(true), p.model(false)))
	}
	return ops
}
