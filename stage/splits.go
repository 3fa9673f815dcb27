package stage

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/internal/plan"
)

// splitsOf checks the splits that plans which run together have branches of, and
// returns them: each branch must be there once, and no stage may read two streams in
// turns that hold each other back through splits, as it would wait for itself.
func splitsOf(plans ...*plan.Node) ([]*plan.Split, error) {
	f := splitFinder{
		places: map[*plan.Split][]int{}, above: map[*plan.Split][]*plan.Split{}, group: map[*plan.Split]*plan.Split{},
		labels: map[*plan.Split]string{},
	}
	for _, n := range plans {
		f.visit(n)
	}
	for _, s := range f.found {
		for i, n := range f.places[s] {
			switch {
			case n == 0:
				return nil, fmt.Errorf(
					"stage: %s: no stream of the run reads branch %d (of %d, from 0): run all of them together, with RunAll",
					f.labels[s], i, s.Branches)
			case n > 1:
				return nil, fmt.Errorf("stage: %s: branch %d is read %d times in the run: a branch has one reader", f.labels[s], i, n)
			}
		}
	}
	return f.found, f.failed
}

// splitFinder walks plans.
type splitFinder struct {
	found  []*plan.Split
	places map[*plan.Split][]int         // how often each branch is read
	above  map[*plan.Split][]*plan.Split // a split and those that its input reads
	labels map[*plan.Split]string
	group  map[*plan.Split]*plan.Split // union-find of those that a stage reads in turns
	failed error
}

// visit returns the splits that a node reads.
func (f *splitFinder) visit(n *plan.Node) []*plan.Split {
	if s := n.Split; s != nil {
		if f.places[s] == nil {
			f.found = append(f.found, s)
			f.labels[s] = n.Label()
			f.places[s] = make([]int, s.Branches)
			f.above[s] = append([]*plan.Split{s}, f.visit(n.Inputs[0])...)
		}
		f.places[s][n.Branch]++
		return f.above[s]
	}
	var reads []*plan.Split
	for _, in := range n.Inputs {
		of := f.visit(in)
		if !n.Ahead && len(reads) > 0 && len(of) > 0 {
			f.join(n, reads, of)
		}
		reads = append(reads, of...)
	}
	return reads
}

// join notes that a node reads two streams in turns.
func (f *splitFinder) join(n *plan.Node, a, b []*plan.Split) {
	groups := map[*plan.Split]bool{}
	for _, s := range a {
		groups[f.groupOf(s)] = true
	}
	for _, s := range b {
		if groups[f.groupOf(s)] && f.failed == nil {
			f.failed = fmt.Errorf(
				"stage: %s reads streams in turns that branches of %s hold back: the run could wait for itself; use Merge",
				n.Label(), f.labels[s])
		}
	}
	first := f.groupOf(a[0])
	for _, s := range append(a[1:len(a):len(a)], b...) {
		f.group[f.groupOf(s)] = first
	}
	delete(f.group, first)
}

func (f *splitFinder) groupOf(s *plan.Split) *plan.Split {
	for f.group[s] != nil {
		s = f.group[s]
	}
	return s
}

// splittings are the splits of a run that a stream or RunAll has begun.
type splittings []boundSplit

type boundSplit struct {
	plan.Splitting
	branches int
}

// withSplits returns a context in which the branches of plans that run together find
// each other. Those that ctx has already are a run's that this is a part of.
func withSplits(ctx context.Context, plans ...*plan.Node) (context.Context, splittings, error) {
	begins := false
	for _, n := range plans {
		begins = begins || hasNewSplit(ctx, n)
	}
	if !begins {
		return ctx, nil, nil
	}
	found, err := splitsOf(plans...)
	if err != nil {
		return nil, nil, err
	}
	var begun splittings
	for _, s := range found {
		if ctx.Value(plan.SplitKey{Split: s}) == nil {
			b := boundSplit{s.Start(), s.Branches}
			begun = append(begun, b)
			ctx = context.WithValue(ctx, plan.SplitKey{Split: s}, b.Splitting) //nolint:fatcontext // one for each
		}
	}
	for _, b := range begun {
		b.Bind(ctx)
	}
	return ctx, begun, nil
}

func hasNewSplit(ctx context.Context, n *plan.Node) bool {
	if n.Split != nil && ctx.Value(plan.SplitKey{Split: n.Split}) == nil {
		return true
	}
	for _, in := range n.Inputs {
		if hasNewSplit(ctx, in) {
			return true
		}
	}
	return false
}

// skip lets go of the branches that were not opened.
func (b splittings) skip() error {
	var err error
	for _, s := range b {
		for i := range s.branches {
			err = withClose(err, s.Skip(i))
		}
	}
	return err
}

// skipBranches lets go of those branches in a plan that were not opened.
func skipBranches(ctx context.Context, n *plan.Node) error {
	if n.Split != nil {
		if s, ok := ctx.Value(plan.SplitKey{Split: n.Split}).(plan.Splitting); ok {
			return s.Skip(n.Branch)
		}
		return nil
	}
	var err error
	for _, in := range n.Inputs {
		err = withClose(err, skipBranches(ctx, in))
	}
	return err
}

// splitPuller is an opened stream that has all branches of its splits.
type splitPuller[T any] struct {
	Puller[T]
	splits splittings
}

// Close implements Puller.
func (p *splitPuller[T]) Close() error { return withClose(p.Puller.Close(), p.splits.skip()) }
