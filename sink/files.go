package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/penstock-go/penstock/internal/atomicfile"
	"github.com/penstock-go/penstock/internal/codec"
	"github.com/penstock-go/penstock/stage"
)

const (
	stdout     = "-"
	stdoutName = "stdout"

	bufferSize = 64 << 10 // so many bytes are written at a time
)

// output is where a file's bytes go.
type output interface {
	io.Writer
	Commit() error // make what was written the file
	Abort() error  // leave the old file
}

// format turns items into bytes. It is made anew for each run.
type format[T any] interface {
	begin(b *bytes.Buffer) error // what comes before the first item
	add(b *bytes.Buffer, item *T) error
}

// file is a sink that writes a file.
type file[T any] struct {
	path   string
	create func(path string) (output, error)
	format func() format[T]
}

func newFile[T any](verb, path string, format func() format[T]) stage.Sink[T] {
	f := file[T]{path: path, create: create, format: format}
	return opener[T]{verb: verb, name: f.name(), open: f.open}
}

// create opens the output of a path.
func create(path string) (output, error) {
	if path == stdout {
		return standardOutput{os.Stdout}, nil
	}
	return atomicfile.Create(path)
}

// standardOutput is an output that is written to as it comes.
type standardOutput struct{ io.Writer }

func (standardOutput) Commit() error { return nil }
func (standardOutput) Abort() error  { return nil }

// name is what errors call the file.
func (f file[T]) name() string {
	if f.path == stdout {
		return stdoutName
	}
	return f.path
}

func (f file[T]) open(context.Context) (stage.Writer[T], error) {
	out, err := f.create(f.path)
	if err != nil {
		return nil, fmt.Errorf("sink: %s: %w", f.name(), err)
	}
	w := &fileWriter[T]{name: f.name(), out: out, live: f.path == stdout, format: f.format()}
	w.body, err = codec.NewWriter(out, f.path, codec.WriterOptions{})
	if err == nil {
		err = w.format.begin(&w.buf)
	}
	if err == nil && w.live {
		err = w.flush()
	}
	if err != nil {
		return nil, fmt.Errorf("sink: %s: %w", w.name, errors.Join(err, out.Abort()))
	}
	return w, nil
}

// fileWriter writes items to a file.
type fileWriter[T any] struct {
	name   string
	out    output
	body   *codec.Writer // compresses into out
	live   bool           // write each chunk at once
	format format[T]
	buf    bytes.Buffer
	items  int64
	failed error
}

// Write implements stage.Writer.
func (w *fileWriter[T]) Write(_ context.Context, c *stage.Chunk[T]) error {
	if w.failed == nil {
		if err := w.write(c); err != nil {
			w.failed = fmt.Errorf("sink: %s: %w", w.name, err)
		}
	}
	return w.failed
}

func (w *fileWriter[T]) write(c *stage.Chunk[T]) (err error) {
	good := w.buf.Len() // bytes of whole items
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("item %d: %w", w.items, panicked(v))
		}
		if w.live {
			w.buf.Truncate(good)
			err = errors.Join(err, w.flush())
		}
	}()
	for i := range c.Items {
		if err := w.format.add(&w.buf, &c.Items[i]); err != nil {
			return fmt.Errorf("item %d: %w", w.items, err)
		}
		w.items++
		if w.buf.Len() >= bufferSize {
			if err := w.flush(); err != nil {
				return err
			}
		}
		good = w.buf.Len()
	}
	return nil
}

// flush writes the buffer.
func (w *fileWriter[T]) flush() error {
	if w.buf.Len() == 0 {
		return nil
	}
	_, err := w.body.Write(w.buf.Bytes())
	w.buf.Reset()
	return err
}

// Close implements stage.Writer.
func (w *fileWriter[T]) Close(_ context.Context, cause error) error {
	var err error
	switch {
	case cause != nil:
		err = w.out.Abort()
	case w.failed != nil:
		return errors.Join(w.failed, w.out.Abort())
	default:
		err = w.finish()
	}
	if err != nil {
		return fmt.Errorf("sink: %s: %w", w.name, err)
	}
	return nil
}

// finish makes what was written the file, or leaves the old one.
func (w *fileWriter[T]) finish() error {
	err := w.flush()
	if err == nil {
		err = w.body.Close()
	}
	if err == nil {
		return w.out.Commit()
	}
	return errors.Join(err, w.out.Abort())
}
