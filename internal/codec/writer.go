package codec

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

const (
	// gzipBlock is how much input a goroutine compresses at a time. It decides the
	// output, so that it is the same for any number of goroutines.
	gzipBlock = 256 << 10
	// maxWorkers is the default bound of goroutines that compress: each holds about
	// 2 MB.
	maxWorkers = 8
)

// WriterOptions are settings of what compresses. The zero value is the default.
type WriterOptions struct {
	Level   int // as the gzip and zstd commands count; 0 is the default
	Workers int // goroutines that compress; 0 is GOMAXPROCS, at most 8
}

func (o WriterOptions) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return min(runtime.GOMAXPROCS(0), maxWorkers)
}

// MaxLevel is the highest level of the compression that a file's name asks for, 0
// if it asks for none.
func MaxLevel(name string) int {
	switch kindOf(name) {
	case gz:
		return gzip.BestCompression
	case zst:
		return 22
	default:
		return 0
	}
}

// Writer compresses into another writer by a file's name: gzip for .gz, zstd for
// .zst, anything else unchanged. It is used by one goroutine at a time, and must
// be closed or aborted.
type Writer struct {
	out  *fence
	body io.WriteCloser
	join func() // returns when no goroutine of body's is left
	done bool
}

// NewWriter returns a Writer into w.
func NewWriter(w io.Writer, name string, o WriterOptions) (*Writer, error) {
	out := &fence{w: w}
	switch kindOf(name) {
	case gz:
		body, err := pgzip.NewWriterLevel(out, gzipLevel(o.Level))
		if err != nil {
			return nil, err
		}
		if err := body.SetConcurrency(gzipBlock, o.workers()); err != nil {
			return nil, err
		}
		return &Writer{out: out, body: body, join: func() { body.Reset(io.Discard) }}, nil
	case zst:
		body, err := zstd.NewWriter(out, zstdOptions(o.Level, o.workers())...)
		if err != nil {
			return nil, err
		}
		return &Writer{out: out, body: body, join: func() { body.Reset(nil) }}, nil
	default:
		return &Writer{out: out, body: nopCloser{out}, join: func() {}}, nil
	}
}

func gzipLevel(level int) int {
	if level == 0 {
		return gzip.DefaultCompression
	}
	return level
}

func zstdOptions(level, workers int) []zstd.EOption {
	o := []zstd.EOption{zstd.WithEncoderConcurrency(workers), zstd.WithZeroFrames(true)}
	if level > 0 {
		o = append(o, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)))
	}
	return o
}

// Write implements io.Writer. What fails later, in a goroutine that compresses, is
// told by a later Write or by Close.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.body.Write(p)
	if err != nil {
		err = w.out.cause(err)
	}
	return n, err
}

// Close completes the data and leaves the underlying writer open.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	err := w.body.Close()
	w.out.up.Store(true)
	w.join()
	return w.out.cause(err)
}

// Abort gives up: nothing more is written. After a Close it does nothing.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.out.up.Store(true)
	w.join()
}

var errAborted = errors.New("aborted")

// fence is the underlying writer until the compressor is given up. It remembers
// the first error, which a compressor may lose or tell otherwise.
type fence struct {
	w    io.Writer
	up   atomic.Bool
	fail atomic.Pointer[error]
}

// Write implements io.Writer. Compressors call it from one goroutine at a time.
func (f *fence) Write(p []byte) (int, error) {
	if f.up.Load() {
		return 0, errAborted
	}
	if err := f.fail.Load(); err != nil {
		return 0, *err
	}
	n, err := f.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		f.fail.Store(&err)
	}
	return n, err
}

// cause is why writing failed: what the underlying writer said first.
func (f *fence) cause(err error) error {
	if first := f.fail.Load(); first != nil {
		return *first
	}
	return err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// Packer compresses whole pieces, each to a gzip member or zstd frame of its own,
// which may follow one another in a file. It starts no goroutine and is used by
// one at a time.
type Packer struct {
	buf bytes.Buffer
	gz  *gzip.Writer
	zst *zstd.Encoder
}

// NewPacker returns a Packer for the compression that a file's name asks for.
func NewPacker(name string, o WriterOptions) (p *Packer, err error) {
	p = new(Packer)
	switch kindOf(name) {
	case gz:
		p.gz, err = gzip.NewWriterLevel(&p.buf, gzipLevel(o.Level))
	case zst:
		p.zst, err = zstd.NewWriter(nil, zstdOptions(o.Level, 1)...)
	default:
	}
	return p, err
}

// Pack returns the compressed piece, which is valid until the next call, or the
// piece itself if the name asks for no compression.
func (p *Packer) Pack(piece []byte) ([]byte, error) {
	switch {
	case p.gz != nil:
		p.buf.Reset()
		p.gz.Reset(&p.buf)
		_, err := p.gz.Write(piece)
		err = errors.Join(err, p.gz.Close()) // into memory: neither fails
		return p.buf.Bytes(), err
	case p.zst != nil:
		p.buf.Reset()
		out := p.zst.EncodeAll(piece, p.buf.AvailableBuffer())
		p.buf.Write(out) // keeps the memory for the next
		return out, nil
	}
	return piece, nil
}
