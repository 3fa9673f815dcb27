package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errCorrupted says that the bytes are not what the format asks for.
var errCorrupted = errors.New("corrupted")

func corrupted(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errCorrupted, fmt.Sprintf(format, args...))
}

// errShort says that a structure goes on behind the bytes at hand.
var errShort = fmt.Errorf("%w: cut off", errCorrupted)

// The types of the compact protocol.
const (
	thriftTrue = 1 + iota
	thriftFalse
	thriftByte
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

const (
	maxThriftDepth = 32
	maxFieldID     = 1 << 15
)

// thriftStructSize is how many bytes the structure at the start of b has, in
// thrift's compact protocol. It is the check that goes before decoding: a
// decoder makes room for what a length claims, so each is held against what is
// there.
func thriftStructSize(b []byte) (int, error) {
	s := thriftScanner{b: b}
	if err := s.fields(maxThriftDepth); err != nil {
		return 0, err
	}
	return s.pos, nil
}

type thriftScanner struct {
	b   []byte
	pos int
}

func (s *thriftScanner) next() (byte, error) {
	if s.pos >= len(s.b) {
		return 0, errShort
	}
	s.pos++
	return s.b[s.pos-1], nil
}

func (s *thriftScanner) varint() (uint64, error) {
	v, n := binary.Uvarint(s.b[s.pos:])
	switch {
	case n == 0:
		return 0, errShort
	case n < 0:
		return 0, corrupted("a number of more than 64 bits")
	}
	s.pos += n
	return v, nil
}

// length reads the length of something whose parts have at least one byte each.
func (s *thriftScanner) length() (int, error) {
	v, err := s.varint()
	if err != nil {
		return 0, err
	}
	if v > uint64(len(s.b)-s.pos) {
		return 0, errShort
	}
	return int(v), nil
}

func (s *thriftScanner) fields(depth int) error {
	if depth == 0 {
		return corrupted("structures nested too deep")
	}
	for {
		head, err := s.next()
		if err != nil {
			return err
		}
		if head == 0 {
			return nil
		}
		if head>>4 == 0 { // the field's number is not told by its distance
			id, err := s.varint()
			if err != nil {
				return err
			}
			if id >= 2*maxFieldID {
				return corrupted("field %d", id)
			}
		}
		kind := head & 0xf
		if kind == thriftTrue || kind == thriftFalse {
			continue
		}
		if err := s.value(kind, depth-1); err != nil {
			return err
		}
	}
}

func (s *thriftScanner) value(kind byte, depth int) error {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		_, err := s.next()
		return err
	case thriftI16, thriftI32, thriftI64:
		_, err := s.varint()
		return err
	case thriftDouble:
		return s.skip(8)
	case thriftBinary:
		n, err := s.length()
		if err != nil {
			return err
		}
		return s.skip(n)
	case thriftList, thriftSet:
		return s.list(depth)
	case thriftMap:
		return s.pairs(depth)
	case thriftStruct:
		return s.fields(depth)
	}
	return corrupted("type %d", kind)
}

func (s *thriftScanner) skip(n int) error {
	if n > len(s.b)-s.pos {
		return errShort
	}
	s.pos += n
	return nil
}

func (s *thriftScanner) list(depth int) error {
	if depth == 0 {
		return corrupted("structures nested too deep")
	}
	head, err := s.next()
	if err != nil {
		return err
	}
	n := int(head >> 4)
	if n == 0xf {
		if n, err = s.length(); err != nil {
			return err
		}
	}
	for range n {
		if err := s.value(head&0xf, depth-1); err != nil {
			return err
		}
	}
	return nil
}

func (s *thriftScanner) pairs(depth int) error {
	if depth == 0 {
		return corrupted("structures nested too deep")
	}
	n, err := s.length()
	if err != nil || n == 0 {
		return err
	}
	kinds, err := s.next()
	if err != nil {
		return err
	}
	for range n {
		if err := s.value(kinds>>4, depth-1); err != nil {
			return err
		}
		if err := s.value(kinds&0xf, depth-1); err != nil {
			return err
		}
	}
	return nil
}
