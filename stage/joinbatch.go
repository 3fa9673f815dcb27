package stage

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"
)

// BatchLookup finds the values of many keys with one call, and remembers them.
// LookupBatch makes it. It may be used by several streams and goroutines at once.
type BatchLookup[K comparable, V any] struct {
	ask   func(context.Context, []K) (map[K]V, error)
	known *lru.Cache[K, Matched[V]] // has a lock of its own
}

// LookupBatch is a lookup for JoinBatch and LeftJoinBatch that calls ask for the different
// keys of a chunk that it does not know yet, such as source.LookupSQL with a query. A key
// that is missing in the answer has no value, which is no error; what else is in the
// answer is passed over. ask must not keep the slice of keys, and must be safe for
// concurrent use if the lookup is used so.
//
// It remembers the answers for the n keys that were used last (an LRU cache of
// github.com/hashicorp/golang-lru), for those without a value too: what is added
// afterwards is not seen while they are remembered. Those are all that it holds between two
// calls. They are shared by all who use the lookup, and by runs that follow each other,
// and not saved with a checkpoint, as they can be asked for again. Failures are not
// remembered. Two that need the same key at the same time both ask for it. LookupBatch
// panics if ask is nil or n is less than 1.
func LookupBatch[K comparable, V any](ask func(ctx context.Context, keys []K) (map[K]V, error), n int) *BatchLookup[K, V] {
	notNil(ask == nil, "stage.LookupBatch: ask")
	notBelow(1, n, "stage.LookupBatch: n")
	known, err := lru.New[K, Matched[V]](n)
	if err != nil {
		panic("penstock: stage.LookupBatch: " + err.Error()) // only for an n that was refused above
	}
	return &BatchLookup[K, V]{ask: ask, known: known}
}

