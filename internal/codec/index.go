package codec

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
)

// Boundary is a place where compressed data can be begun to be read.
type Boundary struct {
	At     int64 // bytes of the file before it
	Offset int64 // decompressed bytes before it
}

// Boundaries finds where frames of a file of size bytes begin: by the table of
// the seekable format at its end, or by their headers. In data that is not
// compressed every byte is a boundary, and anywhere is true. Of a gzip file, and
// of frames that do not say how much they hold, only the start is known.
func Boundaries(ctx context.Context, file io.ReaderAt, size int64) (starts []Boundary, anywhere bool, err error) {
	starts = []Boundary{{}}
	head := make([]byte, min(4, size))
	if err := readAt(file, head, 0); err != nil {
		return nil, false, err
	}
	if len(head) == 0 {
		return starts, true, nil
	}
	switch k, sure := match(string(head)); {
	case sure && k == plain:
		return starts, true, nil
	case k != zst:
		return starts, false, nil
	}
	if table, err := seekTable(file, size); err != nil || table != nil {
		return table, false, err
	}
	var next Boundary
	for next.At < size {
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		var known bool
		if next, known, err = behind(file, next); err != nil || !known {
			break
		}
		if next.At < size {
			starts = withStart(starts, next)
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) { // who reads the file will say so
		err = nil
	}
	return starts, false, err
}

// FormatOf is the compression of a file of size bytes: "none", "gzip" or "zstd".
func FormatOf(file io.ReaderAt, size int64) (string, error) {
	head := make([]byte, min(4, size))
	if err := readAt(file, head, 0); err != nil || len(head) == 0 {
		return "none", err
	}
	k, _ := match(string(head))
	return [...]string{plain: "none", gz: "gzip", zst: "zstd"}[k], nil
}

// withStart appends a frame's start, unless nothing was decompressed since the
// last.
func withStart(starts []Boundary, next Boundary) []Boundary {
	if n := len(starts); n > 0 && starts[n-1].Offset == next.Offset {
		return starts
	}
	return append(starts, next)
}

const (
	tableMagic = 0x8f92eab1 // ends a seek table
	tableFrame = 0x184d2a5e // begins the skippable frame that it is in
	tableTail  = 9
)

// seekTable reads the table of the seekable format, if the file has one that
// fits it.
func seekTable(file io.ReaderAt, size int64) ([]Boundary, error) {
	if size < 8+tableTail {
		return nil, nil // no table is no error
	}
	tail := make([]byte, tableTail)
	if err := readAt(file, tail, size-tableTail); err != nil {
		return nil, err
	}
	entry := int64(8)
	if tail[4]&0x80 != 0 {
		entry = 12 // a checksum too
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	start := size - tableTail - n*entry - 8
	if binary.LittleEndian.Uint32(tail[5:]) != tableMagic || n == 0 || start < 0 {
		return nil, nil
	}
	table := make([]byte, 8+n*entry)
	if err := readAt(file, table, start); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(table) != tableFrame || int64(binary.LittleEndian.Uint32(table[4:])) != n*entry+tableTail {
		return nil, nil
	}
	var starts []Boundary
	var next Boundary
	for e := table[8:]; len(e) > 0; e = e[entry:] {
		starts = withStart(starts, next)
		next.At += int64(binary.LittleEndian.Uint32(e))
		next.Offset += int64(binary.LittleEndian.Uint32(e[4:]))
	}
	if next.At != start { // the table of another file
		return nil, nil
	}
	return starts, nil
}

// behind is the end of the frame at b; known is false if the frame does not say
// how much it holds, or is not one.
func behind(file io.ReaderAt, b Boundary) (end Boundary, known bool, err error) {
	head := make([]byte, 18)
	n, err := file.ReadAt(head, b.At)
	if err != nil && err != io.EOF {
		return b, false, err
	}
	head = head[:n]
	if n < 8 {
		return b, false, io.ErrUnexpectedEOF
	}
	if string(head[1:4]) == skipMagic && head[0]&0xf0 == 0x50 {
		b.At += 8 + int64(binary.LittleEndian.Uint32(head[4:]))
		return b, true, nil
	}
	if string(head[:4]) != zstMagic {
		return b, false, nil
	}
	flags := head[4]
	single := flags&0x20 != 0
	at := 5 + [...]int{0, 1, 2, 4}[flags&3]
	if !single {
		at++
	}
	size := [...]int{0, 2, 4, 8}[flags>>6]
	if size == 0 && single {
		size = 1
	}
	if size == 0 {
		return b, false, nil
	}
	if n < at+size {
		return b, false, io.ErrUnexpectedEOF
	}
	content := int64(0)
	for i, v := range head[at : at+size] {
		content |= int64(v) << (8 * i)
	}
	if size == 2 {
		content += 256
	}
	if content < 0 || content > 1<<50 {
		return b, false, nil
	}
	b.At += int64(at + size)
	b.Offset += content
	block := make([]byte, 3)
	for last := false; !last; {
		if err := readAt(file, block, b.At); err != nil {
			return b, false, err
		}
		h := int64(block[0]) | int64(block[1])<<8 | int64(block[2])<<16
		last = h&1 != 0
		b.At += 3
		if h>>1&3 == 1 {
			b.At++
		} else {
			b.At += h >> 3
		}
	}
	if flags&4 != 0 {
		b.At += 4
	}
	return b, true, nil
}

// readAt reads all of p.
func readAt(file io.ReaderAt, p []byte, at int64) error {
	n, err := file.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	return cutOff(err)
}
