package source

import (
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/stage"
)

// Records makes a stream of the records, split into fields, of a file of CSV, of
// all files that a pattern matches, or of standard input ("-"); see the package's
// documentation for what a path may be. Records come in file order. What is a
// record and a field is as in encoding/csv: fields may be quoted and then hold
// newlines; blank lines are passed over. [CSV] makes structs of them.
//
// The first record of each file is its header, which names the columns, unless
// [Header] or [NoHeader] says that there is none. With [Columns], records have the
// fields that it names and no others.
//
// Behind a pool, splitting runs in the workers. Blocks are taken as with [Lines].
// Fields are views of their block, which stays in memory as long as one of them is
// kept: strings.Clone the few that you keep. A record itself refers to the places
// of all fields of its block, and that memory is used again where items are let go
// (pool.Reduce): there a Record is valid only while the function that was given it
// runs, its fields also after that.
//
// A record with the wrong number of fields or a misplaced quote, or one longer
// than [MaxRecord], is an item error that names file, record (the header not
// counted) and byte; its input is the record's text. The stream goes on with the
// next record. A quote that is never closed makes one record of the rest of the
// file. Files that cannot be read are errors as with [Lines]; so is a header that
// cannot be split.
//
// The options are [Paths], [MaxRecord], [BlockSize], [Comma], [Comment], [Quote],
// [LazyQuotes], [TrimLeadingSpace], [Header], [NoHeader], [Columns], [PadShort],
// [Null] and [Borrow].
func Records(path string, opts ...Option) stage.Stream[Record] {
	o := settings("Records", path, opts)
	o.csv.check("Records")
	s := stage.New("Records", func(context.Context) (stage.Puller[Record], error) {
		f, d, err := openCSV(o)
		if err != nil {
			return nil, err
		}
		return &recordsPuller{csvPuller[Record]{filesPuller: filesPuller[Record]{files: f}, csv: d, make: fillRecords}}, nil
	})
	s.Plan().Detail = o.detail()
	return s
}

// Record is a record of a [Records] source. It is small, to be passed by value,
// and any number of goroutines may read it. The zero Record has no fields.
type Record struct {
	block *recordBlock
	first int // its first field among the block's
}

// recordBlock is what the records of a block share.
type recordBlock struct {
	mark  [8]byte // stands for the recordBlock where a chunk wants bytes; must be the first field
	data  string
	block []byte // that data is, or begins with
	width int    // fields of a record
	names []string
	at    stage.Position // of the block
	table blocks.Table
	file  *csvFile
}

// recycled is the recordBlock whose mark block is.
func recycled(block []byte) *recordBlock {
	return (*recordBlock)(unsafe.Pointer(unsafe.SliceData(block)))
}

// Len is the number of fields.
func (r Record) Len() int {
	if r.block == nil {
		return 0
	}
	return r.block.width
}

// At is the i-th field, from 0. It panics, as an index of a slice does, if there
// is none.
func (r Record) At(i int) string {
	b := r.block
	f := b.table.Fields[r.first : r.first+b.width][i]
	return b.data[f.Start():f.End()]
}

// Bytes is the i-th field like At. The bytes must not be changed.
func (r Record) Bytes(i int) []byte {
	s := r.At(i)
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// Get is the field in the column of that name, the first if there are several.
// It is empty if there is none: name the columns that must be there with
// [Columns]. [Record.Index] and [Record.At] are faster than Get.
func (r Record) Get(name string) string {
	if i := r.Index(name); i >= 0 {
		return r.At(i)
	}
	return ""
}

// Index is the index of the first column of that name, or -1. It is the same for
// all records of a file, and for all of a stream with [Columns] or [Header].
func (r Record) Index(name string) int {
	if r.block == nil {
		return -1
	}
	for i, n := range r.block.names {
		if n == name {
			return i
		}
	}
	return -1
}

// Names are the names of the columns; nil if they have none. The slice is shared
// and must not be changed.
func (r Record) Names() []string {
	if r.block == nil {
		return nil
	}
	return r.block.names
}

// Append appends the fields to dst.
func (r Record) Append(dst []string) []string {
	dst = slices.Grow(dst, r.Len())
	for i := range r.Len() {
		dst = append(dst, r.At(i))
	}
	return dst
}

// Position is where the record is: its file, the records before it there (the
// header not counted), and the byte at which it begins.
func (r Record) Position() stage.Position {
	b := r.block
	if b == nil || b.width == 0 {
		return stage.Position{}
	}
	i := r.first / b.width
	at := b.at
	at.Record += int64(i + sort.Search(len(b.table.Bad), func(k int) bool { return b.table.Bad[k].Before > i }))
	at.Offset += int64(b.table.Starts[i])
	return at
}

// String is the record as a line of CSV, without the newline.
func (r Record) String() string {
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write(r.Append(nil)) // a Builder does not fail
	w.Flush()
	return strings.TrimSuffix(text.String(), "\n")
}

// MarshalJSON implements json.Marshaler: an object whose values are strings, or
// an array of strings if the columns have no names. Invalid UTF-8 is an error.
func (r Record) MarshalJSON() ([]byte, error) {
	names := r.Names()
	open, end := byte('{'), byte('}')
	if names == nil {
		open, end = '[', ']'
	}
	out := []byte{open}
	for i := range r.Len() {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if names != nil {
			if out, err = jsontext.AppendQuote(out, names[i]); err != nil {
				return nil, fmt.Errorf("the name of column %d: %w", i+1, err)
			}
			out = append(out, ':')
		}
		if out, err = jsontext.AppendQuote(out, r.At(i)); err != nil {
			return nil, fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return append(out, end), nil
}

// fillRecords makes items of the chunk's block.
func fillRecords(p *csvPuller[Record], c *stage.Chunk[Record], file *csvFile) error {
	b, ok := file.unused.Get().(*recordBlock)
	if !ok {
		b = &recordBlock{file: file, names: file.names}
		b.table.Fields = make([]blocks.Field, 0, (len(c.Block)>>10+1)*int(file.dense.Load()))
	}
	size, block := len(c.Block)>>10+1, c.Block
	if !p.split(c, file, &b.table) {
		file.unused.Put(b)
		return nil
	}
	file.dense.Store(int64(len(b.table.Fields)/size + file.Width + 1))
	b.data = unsafe.String(unsafe.SliceData(b.table.Data), len(b.table.Data))
	b.at, b.block = c.Tokens[0].At, block
	n := len(b.table.Starts)
	if n > 0 {
		b.width = len(b.table.Fields) / n
	}
	c.Items = slices.Grow(c.Items[:0], n)[:n]
	for i := range c.Items {
		c.Items[i] = Record{block: b, first: i * b.width}
	}
	p.badRecords(c, &b.table)
	c.Block = b.mark[:] // strings are views of the block itself: it must not be recycled
	return nil
}

// recordsPuller is the puller of a Records source.
type recordsPuller struct{ csvPuller[Record] }

// Recycle takes back the memory of the records of a chunk; that of their fields
// only if it was borrowed.
func (p *recordsPuller) Recycle(block []byte) {
	b := recycled(block)
	if p.opts.csv.borrow {
		p.filesPuller.Recycle(b.block)
	}
	b.data, b.block, b.table.Data = "", nil, nil
	clear(b.table.Bad)
	b.file.unused.Put(b)
}