// Find finds the value of each key.
func (l *BatchLookup[K, V]) Find(ctx context.Context, keys []K) ([]Matched[V], error) {
	found, _, err := l.find(ctx, keys, l.ask)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Lookup finds the value of one key: it is a Lookup for Join and its like.
func (l *BatchLookup[K, V]) Lookup(ctx context.Context, key K) (v V, ok bool, err error) {
	found, err := l.Find(ctx, []K{key})
	if err != nil {
		return v, false, err
	}
	return found[0].Value, found[0].OK, nil
}

// find finds values, and says which it had to ask for. With an error there are those
// only that were known.
func (l *BatchLookup[K, V]) find(
	ctx context.Context, keys []K, ask func(context.Context, []K) (map[K]V, error),
) (found []Matched[V], asked []bool, err error) {
	found, asked = make([]Matched[V], len(keys)), make([]bool, len(keys))
	var unknown []K
	again := map[K]struct{}{}
	for i, k := range keys {
		if v, ok := l.known.Get(k); ok {
			found[i] = v
			continue
		}
		asked[i] = true
		if _, ok := again[k]; !ok {
			again[k] = struct{}{}
			unknown = append(unknown, k)
		}
	}
	if len(unknown) == 0 {
		return found, asked, nil
	}
	answer, err := ask(ctx, unknown)
	if err != nil {
		return found, asked, err
	}
	for i, k := range keys {
		if asked[i] {
			v, ok := answer[k]
			found[i] = Matched[V]{v, ok}
		}
	}
	for k := range again {
		if itself(k) {
			v, ok := answer[k]
			l.known.Add(k, Matched[V]{v, ok})
		}
	}
	return found, asked, nil
}

// JoinBatch is Join with one call of the lookup for up to n items, or less if its input has
// less at hand; it does not wait for more. In order, it drops those for which there is
// nothing. It holds the n items beyond the in-flight budget, and has no state for a
// checkpoint.
//
// An item at which key panics becomes an *ItemError. When the lookup fails or panics, each
// item of the chunk whose key was asked for becomes one, with the same cause; those whose
// values were remembered pass. In many workers, in order or not: pool.MapChunks with
// MatchingBatch. JoinBatch panics if n is less than 1, or key or lookup is nil.
func JoinBatch[A any, K comparable, V any](
	in Stream[A], n int, key func(A) K, lookup *BatchLookup[K, V],
) Stream[Pair[A, V]] {
	notBelow(1, n, "stage.JoinBatch: n")
	notNil(key == nil, "stage.JoinBatch: key")
	notNil(lookup == nil, "stage.JoinBatch: lookup")
	return joinBatch("JoinBatch", in, n, key, lookup, 0, func(a A, m Matched[V]) (Pair[A, V], bool) {
		return Pair[A, V]{a, m.Value}, m.OK
	})
}

// LeftJoinBatch is LeftJoin with one call of the lookup for up to n items. Else it is as
// JoinBatch; in many workers: pool.MapChunks with MatchingAllBatch. LeftJoinBatch panics if
// n is less than 1, or key or lookup is nil.
func LeftJoinBatch[A any, K comparable, V any](
	in Stream[A], n int, key func(A) K, lookup *BatchLookup[K, V],
) Stream[Pair[A, Matched[V]]] {
	notBelow(1, n, "stage.LeftJoinBatch: n")
	notNil(key == nil, "stage.LeftJoinBatch: key")
	notNil(lookup == nil, "stage.LeftJoinBatch: lookup")
	return joinBatch("LeftJoinBatch", in, n, key, lookup, exact, func(a A, m Matched[V]) (Pair[A, Matched[V]], bool) {
		return Pair[A, Matched[V]]{a, m}, true
	})
}

// MatchingBatch is the function of an inner join for pool.MapChunks: it drops the items for
// which there is nothing. When the lookup fails, or key panics, so does every item of the
// chunk. Give the pool a ChunkSize: that it chooses by itself is small where calls are
// slow. MatchingBatch panics if key or lookup is nil.
func MatchingBatch[A any, K comparable, V any](key func(A) K, lookup *BatchLookup[K, V]) func(context.Context, []A) ([]Pair[A, V], error) {
	notNil(key == nil, "stage.MatchingBatch: key")
	notNil(lookup == nil, "stage.MatchingBatch: lookup")
	return func(ctx context.Context, items []A) ([]Pair[A, V], error) {
		found, err := lookup.Find(ctx, keysOf(items, key))
		if err != nil {
			return nil, err
		}
		out := make([]Pair[A, V], 0, len(items))
		for i, a := range items {
			if found[i].OK {
				out = append(out, Pair[A, V]{a, found[i].Value})
			}
		}
		return out, nil
	}
}

// MatchingAllBatch is the function of a left join for pool.MapChunks. Else it is as
// MatchingBatch. MatchingAllBatch panics if key or lookup is nil.
func MatchingAllBatch[A any, K comparable, V any](
	key func(A) K, lookup *BatchLookup[K, V],
) func(context.Context, []A) ([]Pair[A, Matched[V]], error) {
	notNil(key == nil, "stage.MatchingAllBatch: key")
	notNil(lookup == nil, "stage.MatchingAllBatch: lookup")
	return func(ctx context.Context, items []A) ([]Pair[A, Matched[V]], error) {
		found, err := lookup.Find(ctx, keysOf(items, key))
		if err != nil {
			return nil, err
		}
		out := make([]Pair[A, Matched[V]], len(items))
		for i, a := range items {
			out[i] = Pair[A, Matched[V]]{a, found[i]}
		}
		return out, nil
	}
}

func keysOf[A, K any](items []A, key func(A) K) []K {
	keys := make([]K, len(items))
	for i, a := range items {
		keys[i] = key(a)
	}
	return keys
}

func joinBatch[A any, K comparable, V, B any](
	op string, in Stream[A], n int, key func(A) K, lookup *BatchLookup[K, V], s shape, pair func(A, Matched[V]) (B, bool),
) Stream[B] {
	return serial(op, "", in, func(_ context.Context, up upstream[A]) (Puller[B], error) {
		k := &batchJoining[A, K, V, B]{key: key, lookup: lookup, pair: pair, chunk: -1}
		up.p = asking[A]{up.p, n}
		l := newLoop(up, k, s)
		k.in, k.base = &l.in, &l.base
		return l, nil
	})
}

// asking asks for n items whatever its consumer asks for.
type asking[T any] struct {
	Puller[T]
	n int
}

// Pull implements Puller.
func (a asking[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	return a.Puller.Pull(ctx, into, Limit{Items: a.n, Bytes: max.Bytes})
}

// batchJoining finds the values for all items of the loop's chunk when it comes to the
// first of them.
type batchJoining[A any, K comparable, V, B any] struct {
	key    func(A) K
	lookup *BatchLookup[K, V]
	pair   func(A, Matched[V]) (B, bool)
	in     *Chunk[A] // the loop's
	base   *int64    // likewise: it tells chunks with items apart

	chunk  int64 // the base of that whose values are here
	found  []Matched[V]
	failed []error
}

func (k *batchJoining[A, K, V, B]) run(ctx context.Context, items []A, out []B, c *cursor) error {
	if k.chunk != *k.base {
		if err := k.find(ctx); err != nil {
			return err
		}
		k.chunk = *k.base
	}
	for c.in < len(items) && c.out < len(out) {
		if err := k.failed[c.in]; err != nil {
			return err
		}
		if b, ok := k.pair(items[c.in], k.found[c.in]); ok {
			out[c.out] = b
			c.out++
		}
		c.in++
	}
	return nil
}

// find finds the values for the chunk. Its error is that ctx ended.
func (k *batchJoining[A, K, V, B]) find(ctx context.Context) error {
	n := len(k.in.Items)
	k.found, k.failed = make([]Matched[V], n), make([]error, n)
	keys, of := make([]K, 0, n), make([]int, 0, n)
	for i, a := range k.in.Items {
		key, err := k.keyOf(a)
		if err != nil {
			k.failed[i] = err
			continue
		}
		keys, of = append(keys, key), append(of, i)
	}
	found, asked, err := k.lookup.find(ctx, keys, k.ask)
	if err != nil && ctx.Err() != nil {
		return err
	}
	for j, i := range of {
		if err != nil && asked[j] {
			k.failed[i] = err
		} else {
			k.found[i] = found[j]
		}
	}
	return nil
}

func (k *batchJoining[A, K, V, B]) keyOf(a A) (key K, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return k.key(a), nil
}

func (k *batchJoining[A, K, V, B]) ask(ctx context.Context, keys []K) (answer map[K]V, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return k.lookup.ask(ctx, keys)
}
