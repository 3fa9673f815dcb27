// Package sink holds the places that items go to: values at hand ([Collect],
// [Func], [Chan], [Discard]), files ([Lines], [CSV], [NDJSON], [File],
// [Partitioned], [DeadLetters]) and databases ([SQL]). Where items come from is in package source; what writes a stream to a
// sink, and what happens to items that failed on the way, is stage.Run.
//
//	summary, err := stage.Run(ctx, events, sink.NDJSON[Event]("events.ndjson.gz"))
//
// A sink is a plan: building one opens nothing, and it can be run again. It gets
// the items in the stream's order, one goroutine at a time, and holds back no
// more than it says. An error of a sink fails the run and names the file or table.
//
// In a run with a checkpoint (stage.Checkpoint), [Lines], [CSV], [NDJSON], [Encoded],
// [File] and [DeadLetters] write exactly once, replacing a file or with [Append]; so
// does [SQL] with a checkpoint.Table of the same database. [SQL] with another store,
// [Func], [Chan], [Discard], [Collect] and standard output are given items at least
// once. [MaxBytes], [Partitioned], sink/parquet and sink/pgcopy refuse such a run.
//
// # Files
//
// A file is written as a whole: to a temporary file in the same folder, which is
// synced to disk and takes the old file's place when the run has succeeded. A run
// that fails or is cancelled leaves the old file as it was, and no temporary one.
// An existing file keeps its mode, a new one gets 0644 less the umask; a symbolic
// link stays one. A name that ends in .gz or .zst is written compressed, by several
// goroutines ([Level], [Compressors]). The folder must exist.
//
// [MaxBytes] splits the output into files of a size, [Partitioned] by the items'
// keys. All files of a run become visible together: when the last one is synced,
// those of the run before are put aside, the new ones put in their places and the
// old ones removed. If anything fails before that is done, all is put back: a run
// leaves either all of its files or none. Only a crash of the machine in that
// moment can leave some of both, and the old ones under hidden names.
//
// "-" is standard output, and what is not a regular file (a device, a named pipe)
// is written to directly: neither is whole or not at all. Standard output gets
// each chunk as it comes and is never closed. A write that blocks there cannot be
// interrupted when the context ends. If the command that reads it has seen enough,
// as head has, the run ends early and without an error; stage.Summary.Enough tells.
// No signal ends the program then.
//
// Formats are encoders: [LinesEncoder], [CSVEncoder], [NDJSONEncoder], or one of
// your own. [Lines], [CSV], [NDJSON] and [Encoded] encode in the goroutine that
// writes. pool.Encode does it in a pool's workers, for [File]:
//
//	blocks := pool.Encode(p, events, sink.NDJSONEncoder[Event]())
//	summary, err := stage.Run(ctx, blocks, sink.File("events.ndjson.gz"))
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
