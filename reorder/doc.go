// Package reorder holds the buffer that turns completion order into source
// order: many producers put numbered values, one consumer takes them in order.
// It is the ring that package pool uses for ordered and unordered streams, and
// serves alone.
//
//	b := reorder.New[Result](64)
//	// producers: b.Put(ctx, seq, result)
//	// the last one: b.CloseAt(total)
//	for {
//		r, err := b.Next(ctx)
//		if err == io.EOF {
//			break
//		}
//		...
//	}
//
// The slots follow Dmitry Vyukov's bounded queue: each carries the number of
// the value that it is free for or holds, so that neither side needs a lock.
package reorder
