// Package codec reads and writes compressed data for the sources and sinks of
// files: gzip and zstd, recognised by their first bytes when reading and chosen
// by the file's name when writing. A Reader that was told to decode ahead and a
// Writer start goroutines, which Close and Abort join.
package codec

import (
	"bufio"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// readSize is the size of the buffer in front of a decompressor.
const readSize = 64 << 10

// kind is a compression format.
type kind uint8

const (
	plain kind = iota
	gz
	zst
)

const (
	gzMagic  = "\x1f\x8b"
	zstMagic = "\x28\xb5\x2f\xfd"
	// A skippable frame begins with any byte from 0x50 to 0x5f before these; some
	// compressors write one first.
	skipMagic = "\x2a\x4d\x18"
)

// kindOf is the format that a file's name promises.
func kindOf(name string) kind {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gz", ".gzip":
		return gz
	case ".zst", ".zstd":
		return zst
	}
	return plain
}

// Reader decompresses what it recognises as gzip (all members) or zstd (all
// frames) and passes everything else on unchanged. It looks at its source at
// the first Read only.
type Reader struct {
	src    *bufio.Reader
	name   string
	limits *Limits
	ahead  int

	body  io.Reader // of data that is not compressed src itself
	close func()
	in    counter // compressed bytes that were read
	out   int64   // decompressed bytes
	err   error
}

// counter counts what is read through it, by who reads or a goroutine of the
// decoder, and keeps the failure, which decoders may take for the end.
type counter struct {
	io.Reader
	n      atomic.Int64
	failed atomic.Pointer[error]
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF {
		c.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// NewReader returns a Reader of src. The name serves to tell a compressed file
// that was cut off within its first bytes from a short text. With ahead > 1 so
// many goroutines decode zstd ahead of who reads: whole frames if they are small,
// else one frame in stages.
func NewReader(src io.Reader, name string, limits *Limits, ahead int) *Reader {
	r := &Reader{name: name, limits: limits, ahead: ahead, in: counter{Reader: src}}
	r.src = bufio.NewReaderSize(&r.in, readSize)
	return r
}

// Read implements io.Reader. Compressed data that ends too early is
// io.ErrUnexpectedEOF, data over a limit is ErrLimit.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.body == nil {
		if err := r.start(); err != nil {
			r.err = r.cause(err)
			return 0, r.err
		}
	}
	n, err := r.body.Read(p)
	if r.body != r.src {
		r.out += int64(n)
		allowed, over := r.limits.charge(n, r.in.n.Load(), r.out)
		if over != nil {
			n, err = allowed, over
		}
	}
	if err != nil {
		r.err = r.cause(err)
	}
	return n, r.err
}

// cause is why decoding ended with err.
func (r *Reader) cause(err error) error {
	if failed := r.in.failed.Load(); failed != nil {
		return *failed
	}
	return r.limits.named(err)
}

// start recognises the format.
func (r *Reader) start() error {
	k, err := sniff(r.src, r.name)
	if err != nil {
		return err
	}
	switch k {
	case gz:
		body, err := gzip.NewReader(r.src)
		if err != nil {
			return cutOff(err)
		}
		r.body = body
	case zst:
		body, err := newFrames(r.src, r.limits, r.ahead)
		if err != nil {
			return cutOff(err)
		}
		r.body, r.close = body, body.close
	default:
		r.body = r.src
	}
	return nil
}

// cutOff makes the plain end of the source an unexpected one.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sniff recognises the format of what src will deliver. It asks for no more
// bytes than it needs, so that a text that is typed is not held up.
func sniff(src *bufio.Reader, name string) (kind, error) {
	for n := 1; ; n++ {
		peeked, err := src.Peek(n)
		head := string(peeked)
		if errors.Is(err, io.EOF) {
			return whole(head, name)
		}
		if err != nil {
			return plain, err
		}
		k, sure := match(head)
		if sure {
			return k, nil
		}
	}
}

// match compares the beginning of the data with the magic numbers; sure is
// false while more bytes are needed.
func match(head string) (k kind, sure bool) {
	switch {
	case strings.HasPrefix(head, gzMagic):
		return gz, true
	case strings.HasPrefix(head, zstMagic):
		return zst, true
	case strings.HasPrefix(gzMagic, head), strings.HasPrefix(zstMagic, head):
		return plain, false
	case head[0]&0xf0 == 0x50 && strings.HasPrefix(head[1:], skipMagic):
		return zst, true
	case head[0]&0xf0 == 0x50 && strings.HasPrefix(skipMagic, head[1:]):
		return plain, false
	}
	return plain, true
}

// whole judges data that ended before it could be told from a magic number. It
// is text only if no compressed file is likely to begin so: the first byte of
// zstd's number is a parenthesis, those of gzip are no text.
func whole(head string, name string) (kind, error) {
	likely := len(head) > 0 && strings.HasPrefix(gzMagic, head) ||
		len(head) > 1 && strings.HasPrefix(zstMagic, head)
	if likely || kindOf(name) != plain {
		return plain, io.ErrUnexpectedEOF
	}
	return plain, nil
}

// Close lets go of what the decompressor holds and joins its goroutines. It does
// not close the source.
func (r *Reader) Close() {
	if r.close != nil {
		r.close()
	}
}
