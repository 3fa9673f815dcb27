package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"unsafe"

	"github.com/penstock-go/penstock/internal/spill"
)

// groupRuns are the parts of groups in temporary files. Those of a file are sorted by
// their keys, if these have an order, and then by their hashes; those of a later file
// came later.
type groupRuns[K comparable, Acc any] struct {
	ctx   context.Context // of the run
	dir   string
	share int64 // bytes of groups in memory
	block int   // bytes of a file's block
	fanIn int   // files that are merged at once
	seed  maphash.Seed
	codec *spill.Codec[group[K, Acc]]
	order func(a, b K) int
	merge func(a, b Acc) (Acc, error)

	came     int64 // groups in files; those that are in several count again
	list     []*sortRun[group[K, Acc]]
	arranged []*sortRun[group[K, Acc]] // whole groups in the order in which they came
}

func newGroupRuns[K comparable, Acc any](
	ctx context.Context, cfg spillConfig, codec *spill.Codec[group[K, Acc]], order func(a, b K) int, merge func(a, b Acc) (Acc, error),
) *groupRuns[K, Acc] {
	block, fanIn := cfg.merging()
	return &groupRuns[K, Acc]{
		ctx: ctx, dir: cfg.dir, share: max(cfg.memory/4*3, 1), block: block, fanIn: fanIn,
		seed: maphash.MakeSeed(), codec: codec, order: order, merge: merge,
	}
}

// byKey is the order of files.
func (r *groupRuns[K, Acc]) byKey(a, b group[K, Acc]) int {
	if r.order != nil {
		if c := r.order(a.key, b.key); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.hash, b.hash)
}

func bySeq[K comparable, Acc any](a, b group[K, Acc]) int { return cmp.Compare(a.seq, b.seq) }

// push writes what next gives, until io.EOF, to a new file. Before that it merges
// files if they have become many. When it fails nothing has changed.
func (r *groupRuns[K, Acc]) push(ctx context.Context, next func() (group[K, Acc], error)) error {
	for crowded(r.list, r.fanIn) {
		if err := r.compact(ctx, &r.list, r.fanIn, r.folded); err != nil {
			return err
		}
	}
	run, err := r.write(ctx, next)
	if err == nil {
		r.list = append(r.list, run)
	}
	return err
}

// crowded reports whether the last n runs were merged equally often, so that the number
// of files grows with the logarithm of the input only.
func crowded[T any](runs []*sortRun[T], n int) bool {
	return len(runs) >= n && runs[len(runs)-n].level == runs[len(runs)-1].level
}

// compact makes one file of the last n.
func (r *groupRuns[K, Acc]) compact(
	ctx context.Context, runs *[]*sortRun[group[K, Acc]], n int,
	open func([]*sortRun[group[K, Acc]]) (func() (group[K, Acc], error), error),
) error {
	first := len(*runs) - n
	old := (*runs)[first:]
	next, err := open(old)
	if err != nil {
		return err
	}
	run, err := r.write(ctx, next)
	if err != nil {
		return err
	}
	for _, o := range old {
		run.level = max(run.level, o.level+1)
		err = errors.Join(err, o.file.Close())
	}
	*runs = append((*runs)[:first], run)
	return err
}

// write writes what next gives, until io.EOF, to a new file.
func (r *groupRuns[K, Acc]) write(ctx context.Context, next func() (group[K, Acc], error)) (_ *sortRun[group[K, Acc]], err error) {
	file, err := spill.Create(r.ctx, r.dir, "groupby", r.block)
	if err != nil {
		return nil, err
	}
	written := false
	defer func() { // also when next panics
		if !written {
			err = withClose(err, file.Close())
		}
	}()
	for n := 0; ; n++ {
		if n%checked == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		g, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := file.Append(func(dst []byte) ([]byte, error) { return r.codec.Append(dst, &g) }); err != nil {
			return nil, err
		}
	}
	if err := file.Finish(); err != nil {
		return nil, err
	}
	written = true
	return &sortRun[group[K, Acc]]{file: file}, nil
}

// merged merges all files. When ctx ends it is called again and goes on.
func (r *groupRuns[K, Acc]) merged(ctx context.Context) (func() (group[K, Acc], error), error) {
	if r.order == nil && len(r.list) > 0 {
		if err := r.arrange(ctx); err != nil {
			return nil, err
		}
	}
	if r.order == nil {
		if err := r.narrow(ctx, &r.arranged, r.inTurn); err != nil {
			return nil, err
		}
		return r.inTurn(r.arranged)
	}
	if err := r.narrow(ctx, &r.list, r.folded); err != nil {
		return nil, err
	}
	return r.folded(r.list)
}

