// Package pool runs user functions over streams in a fixed number of workers:
// Python's multiprocessing.Pool in Go, lazy and bounded.
//
//	p := pool.New(8)
//	defer p.Close()
//	events := pool.Imap(p, source.Lines("access-*.log.zst"), parse)
//	for event, err := range events.All(ctx) { ... }
//
// The verbs that yield a stream ([Imap], [ImapUnordered], [StarImap],
// [ImapWith], [ImapKeyed], [FlatMap], [FilterMap], [MapChunks], [Exec]) are lazy plans:
// nothing runs until the stream is pulled. Those that take a context ([Map],
// [Starmap], [Reduce], [ReduceByKey], [Apply] and the async forms) run now, and so does
// [Flow], which is a flow of the library go-streams. [Pool.Resize] changes the number of
// workers while calls run. Sequential operators live in package stage, the budget in
// package backpressure, the ring in package reorder.
//
// A worker pulls a chunk of items at a time, under one lock; there is no
// dispatcher and no channel per item. Results come in the order of the source,
// or with [Unordered] in that of completion; a chunk's results leave together.
//
// # Rules
//
// Every verb keeps these; the tests are named after them.
//
//   - R1, bounded and lazy: items pulled from the source and not yet let go by the
//     consumer never exceed the in-flight budget ([InFlight], [InFlightBytes]).
//   - R2, errors are per item: a failed item yields a *stage.ItemError at its
//     place, and its siblings survive. The source's own error comes last.
//   - R3, collecting verbs fail fast with the error of lowest index. Items behind
//     it are cancelled, items before it finish. The reported error is the cause.
//   - R4, every waiter resolves: with a value, [ErrClosed], [ErrTerminated] or the
//     cause of its context.
//   - R5, stopping early cancels the context that running functions see, stops the
//     source and joins every goroutine before control returns. A function that
//     ignores its context delays that; a blocked read of stdin is abandoned.
//   - R6, a panic or runtime.Goexit in a function, a source or a callback becomes
//     an error with the index and, for a panic, the stack; the worker lives on.
//   - R7, callbacks run off the result's path and may use the pool.
//   - R8, arguments are checked at the call: a nil function or a negative number
//     panics there, naming the argument.
//   - R9, nested use does not deadlock: a task that waits with the context that it
//     was given (in Get, Map, Apply or a range over a stream) lends its worker slot
//     meanwhile. A task's context must not be used after the task returned.
//   - R10, live calls share the workers fairly, chunk by chunk, and together never
//     run more functions than the pool has workers.
package pool
