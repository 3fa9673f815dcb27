package source

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/penstock-go/penstock/internal/rotation"
)

// witness is how many bytes at a file's start, and how many before the place that
// reading has come to, tell whether it is still what was read.
const witness = 1 << 10

// followed is an open file, from which what is appended is read.
type followed struct {
	file *os.File // nil: there is nothing more to read
	info os.FileInfo
	id   string

	pos   int64  // what is before it was read
	head  []byte // its first bytes, at most witness
	seam  []byte // those before pos, at most witness
	seen  int64  // the largest size that it is known to have had
	grown time.Time
	known time.Time // since when it is in the chain
	final bool      // nobody appends to it any more
	gap   error     // what may be missing before it
	name  string    // see key
	of    int       // the length of the head that name tells of
}

var errNotRegular = errors.New("only a regular file can be followed")

// openFollowed opens a file to be read from its start. A nil is none, as it is not
// the one that was expected.
func openFollowed(path string, want os.FileInfo) (*followed, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, syscall.EISDIR
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return nil, errNotRegular
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &followed{file: file}
	if f.info, err = file.Stat(); err == nil && (want == nil || os.SameFile(want, f.info)) {
		f.id, f.seen = rotation.ID(file, f.info), f.info.Size()
		if f.head, err = f.bytes(0, witness); err == nil {
			return f, nil
		}
	}
	return nil, errors.Join(err, file.Close())
}

// bytes reads n bytes, or as many as there are.
func (f *followed) bytes(at, n int64) ([]byte, error) {
	b := make([]byte, n)
	got, err := f.file.ReadAt(b, at)
	if err == io.EOF {
		err = nil
	}
	return b[:got], err
}

// read reads what there is at pos. whole is false if the file is not the one any
// more whose start was read; nothing was read then.
func (f *followed) read(p []byte) (n int, whole bool, err error) {
	if f.file == nil {
		return 0, true, nil
	}
	n, err = f.file.ReadAt(p, f.pos)
	if err == io.EOF {
		err = nil
	}
	if n == 0 || err != nil {
		return 0, f.pos >= f.seen, err
	}
	// Looking after the read tells of the moment of the read, too.
	if whole, err = f.whole(); !whole || err != nil {
		return 0, whole, err
	}
	if have := int64(len(f.head)); have < witness && f.pos <= have && f.pos+int64(n) > have {
		f.head = append(f.head, p[have-f.pos:min(int64(n), witness-f.pos)]...)
	}
	if n >= witness {
		f.seam = append(f.seam[:0], p[n-witness:n]...)
	} else {
		f.seam = append(f.seam, p[:n]...)
		f.seam = append(f.seam[:0], f.seam[max(0, len(f.seam)-witness):]...)
	}
	f.pos += int64(n)
	f.seen = max(f.seen, f.pos)
	return n, true, nil
}

// whole reports whether the file still begins as it did, and still has before pos
// what was read there.
func (f *followed) whole() (bool, error) { return f.isIn(f.file) }

// isIn reports whether another file, or what this one has become, holds what was read.
func (f *followed) isIn(file *os.File) (bool, error) {
	for _, part := range []struct {
		want []byte
		at   int64
	}{{f.head, 0}, {f.seam, f.pos - int64(len(f.seam))}} {
		have := make([]byte, len(part.want))
		if n, err := file.ReadAt(have, part.at); n < len(have) {
			if err == io.EOF {
				err = nil
			}
			return false, err
		}
		if !bytes.Equal(have, part.want) {
			return false, nil
		}
	}
	return true, nil
}

// look finds out how large the file is, and whether it is whole.
func (f *followed) look() (whole bool, err error) {
	if f.file == nil || f.final {
		return true, nil
	}
	info, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() < f.pos || info.Size() < int64(len(f.head)) {
		return false, nil
	}
	head, err := f.headNow()
	if head == nil || err != nil {
		return false, err
	}
	f.head = head
	if whole, err = f.whole(); whole {
		if info.Size() < f.seen { // what was not read yet was cut off
			return false, err
		}
		f.seen = info.Size()
	}
	return whole, err
}

// headNow is the head of a file that has grown; nil if it is another one.
func (f *followed) headNow() ([]byte, error) {
	if len(f.head) == witness {
		return f.head, nil
	}
	now, err := f.bytes(0, witness)
	if err != nil || !bytes.HasPrefix(now, f.head) {
		return nil, err
	}
	return now, nil
}

// copiedTo reports whether the file may be a copy of what is in another.
func (f *followed) copiedTo(other *followed) bool {
	return len(f.head) > 0 && bytes.HasPrefix(other.head, f.head)
}

// close lets go of the file.
func (f *followed) close() error {
	if f == nil || f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// key is the file's name in positions: the path, what tells the file from others,
// and its first bytes, as far as they are known now; of an empty one, when it was changed.
func (f *followed) key(path string) string {
	if f.name == "" || f.of != len(f.head) {
		sum := sumOf(f.head)
		if f.of = len(f.head); f.of == 0 {
			sum = uint64(f.info.ModTime().UnixNano())
		}
		f.name = fmt.Sprintf("%s@%s:%d:%016x", path, f.id, f.of, sum)
	}
	return f.name
}

var sums = crc64.MakeTable(crc64.ECMA) //nolint:gochecknoglobals // a constant

func sumOf(b []byte) uint64 { return crc64.Checksum(b, sums) }

// gapMark ends the key of a position at which lines may be missing.
const gapMark = "!"

// mark is what a position's key says of a file.
type mark struct {
	id  string
	n   int64  // bytes of its start
	sum uint64 // of these, or the time of its last change if there were none
	gap bool   // the position is that of the error before the record
}

// parseKey reads a key of the file at path.
func parseKey(path, key string) (m mark, ok bool) {
	text, ok := strings.CutPrefix(key, path+"@")
	if !ok {
		return m, false
	}
	text, m.gap = strings.CutSuffix(text, gapMark)
	m.id, text, _ = strings.Cut(text, ":")
	_, err := fmt.Sscanf(text, "%d:%x", &m.n, &m.sum)
	return m, err == nil && m.n >= 0 && m.n <= witness
}

// fits reports whether a file begins as the mark says.
func (m mark) fits(f *followed) bool {
	return int64(len(f.head)) >= m.n && (m.n == 0 || sumOf(f.head[:m.n]) == m.sum)
}
