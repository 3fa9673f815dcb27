package spill

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/penstock-go/penstock/internal/fsys"
)

// head is what stands before the bytes of a block: their number and their CRC-32C.
const head = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // the hardware's polynomial

// File is a temporary file of records in blocks. It is written once, then read, and
// gone when it is closed; where the system allows it, its name is gone at once, so
// that nothing stays behind whatever becomes of the process. Its methods are not safe
// for concurrent use.
type File struct {
	files  fsys.FS
	f      fsys.File
	named  bool // the name could not be removed while the file is open
	block  int
	buf    []byte
	size   int64 // written
	read   int64
	reuse  bool // records are not kept by those who read them
	rest   []byte
	closed bool
}

// Create makes a file in dir, "" being the system's folder for temporary files, for
// an operator. Blocks have about block bytes.
func Create(ctx context.Context, dir, operator string, block int) (*File, error) {
	files := fsys.Of(ctx)
	f, err := files.CreateTemp(dir, "penstock-"+operator+"-*")
	if err != nil {
		return nil, fmt.Errorf("spill: %w", err)
	}
	file := &File{files: files, f: f, block: block}
	file.named = files.Remove(f.Name()) != nil
	return file, nil
}

// Append writes a record that encode appends to what it is given. The record is in
// the file when Flush has returned.
func (s *File) Append(encode func(dst []byte) ([]byte, error)) error {
	if len(s.buf) == 0 {
		if s.buf == nil {
			s.buf = make([]byte, 0, s.block+s.block/4)
		}
		s.buf = append(s.buf, make([]byte, head)...)
	}
	// The length is put in front when it is known: nearly always it takes one byte.
	start := len(s.buf)
	buf, err := encode(append(s.buf, 0))
	if err != nil {
		return err
	}
	n := len(buf) - start - 1
	if n < 0x80 {
		buf[start] = byte(n)
	} else {
		var prefix [binary.MaxVarintLen64]byte
		w := binary.PutUvarint(prefix[:], uint64(n))
		buf = append(buf, prefix[:w-1]...) // room
		copy(buf[start+w:], buf[start+1:start+1+n])
		copy(buf[start:], prefix[:w])
	}
	s.buf = buf
	if len(s.buf) >= s.block {
		return s.flush()
	}
	return nil
}

func (s *File) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	body := s.buf[head:]
	if uint64(len(body)) > 1<<32-1 {
		return fmt.Errorf("spill: %s: a record of %d bytes: at most 4 GiB fit", s.f.Name(), len(body))
	}
	binary.LittleEndian.PutUint32(s.buf, uint32(len(body)))
	binary.LittleEndian.PutUint32(s.buf[4:], crc32.Checksum(body, castagnoli))
	n, err := s.f.Write(s.buf)
	s.size += int64(n)
	if err != nil {
		return fmt.Errorf("spill: %w", err)
	}
	s.buf = s.buf[:0]
	return nil
}

// Size is how many bytes have been written.
func (s *File) Size() int64 { return s.size }

// Finish ends the writing, and lets the memory go that it took.
func (s *File) Finish() error {
	err := s.flush()
	s.buf = nil
	return err
}

// Rewind begins to read. With reuse the memory of records is used again: they hold
// until the next is read.
func (s *File) Rewind(reuse bool) error {
	s.reuse, s.read, s.rest = reuse, 0, nil
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("spill: %w", err)
	}
	return nil
}

// Next reads a record; io.EOF comes after the last.
func (s *File) Next() ([]byte, error) {
	if len(s.rest) == 0 {
		if s.read == s.size {
			return nil, io.EOF
		}
		if err := s.load(); err != nil {
			return nil, err
		}
	}
	n, w := uint64(s.rest[0]), 1
	if n >= 0x80 {
		n, w = binary.Uvarint(s.rest)
	}
	if w <= 0 || n > uint64(len(s.rest)-w) {
		return nil, s.corrupt("the length of a record")
	}
	record := s.rest[w : w+int(n) : w+int(n)]
	s.rest = s.rest[w+int(n):]
	return record, nil
}

// load reads a block.
func (s *File) load() error {
	var header [head]byte
	if _, err := io.ReadFull(s.f, header[:]); err != nil {
		return s.short(err)
	}
	n := int64(binary.LittleEndian.Uint32(header[:]))
	if n == 0 || n > s.size-s.read-head {
		return s.corrupt("the length of a block")
	}
	if !s.reuse || int64(cap(s.buf)) < n {
		s.buf = make([]byte, n)
	}
	s.buf = s.buf[:n]
	if _, err := io.ReadFull(s.f, s.buf); err != nil {
		return s.short(err)
	}
	if crc32.Checksum(s.buf, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return s.corrupt("the checksum")
	}
	s.read += head + n
	s.rest = s.buf
	return nil
}

func (s *File) short(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.corrupt("the end")
	}
	return fmt.Errorf("spill: %w", err)
}

func (s *File) corrupt(what string) error {
	return fmt.Errorf("spill: %s: block at byte %d: %w: %s does not fit", s.f.Name(), s.read, ErrCorrupt, what)
}

// Explain says in which file a record did not decode.
func (s *File) Explain(err error) error {
	return fmt.Errorf("spill: %s: block before byte %d: %w", s.f.Name(), s.read, err)
}

// Close gives the file and its space back. It is idempotent.
func (s *File) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.buf, s.rest = nil, nil
	err := s.f.Close()
	if s.named {
		err = errors.Join(err, s.files.Remove(s.f.Name()))
	}
	if err != nil {
		return fmt.Errorf("spill: %w", err)
	}
	return nil
}
