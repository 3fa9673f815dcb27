package stage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/penstock-go/penstock/internal/spill"
)

// DefaultMaxKeys is how many keys GroupBy without Spill holds when MaxKeys does not say.
const DefaultMaxKeys = 1 << 20

// ErrTooManyKeys is what GroupBy ends with, wrapped, when there are more keys than MaxKeys.
var ErrTooManyKeys = errors.New("too many keys")

// GroupOption sets the bound of GroupBy, and the order of its output.
type GroupOption interface{ applyGroup(*groupConfig) }

type groupConfig struct {
	maxKeys int
	sort    any // func(a, b K) int, nil: by first arrival
	spills  bool
	spill   []SpillOption
}

type groupOption func(*groupConfig)

func (o groupOption) applyGroup(c *groupConfig) { o(c) }

// MaxKeys is how many keys GroupBy holds in memory; one more ends the stream with
// ErrTooManyKeys or, with Spill, has them written to a temporary file. 0 means
// DefaultMaxKeys or, with Spill, as many as fit into SpillMemory. MaxKeys panics if n is
// negative.
func MaxKeys(n int) GroupOption {
	notBelow(0, n, "stage.MaxKeys: n")
	return groupOption(func(c *groupConfig) { c.maxKeys = n })
}

// Spill lets GroupBy have more groups than fit into memory. When there are MaxKeys keys, or
// the groups take three quarters of SpillMemory, they are written to a temporary file in
// SpillDir, sorted, and GroupBy goes on with none. At the end the files are merged, 64 of
// them at a time at most, and fold.Merge puts the parts of a group together, the earlier
// ones first. Groups that never filled the memory are not written.
//
// The memory of an accumulator is counted as far as its type shows it, when it has become
// about an eighth larger in items; of those that hold more, such as fold.Quantiles, let
// SpillSize tell. A whole accumulator must fit into memory beside. SpillSize and SpillCodec
// are for the keys' type or the accumulators'. A key must equal itself when it was read
// back: GroupBy panics for keys that hold pointers or interfaces, unless a SpillCodec sees
// to it, or they write themselves (encoding.BinaryMarshaler), as time.Time does.
//
// The order of the groups is the same as without Spill, except that groups whose keys are
// equal in the order of ByKeyFunc come in any order. That of first arrival takes a second pass
// over the groups, but not the items, in temporary files; ByKey does not. Files are gone
// when the stream is closed, however it ended. One that cannot be written, or does not
// read back as it was written, and a Merge that fails, end the stream. A run with a
// checkpoint refuses GroupBy with Spill.
func Spill(opts ...SpillOption) GroupOption {
	for _, o := range opts {
		notNil(o == nil, "stage.Spill: option")
	}
	return groupOption(func(c *groupConfig) { c.spills, c.spill = true, append(c.spill, opts...) })
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
// budget, of at most MaxKeys keys; strings in keys are copied. Spill has room for more.
//
// Failed items pass at once, ahead of the first group. An item at which key or fold.Add
// fails or panics becomes an *ItemError and is in no group, provided that Add left the
// accumulator as it was. Keys that do not equal themselves, such as NaN, are a group for
// each item. If the input fails, or the run is told to stop, GroupBy ends with that error
// and without groups. The groups, all of them each time, are saved with a checkpoint, as
// JSON, which must give keys and accumulators back as they were. GroupBy panics if key or
// a function of fold is nil, or an option does not fit the types.
func GroupBy[A any, K comparable, Acc any](
	in Stream[A], key func(A) K, fold Fold[A, Acc], opts ...GroupOption,
) Stream[Pair[K, Acc]] {
	notNil(key == nil, "stage.GroupBy: key")
	fold.Check("stage.GroupBy")
	var cfg groupConfig
	for _, o := range opts {
		notNil(o == nil, "stage.GroupBy: option")
		o.applyGroup(&cfg)
	}
	order, ok := cfg.sort.(func(a, b K) int)
	if cfg.sort != nil && !ok {
		panic(fmt.Sprintf("penstock: stage.GroupBy: ByKey is for keys of another type: %T", cfg.sort))
	}
	if cfg.spills {
		return groupBySpilling(in, key, fold, order, cfg)
	}
	maxKeys := cmp.Or(cfg.maxKeys, DefaultMaxKeys)
	// A type of keys that has no codec is no view of strings alone, and stays as it is.
	codec, _ := spill.Of[K]()
	return keeping("GroupBy", "", in, func(_ context.Context, up upstream[A]) (Puller[Pair[K, Acc]], error) {
		g := &grouping[A, K, Acc]{maxKeys: maxKeys}
		g.groups = groups[A, K, Acc]{key: key, fold: fold, order: order, own: codec.Own, at: map[K]int{}, label: up.m.Node.Label()}
		return newGathering(up, g, g), nil
	})
}

// groups are the folded items of each key in memory.
type groups[A any, K comparable, Acc any] struct {
	key   func(A) K
	fold  Fold[A, Acc]
	order func(a, b K) int
	label string
	own   func(*K, *spill.Arena) // copies what a key is a view of; nil if there is nothing
	arena spill.Arena
	at    map[K]int // the places of keys in all
	all   []Pair[K, Acc]
}

// add puts an item into the group in place i.
func (g *groups[A, K, Acc]) add(i int, v A) error {
	acc, err := g.fold.Add(g.all[i].Second, v)
	if err == nil {
		g.all[i].Second = acc
	}
	return err
}

// begin makes a group of an item.
func (g *groups[A, K, Acc]) begin(k K, v A) error {
	acc, err := g.fold.Add(g.fold.New(), v)
	if err != nil {
		return err
	}
	if g.own != nil {
		g.own(&k, &g.arena)
	}
	g.at[k] = len(g.all)
	g.all = append(g.all, Pair[K, Acc]{First: k, Second: acc})
	return nil
}

// grouping gathers groups that stay in memory.
type grouping[A any, K comparable, Acc any] struct {
	groups[A, K, Acc]
	maxKeys int
	full    bool
	left    []Pair[K, Acc] // not handed on yet, once it is full
}

func (g *grouping[A, K, Acc]) add(_ context.Context, v A) error {
	k := g.key(v)
	if i, ok := g.at[k]; ok {
		return g.groups.add(i, v)
	}
	if len(g.all) >= g.maxKeys {
		return fatal{fmt.Errorf("%s: %w: more than %d", g.label, ErrTooManyKeys, g.maxKeys)}
	}
	return g.begin(k, v)
}

func (g *grouping[A, K, Acc]) flush(context.Context) error {
	g.at = nil
	if g.order != nil {
		slices.SortStableFunc(g.all, func(a, b Pair[K, Acc]) int { return g.order(a.First, b.First) })
	}
	g.left, g.full = g.all, true
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
	g.at, g.all, g.left, g.arena = nil, nil, nil, spill.Arena{}
	return nil
}

// groupState is what a checkpoint holds of a group.
type groupState[K, Acc any] struct {
	Key   K   `json:"key"`
	Value Acc `json:"value"`
}

// SaveState implements Stateful: the groups, or those that are left.
func (g *grouping[A, K, Acc]) SaveState() (json.RawMessage, error) {
	held := g.all
	if g.full {
		held = g.left
	}
	s := make([]groupState[K, Acc], 0, len(held))
	for _, p := range held {
		s = append(s, groupState[K, Acc]{p.First, p.Second})
	}
	return json.Marshal(s)
}

// RestoreState implements Stateful.
func (g *grouping[A, K, Acc]) RestoreState(state json.RawMessage) error {
	var s []groupState[K, Acc]
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	for i, was := range s {
		g.at[was.Key] = i
		g.all = append(g.all, Pair[K, Acc]{First: was.Key, Second: was.Value})
	}
	if len(g.at) != len(s) {
		return fmt.Errorf("%d groups have %d different keys: JSON does not tell them apart", len(s), len(g.at))
	}
	if len(s) > g.maxKeys {
		return fmt.Errorf("%w: %d, more than %d", ErrTooManyKeys, len(s), g.maxKeys)
	}
	return nil
}
