package stage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// windowsState is what a checkpoint holds of Tumbling, Sliding and Session.
type windowsState[K comparable, Acc any] struct {
	Watermark int64                 `json:"watermark"` // nanoseconds since 1970, as all times here
	Windows   []savedWindow[K, Acc] `json:"windows"`   // in the order in which they were opened
}

type savedWindow[K comparable, Acc any] struct {
	Key     K     `json:"key"`
	Start   int64 `json:"start"`
	End     int64 `json:"end"`
	Value   Acc   `json:"value"`
	Items   int64 `json:"items"`
	Updates int   `json:"updates,omitzero"`
	Kept    bool  `json:"kept,omitzero"`
}

// SaveState implements Stateful: the windows that are open, and the watermark.
func (k *windows[A, K, Acc]) SaveState() (json.RawMessage, error) {
	all := slices.SortedFunc(slices.Values(k.queue), func(a, b *window[K, Acc]) int { return cmp.Compare(a.number, b.number) })
	s := windowsState[K, Acc]{Watermark: k.watermark, Windows: make([]savedWindow[K, Acc], 0, len(all))}
	for _, w := range all {
		s.Windows = append(s.Windows, savedWindow[K, Acc]{w.lane.key, w.start, w.end, w.acc, w.items, w.updates, w.kept})
	}
	return json.Marshal(s)
}

// RestoreState implements Stateful.
func (k *windows[A, K, Acc]) RestoreState(state json.RawMessage) error {
	var s windowsState[K, Acc]
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	k.watermark = s.Watermark
	for _, was := range s.Windows {
		w := &window[K, Acc]{
			start: was.Start, end: was.End, acc: was.Value, items: was.Items, updates: was.Updates, kept: was.Kept, due: was.End,
		}
		if w.kept {
			w.due = plus(w.end, int64(k.cfg.lateness))
		}
		l, i := k.lanes[was.Key], 0
		if l != nil {
			i, _ = slices.BinarySearchFunc(l.open, w.start, func(o *window[K, Acc], start int64) int { return cmp.Compare(o.start, start) })
			if k.clash(l, i, w) {
				return fmt.Errorf("two windows of %v are one: JSON does not tell their keys apart", was.Key)
			}
		}
		k.enter(l, i, was.Key, w)
	}
	return nil
}

// clash reports whether a window cannot be beside those that it would be put between.
func (k *windows[A, K, Acc]) clash(l *lane[K, Acc], i int, w *window[K, Acc]) bool {
	if k.step > 0 {
		return i < len(l.open) && l.open[i].start == w.start
	}
	return i > 0 && l.open[i-1].end > w.start || i < len(l.open) && l.open[i].start < w.end
}
