package source

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"unsafe"

	"github.com/jszwec/csvutil"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/stage"
)

// CSV makes a stream of the records, decoded into structs, of a file, of all
// files that a pattern matches, or of standard input ("-"); see the package's
// documentation for what a path may be. T is a struct or a pointer to one.
// Records come in file order. What is a record and a field is as in encoding/csv:
// fields may be quoted and then hold newlines; blank lines are passed over.
//
// The first record of each file is its header, unless [Header] or [NoHeader] says
// that there is none. Columns are found by name: a
// field's is in its csv tag, or the field's own name; see github.com/jszwec/csvutil
// for what else tags can say. Columns without a field are ignored; a field
// without a column, or with two, is an [Error] at that file. An empty value does
// not fit a number or bool unless its tag says omitempty or it is a pointer.
//
// Behind a pool, splitting and decoding run in the workers. Blocks are taken as
// with [Lines]. Strings are views of their block, as there.
//
// A record with the wrong number of fields, a misplaced quote or a value that
// does not fit its field, or one longer than [MaxRecord], is an item error that
// names file, record (the header not counted) and byte; its input is the record's
// text. The stream goes on with the next record. A quote that is never closed
// makes one record of the rest of the file. Files that cannot be read are errors
// as with [Lines].
//
// The options are those of [Records] but Columns and Borrow. CSV panics if T is not a struct
// or has a field of a type that cannot be decoded.
func CSV[T any](path string, opts ...Option) stage.Stream[T] {
	columns := columnsOf[T]()
	o := settings("CSV", path, opts)
	o.csv.columns = columns
	if o.csv.noHeader {
		o.csv.names, o.csv.noHeader = columns, false
	}
	o.csv.check("CSV")
	s := stage.New("CSV", func(context.Context) (stage.Puller[T], error) {
		f, d, err := openCSV(o)
		if err != nil {
			return nil, err
		}
		return &csvPuller[T]{filesPuller: filesPuller[T]{files: f}, csv: d, make: fillCSV[T]}, nil
	})
	s.Plan().Detail = o.detail()
	return s
}

// columnsOf are the names of the columns that T has fields for. It panics if a
// T cannot be decoded.
func columnsOf[T any]() []string {
	typ := reflect.TypeFor[T]()
	elem := typ
	if typ.Kind() == reflect.Pointer {
		elem = typ.Elem()
	}
	if elem.Kind() != reflect.Struct {
		panic(fmt.Sprintf("penstock: source.CSV: T is %v, want a struct", typ))
	}
	columns, err := csvutil.Header(reflect.Zero(elem).Interface(), "csv")
	if err == nil && len(columns) == 0 {
		err = errors.New("it has no exported field")
	}
	if err == nil {
		err = decodable[T](columns)
	}
	if err != nil {
		panic(fmt.Sprintf("penstock: source.CSV: T is %v: %v", typ, err))
	}
	return columns
}

// decodable finds out whether csvutil can decode a T. It makes it plan the
// decoding and stops it, by a panic, before the first value is decoded: that
// could run code of T's.
func decodable[T any](columns []string) (err error) {
	type stop struct{}
	defer func() {
		if v := recover(); v != nil && v != (stop{}) {
			panic(v)
		}
	}()
	values := make([]string, len(columns))
	for i := range values {
		values[i] = "x" // not empty, or it might be passed over
	}
	d, err := csvutil.NewDecoder(&row{values}, columns...)
	if err != nil {
		return err
	}
	d.Map = func(string, string, any) string { panic(stop{}) }
	err = d.Decode(new(T))
	if _, ok := errors.AsType[*csvutil.UnsupportedTypeError](err); ok {
		return err
	}
	return nil
}

// row is a csvutil.Reader of the record at hand.
type row struct{ fields []string }

func (r *row) Read() ([]string, error) { return r.fields, nil }

// csvDecoder decodes blocks of one file, one after the other.
type csvDecoder struct {
	row
	table   blocks.Table
	decoder *csvutil.Decoder
}

