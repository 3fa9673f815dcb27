package pool

import (
	"context"
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// Imap applies fn to the items of in, in the workers of p, and yields the
// results in the order of the items, like Python's Pool.imap, but truly lazy:
// nothing is read until the stream is pulled, and never more than the in-flight
// budget allows.
//
// Order: that of in; Unordered gives that of completion. Laziness: a worker
// pulls one chunk at a time (see ChunkSize). Bound: the items that were pulled
// and not let go by the consumer never exceed InFlight; by default the larger
// of 64 and 4 x workers x the current chunk, at most 4096 x workers, where a
// source of blocks may exceed it by what its last blocks held more than was
// estimated. A chunk is let go when the consumer pulls again. Errors: an item
// that fails, or whose function panics, becomes a *stage.ItemError at its
// place, and the others go on; the source's own error comes last.
//
// fn runs in several goroutines at once. Its context ends when the stream is
// closed early, its context ends, or p is terminated. Imap panics if fn is nil
// or an option does not fit.
func Imap[A, B any](p *Pool, in stage.Stream[A], fn func(context.Context, A) (B, error), opts ...Option) stage.Stream[B] {
	mustFunc(fn == nil, "Imap", "fn")
	return stream(p, in, opts, spec[A, B]{verb: "Imap", kernel: mapping(fn)})
}

// ImapUnordered is Imap with the option Unordered: results leave as they are
// ready.
func ImapUnordered[A, B any](p *Pool, in stage.Stream[A], fn func(context.Context, A) (B, error), opts ...Option) stage.Stream[B] {
	mustFunc(fn == nil, "ImapUnordered", "fn")
	return stream(p, in, append(slices.Clip(opts), Unordered()), spec[A, B]{verb: "ImapUnordered", kernel: mapping(fn)})
}

// StarImap is Imap over pairs, for functions of two arguments: the lazy form of
// Starmap, which Python lacks.
func StarImap[A, B, C any](p *Pool, in stage.Stream[stage.Pair[A, B]], fn func(context.Context, A, B) (C, error), opts ...Option) stage.Stream[C] {
	mustFunc(fn == nil, "StarImap", "fn")
	return stream(p, in, opts, spec[stage.Pair[A, B], C]{verb: "StarImap", kernel: mapping(star(fn))})
}

// star adapts a function of two arguments to pairs.
func star[A, B, C any](fn func(context.Context, A, B) (C, error)) func(context.Context, stage.Pair[A, B]) (C, error) {
	return func(ctx context.Context, p stage.Pair[A, B]) (C, error) { return fn(ctx, p.First, p.Second) }
}

// ImapWith is Imap with a state per worker, such as a connection or a buffer,
// like Pool's initializer in Python. A worker makes its state with newState
// when it meets its first item; no two goroutines use one at the same time. A
// state that is an io.Closer is closed at the end, and after the number of
// items that RecycleAfter gives; what Close reports is the stream's last error.
// A state that cannot be made ends the stream with newState's error, behind the
// items before it. ImapWith panics if newState or fn is nil.
func ImapWith[S, A, B any](p *Pool, in stage.Stream[A], newState func(context.Context) (S, error), fn func(context.Context, S, A) (B, error), opts ...Option) stage.Stream[B] {
	mustFunc(newState == nil, "ImapWith", "newState")
	mustFunc(fn == nil, "ImapWith", "fn")
	cfg := p.or().defaults.with(opts, "ImapWith")
	return stream(p, in, opts, spec[A, B]{verb: "ImapWith", kernel: stateful(newState, fn, cfg.recycle)})
}

// FlatMap is Imap with any number of results per item: fn emits them, in order.
// emit must not be called after fn returned. When fn fails, what it had emitted
// for the item is dropped. The fan-out is bounded in bytes only (InFlightBytes),
// after the fact: a chunk's results are held together.
func FlatMap[A, B any](p *Pool, in stage.Stream[A], fn func(ctx context.Context, a A, emit func(B)) error, opts ...Option) stage.Stream[B] {
	mustFunc(fn == nil, "FlatMap", "fn")
	return stream(p, in, opts, spec[A, B]{verb: "FlatMap", kernel: expanding(fn)})
}

// FilterMap is Imap that drops the items for which fn reports false.
func FilterMap[A, B any](p *Pool, in stage.Stream[A], fn func(context.Context, A) (B, bool, error), opts ...Option) stage.Stream[B] {
	mustFunc(fn == nil, "FilterMap", "fn")
	return stream(p, in, opts, spec[A, B]{verb: "FilterMap", kernel: filtering(fn)})
}

// MapChunks applies fn to a chunk at a time, for calls that work in bulk. fn may
// return any number of results and must not keep its argument; when it fails,
// every item of the chunk fails with its error. A chunk holds up to ChunkSize
// items, fewer when the source has fewer at hand.
func MapChunks[A, B any](p *Pool, in stage.Stream[A], fn func(context.Context, []A) ([]B, error), opts ...Option) stage.Stream[B] {
	mustFunc(fn == nil, "MapChunks", "fn")
	return stream(p, in, opts, spec[A, B]{verb: "MapChunks", kernel: bulk(fn)})
}

func mustFunc(isNil bool, verb, what string) {
	if isNil {
		panic("penstock: pool." + verb + ": " + what + " is nil")
	}
}

// detail is what Describe says of a pool stage.
func (c *config) detail(p *Pool, keyed bool) string {
	order, chunk, flight := "ordered", "automatic chunks", ""
	switch {
	case keyed:
		order = "ordered within a key"
	case c.unordered:
		order = "unordered"
	}
	if c.chunk > 0 {
		chunk = fmt.Sprintf("chunks of %d", c.chunk)
	}
	if c.items > 0 {
		flight = fmt.Sprintf(", at most %d items in flight", c.items)
	}
	if c.bytes > 0 {
		flight += fmt.Sprintf(", at most %d bytes in flight", c.bytes)
	}
	if c.perKey > 0 {
		flight += fmt.Sprintf(", at most %d items of a key in flight", c.perKey)
	}
	return fmt.Sprintf("%d workers, %s, %s%s", p.Workers(), order, chunk, flight)
}
