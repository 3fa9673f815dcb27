// Package stage holds the contracts that everything in Penstock is built on
// (Stream, Chunk, Puller, Sink), the operators that run in whoever pulls (Map,
// Filter, Batch and so on), and what ends a stream: ranging over it, Collect and
// its like, and Run. What runs in many goroutines is in package pool; where
// items come from and go to is in packages source and sink.
//
// The shortest useful program reads from a source, changes what it reads and
// writes it to a sink:
//
//	lines := source.Lines("access-*.log")
//	numbers := stage.Map(lines, stage.Try(strconv.Atoi))
//	summary, err := stage.Run(ctx, numbers.Filter(positive), sink.Lines[int]("numbers.txt"))
//
// or ranges over the stream:
//
//	for n, err := range numbers.All(ctx) { ... }
//
// What takes a context runs now; what takes none builds a plan. A Stream is a
// plan: it can be run any number of times, each run opening it anew, and printed
// with Describe. A function that is given to an operator is shared by the runs.
//
// What follows holds for every operator and terminal here; each one's own
// comment says only what differs.
//
// # Order
//
// Items keep their order. So do failed items among them. Functions are called
// one at a time, in stream order, in the goroutine that pulls: that is the
// consumer's, or, upstream of a pool stage, whichever worker holds its pull lock.
// Of the operators only Merge and MergeToEnd (one for each input), Sort (where it
// needs files) and Exec (for its process) start goroutines, and join them.
//
// # Laziness
//
// Nothing is opened or read before somebody pulls, and an operator asks its
// input for no more items than it was asked for itself. Take, First and Batch ask
// for exactly what they lack. No operator waits to fill a chunk: it hands on what
// there is, unless there is nothing; only Batch waits for its batch.
//
// # Bounds
//
// An operator holds at most the chunk that it works on, whose size the consumer
// sets: at most 1024 items for terminals, what the in-flight budget leaves for
// pool stages. Where more is held (Batch, FlatMap, Distinct, Tumbling, Collect) the comment says so.
//
// # Errors
//
// An item whose function fails or panics becomes an *ItemError at its place,
// with the stage's name, the item and its index, and where it came from; the
// stream goes on. A panic is a *PanicError in it. runtime.Goexit in a function
// ends the goroutine that pulls, as it does everywhere; what is open is closed.
// A failure that is no *ItemError (of the source, or of opening it) comes once,
// after all items before it, and ends the stream.
//
// When a context ends, what is returned or yielded is, or wraps, its cause
// (context.Cause). A pull that is given up so loses nothing: the item whose
// function failed meanwhile is tried again by the next pull, with a new context.
//
// Timeout, RateLimit, Retry and Memo wrap a function that hangs, must not be called too
// often, fails now and then, or is asked the same again: in this order from the inside
// to the outside. What Run does about items that failed is said by
// Stop, Continue and DeadLetter; MaxFailedShare and MaxFailedWindow bound how many
// may.
//
// A negative number or a nil function panics at the call that it was given to.
//
// # Memory
//
// A chunk is its consumer's until the next pull. Operators never write to, or
// keep, memory that is not theirs, and never use a slice again that they have
// handed on as an item.
package stage
