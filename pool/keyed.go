package pool

import (
	"context"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// ImapKeyed applies fn to the items of in, in the workers of p: one after the
// other and in the order of the source for items of the same key, at the same time
// for items of different keys, as a partitioned log is consumed. No two workers
// ever run items of one key at once, so that fn may change what belongs to the key
// without a lock.
//
// Order: that of in within a key, that of completion across keys. Laziness: a
// worker pulls a chunk (see ChunkSize) when no key has an item that it could run.
// It then takes a key, runs as many of its items as a chunk holds, at most, and
// puts the key back behind the others; their results leave together.
//
// Bound: that of Imap, exact with InFlight; the default is the larger of 64 items
// and 4 x workers x the current chunk, at most 512 x workers, and a chunk is at
// most 128 items if it is automatic. The items of a slow key wait in this budget
// and may fill it; InFlightPerKey gives each key a share. Keys are kept only
// while they have items in flight, so any number of them may come and go.
//
// Errors: an item that fails, or whose function or key panics, becomes a
// *stage.ItemError at its place in the order of its key, and the others go on; an
// item without a key, since key panicked, takes no place. A failure from upstream
// leaves just before the item that it stood before. The source's own error comes
// last.
//
// key runs where the source is pulled, one call at a time, like the functions of
// sequential stages before a pool, and a source of blocks is filled there: let
// Imap do what is costly first. A key that does not equal itself, such as NaN,
// is a key of its own each time.
//
// In a run with a checkpoint results leave in the order of the source, so that
// the checkpoint knows what is done: a slow item holds back what is behind it, up
// to the budget. ImapKeyed keeps no state of its own.
//
// ImapKeyed panics if key or fn is nil or an option does not fit.
func ImapKeyed[K comparable, A, B any](p *Pool, in stage.Stream[A], key func(A) K, fn func(context.Context, A) (B, error), opts ...Option) stage.Stream[B] {
	mustFunc(key == nil, "ImapKeyed", "key")
	mustFunc(fn == nil, "ImapKeyed", "fn")
	return stream(p, in, append(slices.Clip(opts), Unordered()), spec[A, B]{
		verb:   "ImapKeyed",
		kernel: mapping(fn),
		table:  func() table[A, B] { return &keyTable[K, A, B]{key: key, lanes: map[K]*keyLane[K, A, B]{}} },
	})
}

// table finds the lanes of keys, whose type the engine does not know. Its methods
// are called one at a time.
type table[A, B any] interface {
	// of calls the user's function and keeps the key for lane.
	of(item A)
	// lane is the lane of the last key, made if the key is new. It panics if the key
	// cannot be hashed.
	lane() *lane[A, B]
	// drop forgets a lane that has nothing in flight.
	drop(l *lane[A, B])
}

// keyTable is the table of the keys of type K.
type keyTable[K comparable, A, B any] struct {
	key   func(A) K
	last  K
	lanes map[K]*keyLane[K, A, B] // guarded by the router's lock
	free  *lane[A, B]
}

// keyLane is a lane that knows its key.
type keyLane[K comparable, A, B any] struct {
	lane[A, B]

	key K
}

func (t *keyTable[K, A, B]) of(item A) { t.last = t.key(item) }

func (t *keyTable[K, A, B]) lane() *lane[A, B] {
	key := t.last
	if l, ok := t.lanes[key]; ok {
		return &l.lane
	}
	k := t.spare()
	if key == key { //nolint:gocritic // NaN could never be deleted
		t.lanes[key] = k
	}
	k.key = key
	return &k.lane
}

// spare is a lane to use for a new key.
func (t *keyTable[K, A, B]) spare() *keyLane[K, A, B] {
	if l := t.free; l != nil {
		t.free, l.next = l.next, nil
		k, _ := l.self.(*keyLane[K, A, B])
		return k
	}
	k := &keyLane[K, A, B]{}
	k.self = k
	return k
}

func (t *keyTable[K, A, B]) drop(l *lane[A, B]) {
	k, _ := l.self.(*keyLane[K, A, B])
	delete(t.lanes, k.key)
	var none K
	k.key = none
	l.next, t.free = t.free, l
}
