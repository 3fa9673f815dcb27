// Package sink holds the places that items go to: values at hand ([Collect],
// [Func], [Chan], [Discard]), files ([Lines], [CSV], [NDJSON], [File],
// [Partitioned], [DeadLetters]), databases ([SQL]), the connectors of the library
// go-streams ([ToInlet]), and several sinks ([Route], [Multi]). Where items come from is
// in package source; what writes a stream to a sink, and what happens to items that
// failed on the way, is stage.Run.
//
//	summary, err := stage.Run(ctx, events, sink.NDJSON[Event]("events.ndjson.gz"))
//
// A sink is a plan: building one opens nothing, and it can be run again. It gets
// the items in the stream's order, one goroutine at a time, and holds back no
// more than it says. An error of a sink fails the run and names the file or table.
//
// In a run with a checkpoint (stage.Checkpoint), [Lines], [CSV], [NDJSON], [Encoded],
// [File] and [DeadLetters] write exactly once, replacing a file, with [Append] or with
// [MaxBytes]; so do [Partitioned], and [SQL] with a checkpoint.Table of the same
// database. [SQL] with another store, [Func], [Chan], [ToInlet], [Discard], [Collect] and
// standard output are given items at least once. [Route] and [Multi] do what their sinks
// do. sink/parquet is as files are, sink/pgcopy as [SQL] is.
//
// # Files
//
// A file is written as a whole: to a temporary file in the same folder, which is
// synced to disk and takes the old file's place when the run has succeeded. A run
// that fails or is cancelled leaves the old file as it was, and no temporary one.
// An existing file keeps its mode, a new one gets 0644 less the umask; a symbolic
// link stays one. A name that ends in .gz or .zst is written compressed, by several
// goroutines ([Level], [Compressors]). The folder must exist.
// Two sinks of a run that would write to the same file are an error.
//
// [MaxBytes] splits the output into files of a size, [Partitioned] by the items'
// keys. All files of a run become visible together: when the last one is synced,
// those of the run before are put aside, the new ones put in their places and the
// old ones removed. If anything fails before that is done, all is put back: a run
// leaves either all of its files or none. Only a crash of the machine in that
// moment can leave some of both, and the old ones under hidden names.
//
// In a run with a checkpoint, files that [MaxBytes] or [Partitioned] number appear as
// they become complete, each when the checkpoint that speaks of all of it has been
// saved, whole and for good: they are not written again, however often the run is
// resumed. The last ones appear when the run has succeeded. The manifest, which for
// the path part.csv.gz is the file _part.manifest.json in the same folder (that of
// Partitioned: in the root), lists them, and says when the run is complete:
//
//	{"version": 1, "run": "5RJ3...", "complete": true, "parts": [
//		{"file": "part-00001.csv.gz", "bytes": 1042, "crc32c": "1f09a3c4",
//			"rows": 77, "first_epoch": 2, "last_epoch": 3}]}
//
// The epochs are the checkpoints that speak of the file's records. The manifest is
// replaced as a whole, when files have been published. In each folder the files of an
// earlier run that it lists are removed when the first new one is published there, and
// stay where none is; in the list those have a run of their own. A file with such a
// name that the manifest does not list, as of a run without a checkpoint, fails the
// run: it is neither replaced nor removed. What is not published yet is under hidden
// names that end in .unfinished, of which a run removes those that are none of its own.
// A run that fails leaves them for the next one. The numbers, and with an ordered stream
// what is in each file before compression, are those of an undisturbed run.
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
