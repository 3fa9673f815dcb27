package stage

import (
	"context"
	"io"
	"sync/atomic"
	"unsafe"

	"github.com/penstock-go/penstock/internal/losertree"
	"github.com/penstock-go/penstock/internal/spill"
)

// sortBuffer holds items until they are sorted, and then the run that they are.
type sortBuffer[T any] struct {
	seq   int // its place among the runs
	items []T
	spare []T // half as many, to merge in
	arena spill.Arena
	extra int // bytes on the items, beside those of the arena
}

// held is how many bytes the buffer takes.
func (b *sortBuffer[T]) held() int64 {
	return int64(len(b.items)+len(b.items)/2)*int64(unsafe.Sizeof(*new(T))) + int64(b.extra+b.arena.Held())
}

func (b *sortBuffer[T]) reset() {
	clear(b.items)
	clear(b.spare)
	b.items, b.extra = b.items[:0], 0
	b.arena.Reset()
}

// insertion is how many items are sorted by insertion.
const insertion = 12

// checked is how many items are sorted between two looks at the flag that says that
// nobody wants them.
const checked = 4096

// sortStable sorts the buffer's items by merging. It gives up, and leaves them in any
// order, when stop is set.
func (b *sortBuffer[T]) sortStable(cmp func(a, b T) int, stop *atomic.Bool) {
	n := len(b.items)
	if len(b.spare) < n/2 {
		b.spare = make([]T, n/2+n/64)
	}
	mergeSort(b.items, b.spare, cmp, stop)
}

// mergeSort sorts items, with spare, of half as many, to work in. Halves that follow each other are not
// merged, so that what is sorted already takes one comparison an item.
func mergeSort[T any](items, spare []T, cmp func(a, b T) int, stop *atomic.Bool) {
	if len(items) <= insertion {
		for i := 1; i < len(items); i++ {
			v := items[i]
			j := i
			for j > 0 && cmp(v, items[j-1]) < 0 {
				items[j] = items[j-1]
				j--
			}
			items[j] = v
		}
		return
	}
	if len(items) >= checked && stop.Load() {
		return
	}
	mid := len(items) / 2
	mergeSort(items[:mid], spare, cmp, stop)
	mergeSort(items[mid:], spare, cmp, stop)
	if cmp(items[mid-1], items[mid]) <= 0 {
		return
	}
	// Only the left half moves out of the way.
	left, right := spare[:mid], items[mid:]
	copy(left, items[:mid])
	i, j := 0, 0
	for k := range items {
		if cmp(right[j], left[i]) < 0 {
			items[k] = right[j]
			if j++; j == len(right) {
				copy(items[k+1:], left[i:])
				return
			}
		} else {
			items[k] = left[i]
			if i++; i == len(left) {
				return // the rest of the right half is in its place
			}
		}
	}
}

// sortRun is a sorted run: items in memory, or in a file.
type sortRun[T any] struct {
	items []T
	file  *spill.File
	level int // how often it was merged
}

// write writes the buffer's items to a new file.
func (b *sortBuffer[T]) write(file *spill.File, codec *spill.Codec[T], stop *atomic.Bool) error {
	for i := range b.items {
		v := &b.items[i]
		if err := file.Append(func(dst []byte) ([]byte, error) { return codec.Append(dst, v) }); err != nil {
			return err
		}
		if i%checked == 0 && stop.Load() {
			return context.Canceled
		}
	}
	return file.Finish()
}

// sortMerge merges runs.
type sortMerge[T any] struct {
	runs  []*sortRun[T]
	codec *spill.Codec[T]
	tree  *losertree.Tree[T]
	slot  T // what is being encoded or decoded
	err   error
}

// newSortMerge begins to merge; equal items come in the order of the runs.
func newSortMerge[T any](runs []*sortRun[T], codec *spill.Codec[T], cmp func(a, b T) int) (*sortMerge[T], error) {
	m := &sortMerge[T]{runs: runs, codec: codec, tree: losertree.New(len(runs), cmp)}
	for i, r := range runs {
		if r.file != nil {
			if err := r.file.Rewind(!codec.Views); err != nil {
				return nil, err
			}
		}
		v, err := m.read(r)
		if err == io.EOF {
			continue
		}
		if err != nil {
			return nil, err
		}
		m.tree.Set(i, v)
	}
	m.tree.Init()
	return m, nil
}

// read takes the next item of a run.
func (m *sortMerge[T]) read(r *sortRun[T]) (v T, err error) {
	if r.file == nil {
		if len(r.items) == 0 {
			return v, io.EOF
		}
		v, r.items = r.items[0], r.items[1:]
		return v, nil
	}
	record, err := r.file.Next()
	if err != nil {
		return v, err
	}
	var zero T
	m.slot = zero
	if err = m.codec.Decode(record, &m.slot); err != nil {
		return v, r.file.Explain(err)
	}
	return m.slot, nil
}

// next takes the least item of all; io.EOF comes after the last.
func (m *sortMerge[T]) next() (v T, err error) {
	if m.err != nil {
		return v, m.err
	}
	i, ok := m.tree.Winner()
	if !ok {
		return v, io.EOF
	}
	v = m.tree.Head()
	after, err := m.read(m.runs[i])
	switch err {
	case nil:
		m.tree.Replace(after)
	case io.EOF:
		m.tree.End()
	default:
		m.err = err // behind v
	}
	return v, nil
}

// mergeInto writes what the runs hold to one file.
func (m *sortMerge[T]) mergeInto(file *spill.File, stop *atomic.Bool) error {
	for n := 0; ; n++ {
		v, err := m.next()
		if err == io.EOF {
			return file.Finish()
		}
		if err != nil {
			return err
		}
		m.slot = v
		if err := file.Append(func(dst []byte) ([]byte, error) { return m.codec.Append(dst, &m.slot) }); err != nil {
			return err
		}
		if n%checked == 0 && stop.Load() {
			return context.Canceled
		}
	}
}
