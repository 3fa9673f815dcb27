package sink

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/penstock-go/penstock/stage"
)

// File writes encoded blocks to the file at path, in the stream's order; see the
// package's documentation for what path may be, and [FileOption] for the options.
// Blocks come from pool.Encode, which formats in the workers of a pool; or make
// them of bytes of your own: stage.Block{Bytes: b}.
//
//	blocks := pool.Encode(p, flights, sink.CSVEncoder[Flight]())
//	summary, err := stage.Run(ctx, blocks, sink.File("flights.csv.gz"))
//
// What is written is what [Encoded] writes of the same items, whatever the blocks.
// A block's header, if its format has one, comes once at the beginning of each
// file. With [MaxBytes], a block is cut between two records, or not at all if it
// has no format. Standard output gets each block as it comes. File holds 64 KiB,
// and gives a block's memory back when it has been written. The summary of a run
// counts blocks as items.
//
// File panics if path is empty or an option does not fit.
func File(path string, opts ...FileOption) stage.Sink[stage.Block] {
	o := newFileOptions("File", path, opts)
	return opener[stage.Block]{verb: "File", name: nameOf(path), open: func(ctx context.Context) (stage.Writer[stage.Block], error) {
		out, err := openFileWriter(ctx, path, &o)
		if err != nil {
			return nil, fmt.Errorf("sink: %s: %w", nameOf(path), err)
		}
		w := &blockWriter{name: nameOf(path), out: out, live: path == stdout}
		if w.live {
			return w, nil
		}
		return durableBlocks{w}, nil
	}, reopen: func(ctx context.Context, restore json.RawMessage) (stage.Writer[stage.Block], error) {
		if path == stdout {
			return nil, fmt.Errorf("sink: File(%s): %w", stdoutName, errNoResume)
		}
		out, _, err := restoreFile(ctx, path, &o, restore)
		if err != nil {
			return nil, fmt.Errorf("sink: %s: %w", nameOf(path), err)
		}
		return durableBlocks{&blockWriter{name: nameOf(path), out: out}}, nil
	}}
}

// durableBlocks is a blockWriter of a file, which can take part in a run with a
// checkpoint.
type durableBlocks struct{ *blockWriter }

// Prepare implements stage.Committer.
func (w durableBlocks) Prepare(_ context.Context, epoch uint64) (json.RawMessage, error) {
	if w.failed != nil {
		return nil, w.failed
	}
	state, err := w.out.prepare(epoch, w.format, 0)
	if err != nil {
		w.failed = fmt.Errorf("sink: %s: %w", w.name, err)
	}
	return state, w.failed
}

// Commit implements stage.Committer: a file of a size is published when it is
// complete, and another one at the end.
func (w durableBlocks) Commit(context.Context, uint64) error { return w.out.publish(w.name) }

// blockWriter writes blocks to files.
type blockWriter struct {
	name   string
	out    *fileWriter
	live   bool
	format stage.Format // of the last block
	failed error
}

// Write implements stage.Writer.
func (w *blockWriter) Write(_ context.Context, c *stage.Chunk[stage.Block]) error {
	for i := 0; i < len(c.Items) && w.failed == nil; i++ {
		if err := w.write(&c.Items[i]); err != nil {
			w.failed = fmt.Errorf("sink: %s: %w", w.name, err)
		}
	}
	return w.failed
}

func (w *blockWriter) write(b *stage.Block) error {
	w.format = b.Format
	err := w.out.write(b.Bytes, b.Items, b.Format)
	b.Release()
	if err == nil && w.live {
		err = w.out.buf.Flush()
	}
	return err
}

// Close implements stage.Writer.
func (w *blockWriter) Close(_ context.Context, cause error) error {
	return closeFiles(w.name, w.out, w.format, w.failed, cause)
}
