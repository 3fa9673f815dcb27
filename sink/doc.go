// Package sink holds the places that items go to: values at hand ([Collect],
// [Func], [Chan], [Discard]), files ([Lines], [CSV], [NDJSON]) and databases
// ([SQL]). Where items come from is in package source; what writes a stream to a
// sink, and what happens to items that failed on the way, is stage.Run.
//
//	summary, err := stage.Run(ctx, events, sink.NDJSON[Event]("events.ndjson.gz"))
//
// A sink is a plan: building one opens nothing, and it can be run again. It gets
// the items in the stream's order, one goroutine at a time, and holds back no
// more than it says. An error of a sink fails the run and names the file or table.
// None of these sinks can resume a run that was cut off: opening one with a state
// to restore is an error.
//
// # Files
//
// A file is written as a whole: to a temporary file in the same folder, which is
// synced to disk and takes the old file's place when the run has succeeded. A run
// that fails or is cancelled leaves the old file as it was, and no temporary one.
// An existing file keeps its mode, a new one gets 0644 less the umask; a symbolic
// link stays one. A name that ends in .gz or .zst is written compressed. The
// folder must exist.
//
// "-" is standard output, and what is not a regular file (a device, a named pipe)
// is written to directly: neither is whole or not at all. Standard output gets
// each chunk as it comes and is never closed. A write that blocks there cannot be
// interrupted when the context ends.
//
// # A sink of your own
//
//	type counter struct{ n *int }
//
//	func (s counter) Open(context.Context, json.RawMessage) (stage.Writer[string], error) {
//		return s, nil
//	}
//
//	func (s counter) Write(_ context.Context, c *stage.Chunk[string]) error {
//		*s.n += len(c.Items)
//		return nil
//	}
//
//	func (s counter) Close(context.Context, error) error { return nil }
package sink
