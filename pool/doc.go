// Package pool runs user functions over streams in a fixed number of workers:
// Python's multiprocessing.Pool in Go, lazy and bounded.
//
//	p := pool.New(8)
//	defer p.Close()
//	events := pool.Imap(p, source.Lines("access-*.log.zst"), parse)
//	for event, err := range events.All(ctx) { ... }
//
// The verbs that yield a stream (Imap, ImapUnordered, StarImap, ImapWith,
// FlatMap, FilterMap, MapChunks) are lazy plans: nothing runs until the stream
// is pulled. Those that take a context (Map, Starmap, Reduce, Apply and the
// async forms) run now. Sequential operators live in package stage, the budget
// in package backpressure, the ring in package reorder.
//
// # What every verb promises
//
//   - A worker pulls a chunk of items at a time, under one lock; there is no
//     dispatcher and no channel per item. What was pulled and not let go by the
//     consumer never exceeds the in-flight budget ([InFlight]).
//   - Results come in the order of the source, or with [Unordered] in that of
//     completion. A chunk's results leave together.
//   - A failed item, or one whose function panicked or called runtime.Goexit,
//     becomes a *stage.ItemError in a stream, and ends an eager call with the
//     error of lowest index.
//   - Leaving a stream early cancels the context that running functions see,
//     stops the source, and joins every goroutine before control returns. Only a
//     function that ignores its context delays that.
//   - Live calls share the pool's workers fairly, chunk by chunk.
//   - A task that waits with the context that it was given (in Get, Map, Apply or
//     a range over a stream) lends its worker slot meanwhile, so that nested use
//     does not deadlock. A task's context must not be used after it returned.
//   - Arguments are checked at the call: a nil function or a negative number
//     panics there.
package pool
