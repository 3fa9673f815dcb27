package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/internal/encode"
	"github.com/penstock-go/penstock/stage"
)

// Encoded writes the items to the file at path as enc formats them; see the
// package's documentation for what path may be, and [FileOption] for the options.
// It is what [Lines], [CSV] and [NDJSON] are made of. It holds an encoded run of at
// most 256 items and 64 KiB; pool.Encode and [File] encode in many goroutines and
// write the same.
//
// An item that cannot be encoded fails the run, with an error that names the item,
// counted from 0. Encoded panics if enc is nil, path is empty or an option does
// not fit.
func Encoded[T any](path string, enc stage.Encoder[T], opts ...FileOption) stage.Sink[T] {
	return encoded("Encoded", path, enc, opts)
}

func encoded[T any](verb, path string, enc stage.Encoder[T], opts []FileOption) stage.Sink[T] {
	notNil(enc == nil, verb+": enc")
	o := newFileOptions(verb, path, opts)
	return opener[T]{verb: verb, name: nameOf(path), open: func(ctx context.Context) (stage.Writer[T], error) {
		return openEncoded(ctx, path, enc, &o)
	}, reopen: func(ctx context.Context, restore json.RawMessage) (stage.Writer[T], error) {
		if path == stdout {
			return nil, fmt.Errorf("sink: %s(%s): %w", verb, stdoutName, errNoResume)
		}
		out, items, err := restoreFile(ctx, path, &o, restore)
		if err != nil {
			return nil, fmt.Errorf("sink: %s: %w", nameOf(path), err)
		}
		w := &encodedWriter[T]{name: nameOf(path), out: out, enc: enc, format: encode.FormatOf(enc), items: items}
		return durableEncoded[T]{w}, nil
	}}
}

// durableEncoded is an encodedWriter of a file, which can take part in a run with a
// checkpoint.
type durableEncoded[T any] struct{ *encodedWriter[T] }

// Prepare implements stage.Committer.
func (w durableEncoded[T]) Prepare(_ context.Context, epoch uint64) (json.RawMessage, error) {
	if w.failed != nil {
		return nil, w.failed
	}
	state, err := w.out.prepare(epoch, w.format, w.items)
	if err != nil {
		w.failed = fmt.Errorf("sink: %s: %w", w.name, err)
	}
	return state, w.failed
}

// Commit implements stage.Committer: a file of a size is published when it is
// complete, and another one at the end.
func (w durableEncoded[T]) Commit(context.Context, uint64) error { return w.out.publish(w.name) }

// nameOf is what errors call the file.
func nameOf(path string) string {
	if path == stdout {
		return stdoutName
	}
	return path
}

func openEncoded[T any](ctx context.Context, path string, enc stage.Encoder[T], o *fileOptions) (stage.Writer[T], error) {
	out, err := openFileWriter(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("sink: %s: %w", nameOf(path), err)
	}
	w := &encodedWriter[T]{name: nameOf(path), out: out, live: path == stdout, enc: enc, format: encode.FormatOf(enc)}
	if !w.live {
		return durableEncoded[T]{w}, nil
	}
	err = out.begin(w.format) // the header comes at once
	if err == nil {
		err = out.buf.Flush()
	}
	if err != nil && !errors.Is(err, stage.ErrEnough) {
		return nil, fmt.Errorf("sink: %s: %w", w.name, errors.Join(err, out.abort()))
	}
	w.failed = err
	return w, nil
}

// encodeItems is how many items are encoded at a time.
const encodeItems = 256

// encodedWriter encodes items and writes them to files.
type encodedWriter[T any] struct {
	name   string
	out    *fileWriter
	live   bool // write each chunk at once
	enc    stage.Encoder[T]
	format stage.Format
	buf    []byte
	items  int64
	failed error
}

// Write implements stage.Writer.
func (w *encodedWriter[T]) Write(_ context.Context, c *stage.Chunk[T]) error {
	if w.failed == nil {
		if err := w.write(c.Items); err != nil {
			w.failed = fmt.Errorf("sink: %s: %w", w.name, err)
		}
	}
	return w.failed
}

func (w *encodedWriter[T]) write(items []T) error {
	for len(items) > 0 {
		some := items[:min(len(items), encodeItems)]
		var n int
		var failed error
		w.buf, n, failed = encode.Items(w.enc, w.buf[:0], some, false)
		err := w.out.write(w.buf, n, w.format)
		w.items += int64(n)
		if failed != nil {
			err = errors.Join(fmt.Errorf("item %d: %w", w.items, failed), err)
		}
		if w.live {
			err = errors.Join(err, w.out.buf.Flush())
		}
		if err != nil {
			return err
		}
		items = items[n:]
		if cap(w.buf) > maxKept {
			w.buf = nil
		}
	}
	return nil
}

// maxKept is the largest buffer that is kept for the next chunk.
const maxKept = 1 << 20

// Close implements stage.Writer.
func (w *encodedWriter[T]) Close(_ context.Context, cause error) error {
	return closeFiles(w.name, w.out, w.format, w.failed, cause)
}

// closeFiles ends the output of a run: failed is why writing failed, cause why the
// run did.
func closeFiles(name string, out *fileWriter, format stage.Format, failed, cause error) error {
	var err error
	switch {
	case errors.Is(failed, stage.ErrEnough) && cause == nil, cause != nil:
		err = out.abort()
	case failed != nil:
		return errors.Join(failed, out.abort())
	default:
		err = out.commit(format)
	}
	if err != nil {
		return fmt.Errorf("sink: %s: %w", name, err)
	}
	return nil
}
