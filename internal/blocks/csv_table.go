package blocks

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
)

// ErrLong says that a record is longer than the limit.
var ErrLong = errors.New("record too long")

// Table is the records of one CSV block, split into fields. It is made by
// Columns.Split.
type Table struct {
	// Data is the block, and behind it those fields that had to be written anew
	// because something in them is escaped.
	Data []byte
	// Fields are the good records' fields, the same number for each.
	Fields []Field
	// Starts is where each good record begins in the block.
	Starts []int32
	// Bad are the records that are none, in their order.
	Bad []BadRecord

	ends  []int32 // memory of the splitting
	whole []Field // the same
}

// Field is where in a table's data a field is: its start, and its end in the
// upper half.
type Field uint64

// FieldOf is the field with that start and end.
func FieldOf(start, end int) Field { return field(start, end) }

func field(start, end int) Field { return Field(uint32(start)) | Field(end)<<32 }

// Start is where the field begins.
func (f Field) Start() int { return int(uint32(f)) }

// End is where the field ends.
func (f Field) End() int { return int(f >> 32) }

// BadRecord is a record that could not be split.
type BadRecord struct {
	Before   int // good records before it in the block
	At, Size int // its place in the block, its newline not counted
	Err      error
}

// Columns says what a table has of a block.
type Columns struct {
	Dialect
	Width     int      // how many fields a record has
	Pick      []int    // which of them are kept, in what order; nil: all
	Pad       bool     // fill records up that have fewer
	Null      []string // fields that become empty
	MaxRecord int      // how long a record may be, its newline not counted
}

// splitting is the work of splitting one block.
type splitting struct {
	*Columns
	*Table

	block []byte
	extra []byte  // fields written anew
	base  int     // fields of the good records so far
	row   []Field // the fields of one, while they are picked from
	cr    bool    // there is a carriage return somewhere

	quotes bool    // there are quotes
	mark   [1]byte // one
	inside uint64  // all ones: the next byte is inside them
	lost   bool    // nobody knows what is inside them
}

// Split makes a table of a block of whole records. The table's memory is used
// again.
func (c *Columns) Split(block []byte, t *Table) {
	t.Data, t.Fields, t.Starts, t.Bad = block, t.Fields[:0], t.Starts[:0], t.Bad[:0]
	s := splitting{Columns: c, Table: t, block: block}
	simple := c.simple(block)
	switch {
	case simple && (c.Quote == 0 || !hasByte(block, c.Quote)):
		s.direct()
	case simple && !c.Lazy:
		s.quotes, s.mark[0], s.cr = true, c.Quote, hasByte(block, '\r')
		s.direct()
	default:
		s.odd()
	}
	if len(s.extra) > 0 {
		t.Data = slices.Concat(block, s.extra)
	}
}

// done takes a record, found at block[at:end] without its line end, whose fields
// are those behind s.base. size is its length with a carriage return at its end.
func (s *splitting) done(at, end, size int, err error) {
	got := len(s.Fields) - s.base
	switch {
	case size > s.MaxRecord:
		err = ErrLong
	case err != nil:
	case s.Pad && got < s.Width:
		for ; got < s.Width; got++ {
			s.Fields = append(s.Fields, field(end, end))
		}
	case got != s.Width:
		err = fmt.Errorf("%w: %d, want %d", csv.ErrFieldCount, got, s.Width)
	}
	if err != nil {
		s.Fields = s.Fields[:s.base]
		s.Bad = append(s.Bad, BadRecord{Before: len(s.Starts), At: at, Size: size, Err: err})
		return
	}
	s.good(at)
}

// good takes a record that begins there and has all its fields.
func (s *splitting) good(at int) {
	if s.Pick != nil {
		s.row = append(s.row[:0], s.Fields[s.base:]...)
		s.Fields = s.Fields[:s.base]
		for _, i := range s.Pick {
			s.Fields = append(s.Fields, s.row[i])
		}
	}
	if len(s.Null) > 0 {
		s.nulls(s.Fields[s.base:])
	}
	s.base = len(s.Fields)
	s.Starts = append(s.Starts, int32(at))
}

// nulls empties the fields that stand for nothing.
func (s *splitting) nulls(fields []Field) {
	for i, f := range fields {
		text := s.text(f)
		for _, null := range s.Null {
			if string(text) == null {
				fields[i] = field(f.Start(), f.Start())
			}
		}
	}
}

// text is a field's bytes while the block is being split.
func (s *splitting) text(f Field) []byte {
	if n := len(s.block); f.Start() >= n && f.End() > n {
		return s.extra[f.Start()-n : f.End()-n]
	}
	return s.block[f.Start():f.End()]
}

// unescaped is the quoted field at block[start:end], written anew if something
// in it stands for something else: two quotes for one, a carriage return and
// newline for a newline.
func (s *splitting) unescaped(start, end int, escaped bool) Field {
	raw := s.block[start:end]
	if !escaped && (!s.cr || !hasByte(raw, '\r')) {
		return field(start, end)
	}
	at := len(s.extra)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if i+1 < len(raw) {
			switch {
			case c == s.Quote && raw[i+1] == c:
				i++
			case c == '\r' && raw[i+1] == '\n':
				continue
			}
		}
		s.extra = append(s.extra, c)
	}
	if len(s.extra)-at == end-start {
		s.extra = s.extra[:at]
		return field(start, end)
	}
	n := len(s.block)
	return field(n+at, n+len(s.extra))
}
