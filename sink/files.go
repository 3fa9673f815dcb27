package sink

import (
	"bufio"
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/penstock-go/penstock/internal/atomicfile"
	"github.com/penstock-go/penstock/internal/codec"
	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/stage"
)

const (
	stdout     = "-"
	stdoutName = "stdout"

	bufferSize = 64 << 10 // so many bytes are written at a time
)

// files is where the files of a run come from.
type files interface {
	next() (io.Writer, error) // begins a file
	finish() error            // completes it
	Commit() error            // puts all files in their places
	Abort() error             // leaves the old ones
}

// openFiles opens the output of a path.
func openFiles(path string, o *fileOptions) (files, error) {
	if path == stdout {
		return openStandardOutput()
	}
	if o.maxBytes == 0 {
		f, err := atomicfile.Create(path, o.fault)
		if err != nil {
			return nil, err
		}
		return wholeFile{f}, nil
	}
	dir, names := splitPath(path)
	old := func(name string) bool { return names.has(name) || name == manifestOf(names) }
	set, err := atomicfile.OpenSet(dir, false, old, o.fault)
	if err != nil {
		return nil, err
	}
	return &splitFiles{partFiles: atomicSet{set}, names: names}, nil
}

// wholeFile is the only file of a run.
type wholeFile struct{ *atomicfile.File }

func (f wholeFile) next() (io.Writer, error) { return f.File, nil }
func (wholeFile) finish() error              { return nil }

// fileWriter writes blocks of records to files.
type fileWriter struct {
	path     string
	maxBytes int64
	codec    codec.WriterOptions
	files    files

	body *codec.Writer // of the file at hand, or nil
	buf  *bufio.Writer // into body
	size int64         // bytes written to it
	any  bool          // there was a file
}

func openFileWriter(ctx context.Context, path string, o *fileOptions) (*fileWriter, error) {
	if err := claim(ctx, path, o); err != nil {
		return nil, err
	}
	switch {
	case o.maxBytes > 0 && stage.Checkpointed(ctx):
		d, err := createSplit(ctx, path, o)
		if err != nil {
			return nil, err
		}
		return newFileWriter(path, o, d), nil
	case o.appends || stage.Checkpointed(ctx) && path != stdout:
		d, err := createDurable(ctx, path, o)
		if err != nil {
			return nil, err
		}
		w := newFileWriter(path, o, d)
		w.any = d.size > 0 // then it has its header
		return w, nil
	}
	f, err := openFiles(path, o)
	if err != nil {
		return nil, err
	}
	return newFileWriter(path, o, f), nil
}

// claim makes sure that no other sink of the run writes to the path's files.
func claim(ctx context.Context, path string, o *fileOptions) error {
	switch {
	case path == stdout:
		return nil
	case o.maxBytes > 0:
		dir, names := splitPath(path)
		path = filepath.Join(dir, names.pattern())
	}
	return fsys.Claim(ctx, path)
}

func newFileWriter(path string, o *fileOptions, f files) *fileWriter {
	return &fileWriter{path: path, maxBytes: o.maxBytes, codec: o.codec, files: f, buf: bufio.NewWriterSize(nil, bufferSize)}
}

// begin begins a file.
func (w *fileWriter) begin(format stage.Format) error {
	goesOn := false
	if d, ok := w.files.(durable); ok {
		goesOn = d.goesOn(w.any)
	}
	out, err := w.files.next()
	if err != nil {
		return err
	}
	w.body, err = codec.NewWriter(out, w.path, w.codec)
	if err != nil {
		return err
	}
	w.buf.Reset(w.body)
	w.any = true
	if goesOn {
		return nil
	}
	w.size = 0
	if format == nil {
		return nil
	}
	return w.put(format.Header())
}

func (w *fileWriter) put(b []byte) error {
	w.size += int64(len(b))
	_, err := w.buf.Write(b)
	return err
}

// write writes whole records of so many items.
func (w *fileWriter) write(b []byte, items int, format stage.Format) error {
	for len(b) > 0 {
		if w.body == nil {
			if err := w.begin(format); err != nil {
				return err
			}
		}
		n := len(b)
		if w.maxBytes > 0 {
			n = cut(b, w.maxBytes-w.size, format)
		}
		if err := w.put(b[:n]); err != nil {
			return err
		}
		if split, ok := w.files.(*splitFiles); ok {
			items -= split.count(b[:n], n == len(b), items, format)
		}
		b = b[n:]
		if w.maxBytes > 0 && w.size >= w.maxBytes {
			if err := w.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut is how much of b goes into a file that has room for so many bytes.
func cut(b []byte, room int64, format stage.Format) int {
	if int64(len(b)) <= room || format == nil {
		return len(b)
	}
	n := format.Cut(b, int(max(room, 1)))
	if n <= 0 || n > len(b) { // not what Cut may return
		return len(b)
	}
	return n
}

// end completes the file at hand.
func (w *fileWriter) end() error {
	if err := w.endBody(); err != nil {
		return err
	}
	return w.files.finish()
}

// endBody ends what is compressed.
func (w *fileWriter) endBody() error {
	err := w.buf.Flush()
	if err == nil {
		err = w.body.Close()
	}
	if err == nil {
		w.body = nil
	}
	return err
}

// commit makes what was written the files, or leaves the old ones.
func (w *fileWriter) commit(format stage.Format) (err error) {
	if d, ok := w.files.(durable); ok && d.ended() {
		if w.body != nil {
			return errors.Join(errPublished, w.abort())
		}
		return nil
	}
	if !w.any {
		err = w.begin(format)
	}
	if err == nil && w.body != nil {
		err = w.end()
	}
	if err == nil {
		return w.files.Commit()
	}
	return errors.Join(err, w.abort())
}

// abort leaves the old files.
func (w *fileWriter) abort() error {
	if w.body != nil {
		w.body.Abort()
	}
	return w.files.Abort()
}