// narrow merges files until all that are left can be merged at once.
func (r *groupRuns[K, Acc]) narrow(
	ctx context.Context, runs *[]*sortRun[group[K, Acc]],
	open func([]*sortRun[group[K, Acc]]) (func() (group[K, Acc], error), error),
) error {
	for len(*runs) > r.fanIn {
		if err := r.compact(ctx, runs, min(r.fanIn, len(*runs)-r.fanIn+1), open); err != nil {
			return err
		}
	}
	return nil
}

// arrange merges all files into others, whose groups are whole and in the order in which
// they came.
func (r *groupRuns[K, Acc]) arrange(ctx context.Context) error {
	if err := r.narrow(ctx, &r.list, r.folded); err != nil {
		return err
	}
	if err := closeRuns(&r.arranged); err != nil { // of one that was given up
		return err
	}
	next, err := r.folded(r.list)
	if err != nil {
		return err
	}
	for ended := false; !ended; {
		var all []group[K, Acc]
		all, ended, err = r.fill(ctx, next)
		if err != nil {
			return err
		}
		slices.SortFunc(all, bySeq)
		for crowded(r.arranged, r.fanIn) {
			if err := r.compact(ctx, &r.arranged, r.fanIn, r.inTurn); err != nil {
				return err
			}
		}
		run, err := r.write(ctx, func() (g group[K, Acc], err error) {
			if len(all) == 0 {
				return g, io.EOF
			}
			g, all = all[0], all[1:]
			return g, nil
		})
		if err != nil {
			return err
		}
		r.arranged = append(r.arranged, run)
	}
	return closeRuns(&r.list)
}

// fill takes as many groups as fit into memory.
func (r *groupRuns[K, Acc]) fill(ctx context.Context, next func() (group[K, Acc], error)) (all []group[K, Acc], ended bool, err error) {
	place := int64(2 * unsafe.Sizeof(group[K, Acc]{}))
	for held := int64(0); held < r.share; {
		if len(all)%checked == 0 && ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		g, err := next()
		if err == io.EOF {
			return all, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		g.raw = nil
		all = append(all, g)
		held += place + int64(r.codec.Size(&g))
	}
	return all, false, nil
}

// inTurn merges files of whole groups.
func (r *groupRuns[K, Acc]) inTurn(runs []*sortRun[group[K, Acc]]) (func() (group[K, Acc], error), error) {
	m, err := newSortMerge(runs, r.codec, bySeq)
	if err != nil {
		return nil, err
	}
	return m.next, nil
}

// folded merges files and the parts of their groups.
func (r *groupRuns[K, Acc]) folded(runs []*sortRun[group[K, Acc]]) (func() (group[K, Acc], error), error) {
	m, err := newSortMerge(runs, r.codec, r.byKey)
	if err != nil {
		return nil, err
	}
	f := &groupMerge[K, Acc]{parts: m, byKey: r.byKey, merge: r.merge}
	return f.next, nil
}

func closeRuns[T any](runs *[]*sortRun[T]) (err error) {
	for _, r := range *runs {
		err = errors.Join(err, r.file.Close())
	}
	*runs = nil
	return err
}

func (r *groupRuns[K, Acc]) close() error {
	return errors.Join(closeRuns(&r.list), closeRuns(&r.arranged))
}

// groupMerge puts the parts of groups together. Those of a key have the same hash; other
// keys may have it too.
type groupMerge[K comparable, Acc any] struct {
	parts *sortMerge[group[K, Acc]]
	byKey func(a, b group[K, Acc]) int
	merge func(a, b Acc) (Acc, error)
	whole []group[K, Acc] // the groups of a hash
	at    int             // of these handed on
	ahead []group[K, Acc] // none or one: the first part of the next hash
	end   error
}

func (m *groupMerge[K, Acc]) next() (g group[K, Acc], err error) {
	if m.at == len(m.whole) {
		m.gather()
	}
	if m.at == len(m.whole) {
		return g, m.end
	}
	m.at++
	return m.whole[m.at-1], nil
}

// gather collects all parts of the next hash.
func (m *groupMerge[K, Acc]) gather() {
	m.whole, m.at = append(m.whole[:0], m.ahead...), 0
	m.ahead = m.ahead[:0]
	for m.end == nil {
		p, err := m.parts.next()
		if err != nil {
			m.end = err
			break
		}
		if len(m.whole) > 0 && m.byKey(m.whole[0], p) != 0 {
			m.ahead = append(m.ahead, p)
			return
		}
		m.end = m.put(p)
	}
	if m.end != io.EOF {
		m.whole = m.whole[:0] // one may lack a part
	}
}

// put adds a part to its group.
func (m *groupMerge[K, Acc]) put(p group[K, Acc]) error {
	for i := range m.whole {
		w := &m.whole[i]
		if !w.same(&p) {
			continue
		}
		acc, err := m.merge(w.acc, p.acc)
		if err != nil {
			return fmt.Errorf("key %v: merge: %w", w.key, err)
		}
		w.acc, w.seq = acc, min(w.seq, p.seq)
		return nil
	}
	m.whole = append(m.whole, p)
	return nil
}
