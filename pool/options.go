package pool

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/penstock-go/penstock/stage"
)

// Option changes how a call works. Options given to New are the defaults of
// the pool's calls; those given to a verb win over them, and of two of a kind
// the last one counts. The interface is sealed: options are made by this
// package's functions.
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

// config is what the options of a call add up to.
type config struct {
	chunk     int   // 0: automatic
	items     int   // in-flight budget; 0: the default
	bytes     int64 // 0: no bound
	sizes     []any // func(T) int
	unordered bool
	name      string
	recycle   int
	perKey    int // 0: no bound
	keys      int // 0: no bound
	onItem    func(*stage.ItemError)
}

// with returns the configuration changed by the options of a verb.
func (c *config) with(opts []Option, verb string) config {
	n := *c
	n.sizes = slices.Clip(n.sizes)
	for i, o := range opts {
		if o == nil {
			panic(fmt.Sprintf("penstock: pool.%s: option %d is nil", verb, i))
		}
		o.apply(&n)
	}
	return n
}

func notNegative[N int | int64](fn, argument string, n N) {
	if n < 0 {
		panic(fmt.Sprintf("penstock: pool.%s: %s is %d, want 0 or more", fn, argument, n))
	}
}

// ChunkSize fixes how many items a worker pulls in one step; a chunk's results
// and errors leave together. A size above the in-flight budget is cut to it. 0,
// the default, means automatic: start at 1, aim for a few hundred microseconds
// a chunk, at most 1024 items (2048 where they are made from a block) and 1 MiB,
// and never more than the budget divided by the workers. ChunkSize panics if n is
// negative.
func ChunkSize(n int) Option {
	notNegative("ChunkSize", "n", n)
	return option(func(c *config) { c.chunk = n })
}

// InFlight bounds the items that were pulled from the source and not yet let go
// by the consumer: read ahead, queued, running, waiting for their turn and
// handed out. The bound is exact. 0, the default, means the larger of 64 items
// and 4 x workers x the current chunk, at most 4096 x workers. InFlight panics
// if items is negative.
func InFlight(items int) Option {
	notNegative("InFlight", "items", items)
	return option(func(c *config) { c.items = items })
}

// InFlightBytes bounds the bytes in flight, beside the items: at most n, plus
// one pulled chunk, plus the outputs of running calls. What turns out larger
// than was thought becomes debt and never waits; an item larger than n is
// admitted alone. Sizes come from SizeOf; without it strings and byte slices
// count their length and other items the size of their Go value. 0, the
// default, means no bound. InFlightBytes panics if n is negative.
func InFlightBytes(n int64) Option {
	notNegative("InFlightBytes", "n", n)
	return option(func(c *config) { c.bytes = n })
}

// SizeOf says how many bytes an item counts for InFlightBytes. T is the input
// or the output type of the verb, which panics otherwise; one SizeOf of each
// may be given: an input then counts until its output does. SizeOf panics if
// size is nil.
func SizeOf[T any](size func(T) int) Option {
	if size == nil {
		panic("penstock: pool.SizeOf: size is nil")
	}
	return option(func(c *config) { c.sizes = append(c.sizes, size) })
}

// Unordered lets results leave in the order in which they are ready, like
// Python's imap_unordered. The default is the order of the source.
func Unordered() Option { return option(func(c *config) { c.unordered = true }) }

// Name names the stage in errors, counters and plans: Name("parse/v2"). The
// default is the verb's name.
func Name(name string) Option { return option(func(c *config) { c.name = name }) }

// RecycleAfter closes a worker's state after n items and makes it anew, like
// Python's maxtasksperchild, counted in items. It is an option of ImapWith, Exec and
// ExecJSON, whose state is a process; the other verbs panic. 0, the default, means never. RecycleAfter panics if n is
// negative.
func RecycleAfter(n int) Option {
	notNegative("RecycleAfter", "n", n)
	return option(func(c *config) { c.recycle = n })
}

// InFlightPerKey bounds, beside InFlight, the items of each key that were pulled
// and not yet let go by the consumer, exactly. It is an option of ImapKeyed; the
// other verbs panic. A key that has as many holds the pulling back, until the
// consumer lets some of them go: what is behind it in the source is not known to
// be of another key. While the busiest key has n-k items in flight, no more than k
// are pulled in a step. 0, the default, means no bound but that of the call. It
// panics if n is negative.
func InFlightPerKey(n int) Option {
	notNegative("InFlightPerKey", "n", n)
	return option(func(c *config) { c.perKey = n })
}

// MaxKeys bounds how many keys ReduceByKey may meet: with more it fails with an
// error that wraps ErrTooManyKeys and names the number. It is an option of
// ReduceByKey; the other verbs panic. 0, the default, means no bound but the
// memory. MaxKeys panics if n is negative.
func MaxKeys(n int) Option {
	notNegative("MaxKeys", "n", n)
	return option(func(c *config) { c.keys = n })
}

// OnItemError has handle called with each item that fails in a Flow, which then drops
// it and goes on; without it the first one ends the flow. It is an option of Flow; the
// other verbs panic. handle is called at the item's place among the results, one call
// at a time, and holds them up; if it panics, the flow ends. To end the flow, and a
// source with the same context, it may cancel that context, with the error as the cause.
// OnItemError panics if handle is nil.
func OnItemError(handle func(*stage.ItemError)) Option {
	mustFunc(handle == nil, "OnItemError", "handle")
	return option(func(c *config) { c.onItem = handle })
}

// check panics if there are options of other verbs.
func (c *config) check(verb string) {
	if c.recycle > 0 && verb != "ImapWith" && verb != "Exec" && verb != "ExecJSON" {
		panic("penstock: pool." + verb + ": RecycleAfter is an option of ImapWith, Exec and ExecJSON")
	}
	if c.perKey > 0 && verb != "ImapKeyed" {
		panic("penstock: pool." + verb + ": InFlightPerKey is an option of ImapKeyed")
	}
	if c.onItem != nil && verb != "Flow" {
		panic("penstock: pool." + verb + ": OnItemError is an option of Flow")
	}
	if c.keys > 0 && verb != "ReduceByKey" {
		panic("penstock: pool." + verb + ": MaxKeys is an option of ReduceByKey")
	}
}

// sizing is how a call measures items for InFlightBytes.
type sizing[A, B any] struct {
	in  func(A) int
	out func(B) int
}

// newSizing finds the size functions for a verb's types among the options.
func newSizing[A, B any](c *config, verb string) (s sizing[A, B]) {
	for _, f := range c.sizes {
		in, isIn := f.(func(A) int)
		out, isOut := f.(func(B) int)
		if isIn {
			s.in = in
		}
		if isOut {
			s.out = out
		}
		if !isIn && !isOut {
			var a A
			var b B
			panic(fmt.Sprintf("penstock: pool.%s: SizeOf takes %T, want the input type (%T) or the output type (%T)", verb, f, a, b))
		}
	}
	if c.bytes > 0 && s.in == nil && s.out == nil {
		s.in, s.out = length[A](), length[B]()
		if s.in == nil && s.out == nil {
			var a A
			s.in = func(A) int { return int(unsafe.Sizeof(a)) }
		}
	}
	return s
}

// length measures strings and byte slices; it is nil for other types.
func length[T any]() func(T) int {
	var zero T
	switch any(zero).(type) {
	case string:
		return func(v T) int { s, _ := any(v).(string); return len(s) }
	case []byte:
		return func(v T) int { b, _ := any(v).([]byte); return len(b) }
	case stage.Block:
		return func(v T) int { b, _ := any(v).(stage.Block); return cap(b.Bytes) }
	}
	return nil
}
