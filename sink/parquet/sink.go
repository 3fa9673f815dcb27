package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"

	"github.com/parquet-go/parquet-go"

	"github.com/penstock-go/penstock/internal/atomicfile"
	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/stage"
)

// dictionaryBytes is how large a column's dictionary may grow in a row group;
// from then on its values are written plain.
const dictionaryBytes = 1 << 20

// Sink writes each item as a row of a Parquet file, in the stream's order. T is a
// struct, or a pointer to one, whose parquet tags name the columns and say how
// they are written, as in github.com/parquet-go/parquet-go; without a tag a column
// is named like its field. Pointers are optional columns, nil is null. Text is
// written with a dictionary, and plain once that grows to 1 MiB, unless its tag
// names an encoding or says plain.
//
// The file is replaced as a whole: rows go to a temporary file in the same folder,
// which takes the name when the stream has ended well, synced to disk. A run that
// fails or is cancelled leaves the old file, and nothing else. Errors of writing,
// flushing, syncing and closing fail the run; those of an item name it, counted
// from 0. A nil item is one.
//
// Pages are encoded and compressed where the items are written, as they come. A
// row group is held in memory, compressed, until it has [RowGroupBytes].
//
// In a run with a checkpoint (stage.Checkpoint) rows are written exactly once. Those
// between two checkpoints become a hidden file of their own beside the file, which
// ends in .unfinished; at the end the row groups of all are copied into the file, as
// they are, without decoding them, and if there is but one it is renamed. So a
// checkpoint ends a row group however small it is: use few where files are to be read
// fast. The copy needs as much room again as the file, for a while, and memory for one
// row group. The checkpoint's state grows by about 90 bytes with each. A run that fails
// leaves the hidden files for the next one.
//
// The options are [RowGroupBytes] and [Compression]. Sink panics if T is not a
// struct with columns.
func Sink[T any](path string, opts ...Option) stage.Sink[T] {
	return &sink[T]{path: path, opts: settings(opts), schema: schemaOf[T]()}
}

type sink[T any] struct {
	path   string
	opts   *options
	schema *parquet.Schema
}

// String is what logs call the sink.
func (s *sink[T]) String() string { return "parquet.Sink(" + s.path + ")" }

// Open implements stage.Sink.
func (s *sink[T]) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[T], error) {
	if err := fsys.Claim(ctx, s.path); err != nil {
		return nil, fmt.Errorf("sink: %s: %w", s.path, err)
	}
	if len(restore) > 0 || stage.Checkpointed(ctx) {
		d, err := s.openDurable(ctx, restore)
		if err != nil {
			return nil, fmt.Errorf("sink: %s: %w", s.path, err)
		}
		return d, nil
	}
	out, err := atomicfile.Create(s.path, nil)
	if err != nil {
		return nil, fmt.Errorf("sink: %s: %w", s.path, err)
	}
	return s.writer(out)
}

// settings are those of the library.
func (s *sink[T]) settings() []parquet.WriterOption {
	return []parquet.WriterOption{
		s.schema, parquet.Compression(s.opts.compression),
		parquet.DictionaryMaxBytes(dictionaryBytes), parquet.CreatedBy("penstock", "0", ""),
	}
}

// output is where a file's bytes go.
type output interface {
	io.Writer
	Commit() error // make what was written the file
	Abort() error  // leave the old file
}

func (s *sink[T]) writer(out output) (stage.Writer[T], error) {
	w, err := s.newWriter(out)
	if err != nil {
		return nil, fmt.Errorf("sink: %s: %w", s.path, err)
	}
	return w, nil
}

func (s *sink[T]) newWriter(out output) (*writer[T], error) {
	w := &writer[T]{path: s.path, out: out, limit: s.opts.rowGroup}
	err := safely(func() error {
		w.rows = parquet.NewGenericWriter[T](out, s.settings()...)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, out.Abort())
	}
	return w, nil
}

// writer writes rows to a file.
type writer[T any] struct {
	path   string
	out    output
	rows   *parquet.GenericWriter[T]
	limit  int64 // bytes of a row group
	begun  int64 // bytes of the file before the row group
	items  int64
	failed error
}

// step is how many items are written between looks at the row group's size.
const step = 256

// Write implements stage.Writer.
func (w *writer[T]) Write(_ context.Context, c *stage.Chunk[T]) error {
	if w.failed != nil {
		return w.failed
	}
	for items := c.Items; len(items) > 0; {
		some := items[:min(step, len(items))]
		items = items[len(some):]
		if err := w.write(some); err != nil {
			w.failed = fmt.Errorf("sink: %s: %w", w.path, err)
			return w.failed
		}
	}
	return nil
}

// write writes a few items, and the row group when it is large enough.
func (w *writer[T]) write(items []T) error {
	if reflect.TypeFor[T]().Kind() == reflect.Pointer {
		for i := range items {
			if reflect.ValueOf(&items[i]).Elem().IsNil() {
				return fmt.Errorf("item %d: it is nil", w.items+int64(i))
			}
		}
	}
	err := safely(func() error {
		n, err := w.rows.Write(items)
		if err == nil && n < len(items) {
			err = io.ErrShortWrite
		}
		return err
	})
	if err != nil {
		return w.blame(items, err)
	}
	w.items += int64(len(items))
	if w.rows.Size()-w.begun < w.limit {
		return nil
	}
	if err := safely(w.rows.Flush); err != nil {
		return fmt.Errorf("row group before item %d: %w", w.items, err)
	}
	w.begun = w.rows.Size()
	return nil
}

// blame finds which item made writing fail: that one alone fails again. What is
// wrong with none alone is said of them all.
func (w *writer[T]) blame(items []T, err error) error {
	for i := range items {
		if itself := safely(func() error { return alone(items[i : i+1]) }); itself != nil {
			return fmt.Errorf("item %d: %w", w.items+int64(i), itself)
		}
	}
	return fmt.Errorf("items %d to %d: %w", w.items, w.items+int64(len(items))-1, err)
}

// alone writes items to nowhere.
func alone[T any](items []T) error {
	w := parquet.NewGenericWriter[T](io.Discard)
	if _, err := w.Write(items); err != nil {
		return err
	}
	return w.Close()
}

// Close implements stage.Writer.
func (w *writer[T]) Close(_ context.Context, cause error) error {
	var err error
	switch {
	case cause != nil:
		err = w.out.Abort()
	case w.failed != nil:
		return errors.Join(w.failed, w.out.Abort())
	default:
		if err = safely(w.rows.Close); err == nil {
			err = w.out.Commit()
		} else {
			err = errors.Join(err, w.out.Abort())
		}
	}
	if err != nil {
		return fmt.Errorf("sink: %s: %w", w.path, err)
	}
	return nil
}

// safely calls f and makes an error of its panic.
func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
