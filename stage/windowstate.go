package stage

import (
	"cmp"
	"container/heap"
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
		s.Windows = append(s.Windows, savedWindow[K, Acc]{w.key, w.start, w.end, w.acc, w.items, w.updates, w.kept})
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
			key: was.Key, start: was.Start, end: was.End, acc: was.Value, items: was.Items,
			updates: was.Updates, kept: was.Kept, due: was.End, number: k.next,
		}
		k.next++
		if w.kept {
			w.due = plus(w.end, int64(k.cfg.lateness))
		}
		if err := k.enter(w); err != nil {
			return err
		}
		heap.Push(&k.queue, w)
	}
	return nil
}

// enter puts a window that was saved where its key finds it.
func (k *windows[A, K, Acc]) enter(w *window[K, Acc]) error {
	if k.step > 0 {
		at := windowKey[K]{w.key, w.start}
		if k.open[at] != nil {
			return fmt.Errorf("two windows of %v: JSON does not tell their keys apart", w.key)
		}
		k.open[at] = w
		return nil
	}
	all := k.sessions[w.key]
	i, _ := slices.BinarySearchFunc(all, w.start, func(o *window[K, Acc], start int64) int { return cmp.Compare(o.start, start) })
	if i > 0 && all[i-1].end > w.start || i < len(all) && all[i].start < w.end {
		return fmt.Errorf("two sessions of %v overlap: JSON does not tell their keys apart", w.key)
	}
	k.sessions[w.key] = slices.Insert(all, i, w)
	return nil
}
