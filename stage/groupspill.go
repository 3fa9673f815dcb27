package stage

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"reflect"
	"slices"
	"unsafe"

	"github.com/penstock-go/penstock/internal/spill"
)

// groupBySpilling is GroupBy with Spill.
func groupBySpilling[A any, K comparable, Acc any](
	in Stream[A], key func(A) K, fold Fold[A, Acc], order func(a, b K) int, cfg groupConfig,
) Stream[Pair[K, Acc]] {
	sc := newSpillConfig("stage.GroupBy", cfg.spill)
	sc.checkTypes("stage.GroupBy", func(o any) bool { return isFor[K](o) || isFor[Acc](o) })
	keys, accs := codecFor[K]("stage.GroupBy", &sc), codecFor[Acc]("stage.GroupBy", &sc)
	if t := reflect.TypeFor[K](); !given[spillCodec[K]](sc.codecs) && pointing(t) {
		panic(fmt.Sprintf("penstock: stage.GroupBy: a key of %s that is read back does not equal itself: give it a SpillCodec", t))
	}
	maxKeys := cmp.Or(cfg.maxKeys, math.MaxInt)
	return keeping("GroupBy", "spilling", in, func(ctx context.Context, up upstream[A]) (Puller[Pair[K, Acc]], error) {
		g := &groupSpilling[A, K, Acc]{
			maxKeys: maxKeys, keySize: keys.Size, accSize: accs.Size,
			runs: newGroupRuns(ctx, sc, groupCodec(keys, accs), order, fold.Merge),
		}
		g.groups = groups[A, K, Acc]{key: key, fold: fold, order: order, own: keys.Own, at: map[K]int{}, label: up.m.Node.Label()}
		if keys.Whole && !given[func(K) int](sc.sizes) {
			g.keySize = nil // in the arena
		}
		if accs.Whole && accs.Own == nil && !given[func(Acc) int](sc.sizes) {
			g.accSize = nil // plain memory
		}
		return newGathering(up, g, nil), nil
	})
}

// pointing reports whether values of a type that can be a key compare by where they point.
// Of those that write themselves, such as times, the bytes are compared too.
func pointing(t reflect.Type) bool {
	if spill.Marshals(t) {
		return false
	}
	switch t.Kind() { //nolint:exhaustive // all others are their own values
	case reflect.Pointer, reflect.UnsafePointer, reflect.Interface, reflect.Chan:
		return true
	case reflect.Array:
		return pointing(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if pointing(f.Type) {
				return true
			}
		}
	}
	return false
}

// groupSpilling gathers groups that are written to temporary files when they fill
// the memory.
type groupSpilling[A any, K comparable, Acc any] struct {
	groups[A, K, Acc]
	maxKeys int
	keySize func(*K) int   // nil: what keys hold is in the arena
	accSize func(*Acc) int // nil: accumulators hold nothing
	held    int64          // bytes beside the arena
	sizes   []accSize      // of all, unless accSize is nil
	due     bool           // the memory is full
	runs    *groupRuns[K, Acc]

	out  func() (group[K, Acc], error) // merged groups; nil: they all fitted into memory
	left []Pair[K, Acc]                // if so
}

// accSize is how large an accumulator was, and when it is measured again.
type accSize struct {
	bytes, adds, next int
}

// place is about what a group takes in the slice, the map, and the order in which they
// are written, where the first two have grown to twice of what they need.
func (g *groupSpilling[A, K, Acc]) place() int64 {
	n := 2*unsafe.Sizeof(Pair[K, Acc]{}) + 2*(unsafe.Sizeof(*new(K))+unsafe.Sizeof(0)) + unsafe.Sizeof(groupPlace{})
	if g.accSize != nil {
		n += 2 * unsafe.Sizeof(accSize{})
	}
	return int64(n)
}

func (g *groupSpilling[A, K, Acc]) add(ctx context.Context, v A) error {
	if g.due {
		if err := g.overflow(ctx); err != nil {
			return err
		}
	}
	k := g.key(v)
	if i, ok := g.at[k]; ok {
		if err := g.groups.add(i, v); err != nil {
			return err
		}
		g.measure(i)
		return nil
	}
	if len(g.all) >= g.maxKeys {
		if err := g.overflow(ctx); err != nil {
			return err
		}
	}
	if err := g.begin(k, v); err != nil {
		return err
	}
	g.held += g.place()
	if g.keySize != nil {
		g.held += int64(g.keySize(&g.all[len(g.all)-1].First))
	}
	if g.accSize != nil {
		g.sizes = append(g.sizes, accSize{next: 1})
	}
	g.measure(len(g.all) - 1)
	return nil
}

// measure looks how large the groups have become after an item was put into one.
func (g *groupSpilling[A, K, Acc]) measure(i int) {
	if g.accSize != nil {
		if s := &g.sizes[i]; s.adds+1 < s.next {
			s.adds++
		} else {
			s.adds++
			s.next = s.adds + 1 + s.adds/8
			g.held -= int64(s.bytes)
			s.bytes = g.accSize(&g.all[i].Second)
			g.held += int64(s.bytes)
		}
	}
	g.due = g.held+int64(g.arena.Held()) >= g.runs.share
}

// groupPlace is where a group is in memory, and its place in files.
type groupPlace struct {
	hash uint64
	at   int
}

