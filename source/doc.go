// Package source holds the places that items come from: values at hand ([Of],
// [Slice], [Range]), iterators ([Seq], [Seq2], [SeqErr]), channels ([Chan]),
// functions ([Func]), files: lines ([Lines], [LineBytes]), CSV ([CSV], [Records])
// and JSON ([NDJSON], [JSONLines], [JSON]), files that grow ([Follow]), time
// ([Ticker]), databases ([Query]), and the connectors of the library go-streams
// ([FromOutlet]). Where items
// go to is in package sink; what happens in between is in packages stage and pool.
//
//	events := source.NDJSON[Event]("events-*.ndjson.gz")
//	n, err := events.Count(ctx)
//
// Every source is a plan: building one opens nothing, and it can be run again,
// from the start, as often as what it reads allows (a channel or standard input
// goes on where the last run stopped). Items come in the source's order. A
// source reads ahead no more than the chunk that it was asked for, and files one
// read buffer more.
//
// # Files
//
// A path is a file, a folder, a pattern ("logs/**/*.log", "part-{a,b}.csv.zst") or
// "-" for standard input. Files that a pattern matches come in lexical order; a
// file whose name is the pattern itself wins. A folder stands for all regular files
// in it and in the folders below it, in lexical order of their paths; names that
// begin with a dot are passed over, and links to folders are not followed. A folder
// without files is an error, as is one that cannot be read. Files are read one
// after the other.
// gzip (all members) and zstd (all frames) are recognised by their first bytes,
// whatever the name is. What they may decompress to is bounded; see [MaxRatio],
// [MaxTotal] and [MaxWindow]. Data that ends in the middle of a member or frame is
// an error, never a shorter file.
//
// [Split] cuts files into sections that other goroutines or processes read with
// [Within]; together they give the records of the whole.
//
// What is wrong with one record (it is too long, its JSON is invalid, a field
// does not fit) is an error of that item, a *stage.ItemError that names file,
// record and byte, and the stream goes on with the next record. What is wrong
// with a file (it is missing, cannot be read, ends in the middle of its
// compressed data) ends the stream with an [Error], after all items before it.
//
// Files are read where the stream is pulled, and nothing else happens there;
// counting, finding and decoding the records of a block runs in a pool's workers.
// A regular file is read without a goroutine, unless it is zstd: that is decoded
// ahead of the reader by GOMAXPROCS goroutines (frames of up to 8 MiB one by one,
// at most 16 MiB of them; a larger frame in stages), which end with the stream. What
// may keep a reader waiting (standard input unless it is a
// regular file, a named pipe, a terminal) is read by a goroutine that lives as
// long as one read; if the context ends while such a read of standard input is
// blocked, the read is abandoned, and with it what it will still deliver.
//
// # Going on where a run left off
//
// Runs with a checkpoint (stage.Checkpoint) go on in files at the record at which
// they left off, also in one that grows, in memory at the item, in a [Query] with a
// [Key] behind the row. A channel, an outlet of go-streams, a function, a sequence, a
// ticker, standard input and a named pipe cannot be read again; such a run refuses them
// when it starts ([ErrNoResume]).
//
// In a plain file the run goes to the byte, in a file of many zstd frames that say
// how much they hold to the frame; other compressed files are decompressed from
// their start and what is done is dropped. CSV files have their header read first.
//
// The run is refused, by name (checkpoint.ChangedError), if it would read something
// else: if a file is new, gone, at another place in the order, of another size or
// compression, or differs in its first or last 64 KiB as it is stored. A change in
// a file's middle that keeps its size is not noticed; when a file was modified does
// not count. [MaxRecord], [Validate] and all options of CSV but [Borrow] must be the
// same; so must a [Decoder], which is not checked. [BlockSize] and the limits of what
// decompresses may change; [MaxTotal] counts what one run reads.
//
// # A source of your own
//
// [stage.New] makes a stream of anything that can fill a chunk:
//
//	func Countdown(from int) stage.Stream[int] {
//		return stage.New("Countdown", func(context.Context) (stage.Puller[int], error) {
//			return &countdown{from}, nil
//		})
//	}
//
//	type countdown struct{ left int }
//
//	func (c *countdown) Pull(_ context.Context, into *stage.Chunk[int], max stage.Limit) error {
//		into.Reset()
//		for ; c.left > 0 && len(into.Items) < max.Room(); c.left-- {
//			into.Items = append(into.Items, c.left)
//		}
//		if c.left == 0 {
//			return io.EOF
//		}
//		return nil
//	}
//
//	func (c *countdown) Close() error { return nil }
package source
