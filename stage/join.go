package stage

import "context"

// Lookup finds the value of a key: in memory, by a call, by a query. ok is false where
// there is none, which is no error.
type Lookup[K, V any] func(ctx context.Context, key K) (v V, ok bool, err error)

// InMap looks keys up in a map, which must not change while the stream runs.
func InMap[K comparable, V any](m map[K]V) Lookup[K, V] {
	return func(_ context.Context, key K) (V, bool, error) {
		v, ok := m[key]
		return v, ok, nil
	}
}

// Matched is what LeftJoin found for an item.
type Matched[V any] struct {
	Value V
	OK    bool // false: nothing, and Value is zero
}

// Join is the stream of the items for which lookup finds something, each with what it
// found; the others are dropped (an inner join). It runs in whoever pulls, an item at a
// time and in order, holds nothing, and has no state for a checkpoint. An item at which
// key or lookup fails or panics becomes an *ItemError. For lookups that take long use
// pool.FilterMap with Matching, which runs them in many workers, or JoinBatch, which looks
// many keys up at once. Join panics if key or lookup is nil.
func Join[A, K, V any](in Stream[A], key func(A) K, lookup Lookup[K, V]) Stream[Pair[A, V]] {
	notNil(key == nil, "stage.Join: key")
	notNil(lookup == nil, "stage.Join: lookup")
	return FilterMap(in, Matching(key, lookup)).Named("Join")
}

// LeftJoin is the stream of all items, each with what lookup finds for it, if it does.
// Else it is as Join; in many workers: pool.Imap with MatchingAll. LeftJoin
// panics if key or lookup is nil.
func LeftJoin[A, K, V any](in Stream[A], key func(A) K, lookup Lookup[K, V]) Stream[Pair[A, Matched[V]]] {
	notNil(key == nil, "stage.LeftJoin: key")
	notNil(lookup == nil, "stage.LeftJoin: lookup")
	return Map(in, MatchingAll(key, lookup)).Named("LeftJoin")
}

// Matching is the function of an inner join, for pool.FilterMap and its like: it drops the
// items for which lookup finds nothing. The lookup must then be safe for concurrent use.
// Matching panics if key or lookup is nil.
func Matching[A, K, V any](key func(A) K, lookup Lookup[K, V]) func(context.Context, A) (Pair[A, V], bool, error) {
	notNil(key == nil, "stage.Matching: key")
	notNil(lookup == nil, "stage.Matching: lookup")
	return func(ctx context.Context, a A) (Pair[A, V], bool, error) {
		v, ok, err := lookup(ctx, key(a))
		return Pair[A, V]{First: a, Second: v}, ok, err
	}
}

// MatchingAll is the function of a left join, for pool.Imap and its like. The lookup must
// then be safe for concurrent use. MatchingAll panics if key or lookup is nil.
func MatchingAll[A, K, V any](key func(A) K, lookup Lookup[K, V]) func(context.Context, A) (Pair[A, Matched[V]], error) {
	notNil(key == nil, "stage.MatchingAll: key")
	notNil(lookup == nil, "stage.MatchingAll: lookup")
	return func(ctx context.Context, a A) (p Pair[A, Matched[V]], err error) {
		p.First = a
		v, ok, err := lookup(ctx, key(a))
		if ok {
			p.Second = Matched[V]{v, true}
		}
		return p, err
	}
}
