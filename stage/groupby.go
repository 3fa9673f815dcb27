package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/penstock-go/penstock/internal/spill"
)

// DefaultMaxKeys is how many keys GroupBy holds when MaxKeys does not say.
const DefaultMaxKeys = 1 << 20

// ErrTooManyKeys is what GroupBy ends with, wrapped, when there are more keys than MaxKeys.
var ErrTooManyKeys = errors.New("too many keys")

// GroupOption sets the bound of GroupBy, and the order of its output.
type GroupOption interface{ applyGroup(*groupConfig) }

type groupConfig struct {
	maxKeys int
	sort    any // func(a, b K) int, nil: by first arrival
}

type groupOption func(*groupConfig)

func (o groupOption) applyGroup(c *groupConfig) { o(c) }

// MaxKeys is how many keys GroupBy holds in memory; one more ends the stream with
// ErrTooManyKeys. 0 means DefaultMaxKeys. MaxKeys panics if n is negative.
func MaxKeys(n int) GroupOption {
	notBelow(0, n, "stage.MaxKeys: n")
	return groupOption(func(c *groupConfig) { c.maxKeys = n })
}

// ByKey puts the groups in the order of their keys; the default is that of the first item
// of each. K is GroupBy's type of keys, which panics otherwise.
func ByKey[K cmp.Ordered]() GroupOption {
	return groupOption(func(c *groupConfig) { c.sort = cmp.Compare[K] })
}

// ByKeyFunc is ByKey with an order of one's own. It panics if cmp is nil.
func ByKeyFunc[K any](cmp func(a, b K) int) GroupOption {
	notNil(cmp == nil, "stage.ByKeyFunc: cmp")
	return groupOption(func(c *groupConfig) { c.sort = cmp })
}

// GroupBy is the stream of the keys of in, each with the fold of its items in the order
// in which they arrive. The groups come when the input has ended, in the order of their
// first items (see ByKey). In memory are one accumulator a key, beyond the in-flight
// budget, of at most MaxKeys keys; strings in keys are copied. For more keys than fit into memory sort by the key
// first (see Sort), or fold them in pieces.
//
// Failed items pass at once, ahead of the first group. An item at which key or fold.Add
// fails or panics becomes an *ItemError and is in no group, provided that Add left the
// accumulator as it was. Keys that do not equal themselves, such as NaN, are a group for
// each item. If the input fails, or the run is told to stop, GroupBy ends with that error
// and without groups. A run with a checkpoint refuses it: its accumulators have no form
// that could be saved. GroupBy panics if key or a function of fold is nil.
func GroupBy[A any, K comparable, Acc any](
	in Stream[A], key func(A) K, fold Fold[A, Acc], opts ...GroupOption,
) Stream[Pair[K, Acc]] {
	notNil(key == nil, "stage.GroupBy: key")
	fold.Check("stage.GroupBy")
	cfg := groupConfig{maxKeys: DefaultMaxKeys}
	for _, o := range opts {
		notNil(o == nil, "stage.GroupBy: option")
		o.applyGroup(&cfg)
	}
	if cfg.maxKeys == 0 {
		cfg.maxKeys = DefaultMaxKeys
	}
	order, ok := cfg.sort.(func(a, b K) int)
	if cfg.sort != nil && !ok {
		panic(fmt.Sprintf("penstock: stage.GroupBy: ByKey is for keys of another type: %T", cfg.sort))
	}
	// A type of keys that has no codec is no view of strings alone, and stays as it is.
	codec, _ := spill.Of[K]()
	return keeping("GroupBy", "", in, func(_ context.Context, up upstream[A]) (Puller[Pair[K, Acc]], error) {
		g := &grouping[A, K, Acc]{key: key, fold: fold, maxKeys: cfg.maxKeys, order: order, own: codec.Own}
		g.at, g.label = map[K]int{}, up.m.Node.Label()
		return &gathering[A, Pair[K, Acc]]{upstream: up, g: g}, nil
	})
}

// grouping folds the items of each key.
type grouping[A any, K comparable, Acc any] struct {
	key     func(A) K
	fold    Fold[A, Acc]
	maxKeys int
	order   func(a, b K) int
	label   string
	own     func(*K, *spill.Arena) // copies what a key is a view of; nil if there is nothing
	arena   spill.Arena
	at      map[K]int // the places of keys in groups
	groups  []Pair[K, Acc]
	left    []Pair[K, Acc] // not handed on yet
}

func (g *grouping[A, K, Acc]) add(_ context.Context, v A) error {
	k := g.key(v)
	i, ok := g.at[k]
	if ok {
		acc, err := g.fold.Add(g.groups[i].Second, v)
		if err == nil {
			g.groups[i].Second = acc
		}
		return err
	}
	return g.found(k, v)
}

// found begins a group.
func (g *grouping[A, K, Acc]) found(k K, v A) error {
	if len(g.groups) >= g.maxKeys {
		return fatal{fmt.Errorf("%s: %w: more than %d", g.label, ErrTooManyKeys, g.maxKeys)}
	}
	acc, err := g.fold.Add(g.fold.New(), v)
	if err != nil {
		return err
	}
	if g.own != nil {
		g.own(&k, &g.arena)
	}
	g.at[k] = len(g.groups)
	g.groups = append(g.groups, Pair[K, Acc]{First: k, Second: acc})
	return nil
}

func (g *grouping[A, K, Acc]) flush(context.Context) error {
	g.at = nil
	if g.order != nil {
		slices.SortStableFunc(g.groups, func(a, b Pair[K, Acc]) int { return g.order(a.First, b.First) })
	}
	g.left = g.groups
	return nil
}

func (g *grouping[A, K, Acc]) next(to []Pair[K, Acc], room int) ([]Pair[K, Acc], error) {
	n := min(room, len(g.left))
	to = append(to, g.left[:n]...)
	clear(g.left[:n])
	if g.left = g.left[n:]; len(g.left) == 0 {
		return to, io.EOF
	}
	return to, nil
}

func (g *grouping[A, K, Acc]) close() error {
	g.at, g.groups, g.left, g.arena = nil, nil, nil, spill.Arena{}
	return nil
}