// overflow writes the groups to a file and goes on without. Its error ends the stream,
// unless it says that ctx ended: then nothing has changed.
func (g *groupSpilling[A, K, Acc]) overflow(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil { // in the order of keys, SpillCodec or fold.Merge: no item's
			err = panicked(v)
		}
		if err != nil && !gaveUp(ctx, err) {
			err = fatal{fmt.Errorf("%s: %w", g.label, err)}
		}
	}()
	return g.spill(ctx)
}

func (g *groupSpilling[A, K, Acc]) spill(ctx context.Context) error {
	places := make([]groupPlace, len(g.all))
	for i := range g.all {
		places[i] = groupPlace{maphash.Comparable(g.runs.seed, g.all[i].First), i}
	}
	slices.SortFunc(places, func(a, b groupPlace) int {
		if g.order != nil {
			if c := g.order(g.all[a.at].First, g.all[b.at].First); c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at))
	})
	i := 0
	err := g.runs.push(ctx, func() (p group[K, Acc], err error) {
		if i == len(places) {
			return p, io.EOF
		}
		at := places[i].at
		p = group[K, Acc]{hash: places[i].hash, seq: g.runs.came + int64(at), key: g.all[at].First, acc: g.all[at].Second}
		i++
		return p, nil
	})
	if err != nil {
		return err
	}
	g.runs.came += int64(len(g.all))
	clear(g.all)
	clear(g.at)
	g.all, g.sizes, g.held, g.due = g.all[:0], g.sizes[:0], 0, false
	g.arena.Reset()
	return nil
}

func (g *groupSpilling[A, K, Acc]) flush(ctx context.Context) (err error) {
	defer func() {
		if err != nil && !gaveUp(ctx, err) {
			err = fmt.Errorf("%s: %w", g.label, err)
		}
	}()
	if len(g.runs.list) == 0 {
		if g.order != nil {
			slices.SortStableFunc(g.all, func(a, b Pair[K, Acc]) int { return g.order(a.First, b.First) })
		}
		g.at, g.left = nil, g.all
		return nil
	}
	if len(g.all) > 0 {
		if err := g.spill(ctx); err != nil {
			return err
		}
	}
	g.at, g.all, g.sizes, g.arena = nil, nil, nil, spill.Arena{}
	g.out, err = g.runs.merged(ctx)
	return err
}

func (g *groupSpilling[A, K, Acc]) next(to []Pair[K, Acc], room int) ([]Pair[K, Acc], error) {
	if g.out == nil {
		n := min(room, len(g.left))
		to = append(to, g.left[:n]...)
		clear(g.left[:n])
		if g.left = g.left[n:]; len(g.left) == 0 {
			return to, io.EOF
		}
		return to, nil
	}
	for range room {
		p, err := g.out()
		if err == io.EOF {
			return to, err
		}
		if err != nil {
			return to, fmt.Errorf("%s: %w", g.label, err)
		}
		to = append(to, Pair[K, Acc]{First: p.key, Second: p.acc})
	}
	return to, nil
}

func (g *groupSpilling[A, K, Acc]) close() error {
	g.at, g.all, g.sizes, g.left, g.out, g.arena = nil, nil, nil, nil, nil, spill.Arena{}
	return g.runs.close()
}

// group is what a file holds of a group.
type group[K comparable, Acc any] struct {
	hash uint64
	seq  int64 // in which place it came first
	key  K
	raw  []byte // the key as it is in the file, of those that were read
	acc  Acc
}

// same reports whether two groups that were read, and have the same hash, are parts of one.
// Equal keys may have two texts, as 0 and -0, or a text two keys, as times in a place that
// was read twice.
func (g *group[K, Acc]) same(o *group[K, Acc]) bool {
	return g.key == o.key || string(g.raw) == string(o.raw)
}

// groupCodec writes groups.
func groupCodec[K comparable, Acc any](keys spill.Codec[K], accs spill.Codec[Acc]) *spill.Codec[group[K, Acc]] {
	return &spill.Codec[group[K, Acc]]{
		Views: true, // raw
		Size:  func(v *group[K, Acc]) int { return keys.Size(&v.key) + accs.Size(&v.acc) },
		Append: func(dst []byte, v *group[K, Acc]) ([]byte, error) {
			dst = binary.LittleEndian.AppendUint64(dst, v.hash)
			dst = binary.AppendUvarint(dst, uint64(v.seq))
			length := len(dst)
			dst, err := keys.Append(append(dst, 0, 0, 0, 0), &v.key)
			if err != nil {
				return dst, err
			}
			n := len(dst) - length - 4
			if n > math.MaxUint32 {
				return dst, fmt.Errorf("a key of %d bytes: at most 4 GiB fit", n)
			}
			binary.LittleEndian.PutUint32(dst[length:], uint32(n))
			return accs.Append(dst, &v.acc)
		},
		Decode: func(src []byte, v *group[K, Acc]) error {
			if len(src) < 8 {
				return spill.ErrCorrupt
			}
			v.hash = binary.LittleEndian.Uint64(src)
			seq, w := binary.Uvarint(src[8:])
			if w <= 0 || len(src) < 8+w+4 {
				return spill.ErrCorrupt
			}
			v.seq, src = int64(seq), src[8+w:]
			n := int64(binary.LittleEndian.Uint32(src))
			if src = src[4:]; n > int64(len(src)) {
				return spill.ErrCorrupt
			}
			v.raw, src = src[:n:n], src[n:]
			if err := keys.Decode(v.raw, &v.key); err != nil {
				return err
			}
			return accs.Decode(src, &v.acc)
		},
	}
}
