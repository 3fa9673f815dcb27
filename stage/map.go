package stage

import "context"

// Map is the stream of what fn makes of each item. fn runs in whoever pulls,
// one item at a time, with the context of the pull; for many workers see package
// pool. An item whose fn fails or panics becomes an *ItemError at its place.
// Map panics if fn is nil.
func Map[A, B any](in Stream[A], fn func(context.Context, A) (B, error)) Stream[B] {
	notNil(fn == nil, "stage.Map: fn")
	return serial("Map", "", in, func(_ context.Context, up upstream[A]) (Puller[B], error) {
		return newLoop(up, mapping[A, B](fn), exact), nil
	})
}

type mapping[A, B any] func(context.Context, A) (B, error)

func (fn mapping[A, B]) run(ctx context.Context, items []A, out []B, c *cursor) error {
	i, n := c.in, c.out
	for i < len(items) && n < len(out) {
		c.in, c.out = i, n
		b, err := fn(ctx, items[i])
		if err != nil {
			return err
		}
		out[n] = b
		i++
		n++
	}
	c.in, c.out = i, n
	return nil
}

// FilterMap is the stream of what fn makes of those items for which it says
// true. It is Map and Filter in one step: what a function finds out while it
// looks at an item need not be found out again. Else as Map. FilterMap panics if
// fn is nil.
func FilterMap[A, B any](in Stream[A], fn func(context.Context, A) (B, bool, error)) Stream[B] {
	notNil(fn == nil, "stage.FilterMap: fn")
	return serial("FilterMap", "", in, func(_ context.Context, up upstream[A]) (Puller[B], error) {
		return newLoop(up, filterMapping[A, B](fn), 0), nil
	})
}

type filterMapping[A, B any] func(context.Context, A) (B, bool, error)

func (fn filterMapping[A, B]) run(ctx context.Context, items []A, out []B, c *cursor) error {
	i, n := c.in, c.out
	for i < len(items) && n < len(out) {
		c.in, c.out = i, n
		b, ok, err := fn(ctx, items[i])
		if err != nil {
			return err
		}
		if ok {
			out[n] = b
			n++
		}
		i++
	}
	c.in, c.out = i, n
	return nil
}

// Enumerate pairs each item with its number, counting the items that arrive
// from 0. A failed item has no number.
func Enumerate[T any](in Stream[T]) Stream[Pair[int64, T]] {
	return keeping("Enumerate", "", in, func(_ context.Context, up upstream[T]) (Puller[Pair[int64, T]], error) {
		return newLoop(up, &enumeration[T]{}, exact), nil
	})
}

type enumeration[T any] struct{ next int64 }

func (k *enumeration[T]) run(_ context.Context, items []T, out []Pair[int64, T], c *cursor) error {
	n := min(len(items)-c.in, len(out)-c.out)
	to := out[c.out : c.out+n]
	for i, v := range items[c.in : c.in+n] {
		to[i] = Pair[int64, T]{First: k.next, Second: v}
		k.next++
	}
	c.in += n
	c.out += n
	return nil
}

// Try makes a stage function of a plain one that can fail:
//
//	numbers := stage.Map(lines, stage.Try(strconv.Atoi))
//
// It panics if fn is nil.
func Try[A, B any](fn func(A) (B, error)) func(context.Context, A) (B, error) {
	notNil(fn == nil, "stage.Try: fn")
	return func(_ context.Context, a A) (B, error) { return fn(a) }
}

// Pure makes a stage function of a plain one that cannot fail:
//
//	shouts := stage.Map(lines, stage.Pure(strings.ToUpper))
//
// It panics if fn is nil.
func Pure[A, B any](fn func(A) B) func(context.Context, A) (B, error) {
	notNil(fn == nil, "stage.Pure: fn")
	return func(_ context.Context, a A) (B, error) { return fn(a), nil }
}
