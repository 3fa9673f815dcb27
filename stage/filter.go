package stage

// Filter is the stream of the items for which keep says true. keep runs in
// whoever pulls, one item at a time; where it panics, the item becomes an
// *ItemError. Filter panics if keep is nil.
func (s Stream[T]) Filter(keep func(T) bool) Stream[T] {
	notNil(keep == nil, "stage.Filter: keep")
	return newSieve("Filter", s, func() keeper[T] { return filtering[T](keep) })
}

type filtering[T any] func(T) bool

func (keep filtering[T]) run(items []T, c *cursor) bool {
	n := c.out
	for i := c.in; i < len(items); i++ {
		c.in, c.out = i, n
		v := items[i]
		if keep(v) {
			items[n] = v
			n++
		}
	}
	c.in, c.out = len(items), n
	return false
}

// TakeWhile is the stream of the items before the first for which keep says
// false. It ends there; of the input, what came in one chunk with that item is
// read and dropped, at most what the consumer asked for. Where keep panics, the
// item becomes an *ItemError and the stream goes on. TakeWhile panics if keep is
// nil.
func (s Stream[T]) TakeWhile(keep func(T) bool) Stream[T] {
	notNil(keep == nil, "stage.TakeWhile: keep")
	return newSieve("TakeWhile", s, func() keeper[T] { return takingWhile[T](keep) })
}

type takingWhile[T any] func(T) bool

func (keep takingWhile[T]) run(items []T, c *cursor) bool {
	n := c.out
	for i := c.in; i < len(items); i++ {
		c.in, c.out = i, n
		v := items[i]
		if !keep(v) {
			return true
		}
		items[n] = v
		n++
	}
	c.in, c.out = len(items), n
	return false
}

// SkipWhile is the stream from the first item on for which skip says false.
// Where skip panics, the item becomes an *ItemError and the search goes on.
// SkipWhile panics if skip is nil.
func (s Stream[T]) SkipWhile(skip func(T) bool) Stream[T] {
	notNil(skip == nil, "stage.SkipWhile: skip")
	return newSieve("SkipWhile", s, func() keeper[T] { return &skippingWhile[T]{skip: skip} })
}

type skippingWhile[T any] struct {
	skip  func(T) bool
	found bool
}

func (k *skippingWhile[T]) run(items []T, c *cursor) bool {
	for !k.found && c.in < len(items) {
		if k.skip(items[c.in]) {
			c.in++
		} else {
			k.found = true
		}
	}
	if c.in == c.out {
		c.out = len(items)
	} else {
		c.out += copy(items[c.out:], items[c.in:])
	}
	c.in = len(items)
	return false
}

// Tap is the same stream, with fn called for each item as it passes. Where fn
// panics, the item becomes an *ItemError. Tap panics if fn is nil.
func (s Stream[T]) Tap(fn func(T)) Stream[T] {
	notNil(fn == nil, "stage.Tap: fn")
	return newSieve("Tap", s, func() keeper[T] { return tapping[T](fn) })
}

type tapping[T any] func(T)

func (fn tapping[T]) run(items []T, c *cursor) bool {
	n := c.out
	for i := c.in; i < len(items); i++ {
		c.in, c.out = i, n
		v := items[i]
		fn(v)
		items[n] = v
		n++
	}
	c.in, c.out = len(items), n
	return false
}
