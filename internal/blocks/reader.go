// Package blocks cuts a stream of bytes into blocks of whole records, so that
// the costly work on records can be done block by block in many goroutines. It
// knows two ways to tell where a record ends: at a newline, and at a newline
// outside quotes (CSV).
package blocks

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
)

// MaxSize is the largest block, and the largest record, that may be asked for.
const MaxSize = 1 << 30

// Block is a run of whole records.
type Block struct {
	Data    []byte // the records, newlines included; memory of its own. nil for a record over the limit
	Offset  int64  // bytes before it in the input
	Records int64  // how many records it holds; -1: they are not counted, and may be none
	Long    int64  // the length of a record over the limit, without its newline; 0 for any other block
	Open    bool   // that record ends with the input, inside quotes
}

// Splitter tells where records end. One splitter belongs to one Reader and may
// keep what it knows of a record whose end it has not seen.
type Splitter interface {
	// Cut returns how many bytes at the start of data are whole records, and how
	// many records those are: as many as fit into want bytes, and at least one
	// line. With records > 0 there are no more than that; without, a splitter that
	// has Count may leave counting to it and return -1. Zero bytes mean that the
	// first record goes on after data; the splitter is then asked again with more
	// data after the same start, or with Skip.
	Cut(data []byte, want, records int) (n int, count int64)
	// Skip goes on inside a record whose end Cut did not find: how many bytes of
	// data were dealt with, and whether the record ends there. Its next call gets
	// what follows those bytes.
	Skip(data []byte) (n int, ended bool)
	// Rest judges what the input's end leaves without a newline: how many records
	// that is (0 or 1).
	Rest(data []byte) int64
	// Open reports whether the record that Skip was in went on inside quotes.
	Open() bool
	// Reset prepares the splitter for another input.
	Reset()
}

// Counter is a Splitter that can count the records of a block. Count is called by
// many goroutines at once, also while the splitter is in use.
type Counter interface {
	Splitter
	// Count is how many records a block of whole ones holds.
	Count(block []byte) int64
}

// ErrGaveUp says that a read was given up because its context ended. Nothing is
// lost: the next read goes on.
var ErrGaveUp = errors.New("the context ended")

// ReadFunc reads like io.Reader. When ctx ends it may return ErrGaveUp.
type ReadFunc func(ctx context.Context, p []byte) (int, error)

// Reader cuts an input into blocks. It reads into the memory that it hands on:
// what it holds besides is no more than one read buffer or the largest record,
// whichever is larger.
type Reader struct {
	split     Splitter
	maxRecord int
	memory    *Memory

	read ReadFunc
	live bool // return what is there rather than wait for more
	err  error
	idle int // reads in a row that gave nothing

	buf        []byte
	start, end int // buf[start:end] is read and not handed on

	begun    bool // the byte order mark is dealt with
	skipping bool
	skipped  int64 // bytes of the record that is skipped
	offset   int64 // where buf[start] is, or the record that is skipped begins
	until    int64 // hand on no record that begins behind this, but for the first of an input
	handed   bool  // a record was handed on
}

// New returns a Reader without an input; see Reset.
func New(split Splitter, maxRecord int) *Reader {
	return &Reader{split: split, maxRecord: maxRecord, memory: new(Memory), until: math.MaxInt64}
}

// Use makes the reader take the memory of its blocks from memory.
func (r *Reader) Use(memory *Memory) { r.memory = memory }

// Reset begins a new input. From a live one the reader takes what is there and
// does not wait for a full block.
func (r *Reader) Reset(read ReadFunc, live bool) {
	r.split.Reset()
	*r = Reader{split: r.split, maxRecord: r.maxRecord, memory: r.memory, buf: r.buf, read: read, live: live, until: math.MaxInt64}
}

// Begin says that the input, which was just set, begins offset bytes into a file.
func (r *Reader) Begin(offset int64) { r.offset, r.begun, r.handed = offset, true, true }

// ErrNoRecord says that no record begins where reading is to go on.
var ErrNoRecord = errors.New("no record begins here")

// Resume says that the input, which was just set, is to be read from a record that
// begins offset bytes into a file, more than none. The bytes before and at the
// offset were read from it. first says that it is the first record of all.
func (r *Reader) Resume(offset int64, seam [2]byte, first bool) error {
	n := 1 // bytes of the seam that the splitter is to see
	switch split, ok := r.split.(*JSON); {
	case ok && !first:
		if n = split.resume(&seam); n == 0 {
			return ErrNoRecord
		}
	case offset == int64(len(bom)) && seam[0] == bom[2]:
	case ok || seam[0] != '\n':
		return ErrNoRecord
	}
	if len(r.buf) < minRead {
		r.buf = r.memory.get(minRead)
	}
	r.start, r.end = 0, copy(r.buf, seam[len(seam)-n:])
	r.offset, r.begun = offset+1-int64(n), true
	return nil
}

// Until makes Next return io.EOF before a record that begins more than offset
// bytes into the input. The first record of a file begins at 0, also behind a byte
// order mark.
func (r *Reader) Until(offset int64) { r.until = offset }

// past reports whether the next record begins behind the end.
func (r *Reader) past() bool { return r.offset > r.until && r.handed && !r.skipping }

// Bytes is how many bytes were read, the part of a record that no block holds
// included.
func (r *Reader) Bytes() int64 { return r.offset + r.skipped + int64(r.end-r.start) }