// fillCSV makes items of the chunk's block.
func fillCSV[T any](p *csvPuller[T], c *stage.Chunk[T], file *csvFile) error {
	d, ok := file.unused.Get().(*csvDecoder)
	if !ok {
		d = new(csvDecoder)
		decoder, err := csvutil.NewDecoder(&d.row, file.names...)
		if err != nil {
			return err
		}
		d.decoder = decoder
		d.fields = make([]string, len(file.names))
	}
	defer file.unused.Put(d)
	block := c.Block
	if p.split(c, file, &d.table) {
		c.Block = nil // strings are views of it: it must not be recycled
		work := csvDecoding[T]{csvDecoder: d, csvPuller: p, block: block}
		work.all(c)
	}
	clear(d.fields)
	clear(d.table.Bad)
	d.table.Data = nil
	return nil
}

// csvDecoding is the work of decoding a table. It can be taken up again after a
// panic.
type csvDecoding[T any] struct {
	*csvDecoder
	*csvPuller[T]
	block []byte
	i     int // the record that is being decoded
	bad   int // records before it that could not be split
}

// all makes items of all records.
func (w *csvDecoding[T]) all(c *stage.Chunk[T]) {
	n := len(w.table.Starts)
	c.Items = slices.Grow(c.Items[:0], n)
	c.Offsets = c.Offsets[:0]
	for w.i < n {
		w.some(c)
	}
	w.skipped(c)
}

// some makes items until the block ends or decoding panics.
func (w *csvDecoding[T]) some(c *stage.Chunk[T]) {
	defer func() {
		if v := recover(); v != nil {
			w.failed(c, &stage.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	var zero T
	starts, fields := w.table.Starts, w.table.Fields
	text := unsafe.String(unsafe.SliceData(w.table.Data), len(w.table.Data))
	for w.i < len(starts) {
		w.skipped(c)
		for k, f := range fields[w.i*len(w.fields):][:len(w.fields)] {
			w.fields[k] = text[f.Start():f.End()]
		}
		c.Items = append(c.Items, zero)
		if err := w.decoder.Decode(&c.Items[len(c.Items)-1]); err != nil {
			w.failed(c, err)
			continue
		}
		c.Offsets = append(c.Offsets, starts[w.i])
		w.i++
	}
}

// skipped fails the records before the one at hand that could not be split.
func (w *csvDecoding[T]) skipped(c *stage.Chunk[T]) {
	for bad := w.table.Bad; w.bad < len(bad) && bad[w.bad].Before == w.i; w.bad++ {
		e := w.badRecord(c.Tokens[0], &w.table, w.bad)
		c.Fail(e)
	}
}

// failed takes back the item that was being decoded, and fails its record.
func (w *csvDecoding[T]) failed(c *stage.Chunk[T], err error) {
	last := len(c.Items) - 1
	clear(c.Items[last:])
	c.Items = c.Items[:last]
	if bad, ok := errors.AsType[*csvutil.DecodeError](err); ok {
		err = &columnError{column: bad.Field, err: bad.Err}
	}
	at := int(w.table.Starts[w.i])
	_, n, _ := w.opts.csv.dialect.Record(w.block[at:])
	input := strings.TrimSuffix(strings.TrimSuffix(string(w.block[at:at+n]), "\n"), "\r")
	e := itemError(c.Tokens[0], int64(w.i+w.bad), int64(at), input, err)
	if p, ok := err.(*stage.PanicError); ok { //nolint:errorlint // only the one that some made
		e.Stack = p.Stack
	}
	c.Fail(e)
	w.i++
}

// columnError is a value that does not fit its field.
type columnError struct {
	column string
	err    error
}

func (e *columnError) Error() string {
	if bad, ok := errors.AsType[*csvutil.UnmarshalTypeError](e.err); ok {
		value := bad.Value
		if len(value) > maxQuoted {
			value = value[:maxQuoted] + "..."
		}
		return fmt.Sprintf("column %q: %q does not fit %v", e.column, value, bad.Type)
	}
	return fmt.Sprintf("column %q: %v", e.column, e.err)
}

func (e *columnError) Unwrap() error { return e.err }

// maxQuoted is how much of a bad value an error quotes.
const maxQuoted = 100
