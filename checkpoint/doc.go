// Package checkpoint holds what a pipeline remembers so that a run that died can
// go on: which records of each source are done, and where that is kept.
//
// A [Tracker] knows the records of one source that are done and gives snapshots
// of it, a [Progress]. It knows nothing of streams: records have ordinals, and a
// position is whatever the source makes of it.
//
//	var t checkpoint.Tracker[int64]            // positions are byte offsets here
//	err := t.Done(0, 100, 0)                   // records 0 to 99, which begin at byte 0
//	p := t.Progress()                          // p.Watermark is 100
//	for r := range p.Skip(90, 20) { ... }      // r is [100, 110): what is left to do
//
// A [State] is all that a pipeline goes on from, as JSON that a person can read. A
// [Store] keeps it: [File] in a file, [Table] in a table of the database that the
// data goes to, in the data's own transaction. Others are written in a few lines.
//
// What is saved and when is decided by package stage.
//
// The idea of a low watermark with what is done above it is that of Akidau et
// al., MillWheel (VLDB 2013); epochs that cut a running pipeline are those of
// Carbone et al., Lightweight Asynchronous Snapshots (2015), without barriers.
package checkpoint