// Offset is where the next record begins.
func (r *Reader) Offset() int64 { return r.offset }

// Next returns the next block: whole records of about want bytes together, at
// least one, and with records > 0 no more than that many. At the end of the
// input it returns io.EOF; any other error of the input comes after all whole
// records before it. When ctx ends, Next returns ErrGaveUp and can be called
// again.
func (r *Reader) Next(ctx context.Context, want, records int) (Block, error) {
	for {
		if r.skipping {
			if b, ended := r.skip(); ended {
				return b, nil
			}
		} else if b, ok := r.cut(want, records); ok {
			return b, nil
		} else if r.skipping {
			continue
		}
		if r.past() {
			return Block{}, io.EOF
		}
		if r.err != nil {
			return Block{}, r.err
		}
		if err := r.more(ctx, want); err != nil {
			return Block{}, err
		}
	}
}

const bom = "\ufeff" // the byte order mark

// cut makes a block of what was read, if that is enough.
func (r *Reader) cut(want, records int) (Block, bool) {
	if !r.begun {
		head := r.buf[r.start:min(r.end, r.start+len(bom))]
		if len(head) < len(bom) && strings.HasPrefix(bom, string(head)) && r.err == nil {
			return Block{}, false
		}
		r.begun = true
		if string(head) == bom {
			r.start += len(bom)
			r.offset += int64(len(bom))
		}
	}
	for r.start < r.end && !r.past() {
		data := r.buf[r.start:r.end]
		if left := r.until - r.offset; left < int64(want) {
			want = int(max(1, left))
		}
		enough := len(data) >= want || r.live || r.err != nil
		if !enough && records <= 0 {
			return Block{}, false
		}
		n, count := r.split.Cut(data, want, records)
		if n == 0 {
			break
		}
		if !enough && count < int64(records) {
			return Block{}, false
		}
		if b := r.take(n, count, want); count != 0 {
			return b, true
		}
	}
	data := r.buf[r.start:r.end]
	switch {
	case r.past():
	case len(data) > r.maxRecord:
		r.skipping = true
	case len(data) > 0 && r.err == io.EOF:
		count := r.split.Rest(data)
		return r.take(len(data), count, want), count != 0
	}
	return Block{}, false
}

// take hands on the next n bytes: with their buffer if they are most of it, as
// memory of their own otherwise. So a block keeps no more than twice its memory,
// or what is kept for blocks anyway.
func (r *Reader) take(n int, count int64, want int) Block {
	b := Block{Offset: r.offset, Records: count}
	r.offset += int64(n)
	r.handed = true
	rest := r.buf[r.start+n : r.end]
	switch {
	case count == 0:
		r.start += n
	case r.start > 0 || 2*n < len(r.buf) || len(rest) > n:
		b.Data = r.memory.clone(r.buf[r.start : r.start+n])
		r.start += n
	default:
		b.Data = r.buf[:n]
		r.buf, r.end = nil, 0
		if len(rest) > 0 {
			r.buf = r.memory.get(max(want, minRead, len(rest)))
			r.end = copy(r.buf, rest)
		}
	}
	return b
}

// skip passes over a record that is longer than the limit.
func (r *Reader) skip() (b Block, ended bool) {
	n, ended := r.split.Skip(r.buf[r.start:r.end])
	r.start += n
	r.skipped += int64(n)
	long := r.skipped - 1 // the newline
	if !ended {
		if r.err != io.EOF {
			return Block{}, false
		}
		r.skipped += int64(r.end - r.start)
		r.start = r.end
		long = r.skipped
	}
	b = Block{Offset: r.offset, Records: 1, Long: long, Open: !ended && r.split.Open()}
	r.skipping = false
	r.offset += r.skipped
	r.skipped, r.handed = 0, true
	return b, true
}

// maxIdle is how often in a row an input may return nothing.
const maxIdle = 100

// more reads once. Only the end of ctx is an error here; the input's own is
// kept in r.err.
func (r *Reader) more(ctx context.Context, want int) error {
	if ctx.Err() != nil {
		return ErrGaveUp
	}
	r.makeRoom(want)
	n, err := r.read(ctx, r.buf[r.end:])
	r.end += n
	if err == ErrGaveUp {
		return err
	}
	r.err = err
	if n > 0 || err != nil {
		r.idle = 0
	} else if r.idle++; r.idle == maxIdle {
		r.err = io.ErrNoProgress
	}
	return nil
}

// makeRoom makes room to read into: for the rest of the block that is wanted, or
// for more of a record that is larger.
func (r *Reader) makeRoom(want int) {
	held := r.end - r.start
	size := max(want, minRead)
	if held == 0 {
		r.start, r.end = 0, 0
		if len(r.buf) < size || len(r.buf) > 4*size {
			r.buf = r.memory.get(size)
		}
		return
	}
	need := size // from start on
	if held >= size {
		need = held + minRead
	}
	if len(r.buf)-r.start >= need {
		return
	}
	if len(r.buf) < need { // a record that does not fit: twice the room
		size = max(need, min(2*len(r.buf), r.maxRecord+1+minRead))
		buf := r.memory.get(size)
		r.end = copy(buf, r.buf[r.start:r.end])
		r.buf, r.start = buf, 0
		return
	}
	r.end = copy(r.buf, r.buf[r.start:r.end])
	r.start = 0
}
