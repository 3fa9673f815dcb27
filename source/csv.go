package source

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

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
// The first record of each file is its header. Columns are found by name: a
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
// The options are [Paths], [MaxRecord], [BlockSize] and [Comma]. CSV panics if T
// is not a struct or has a field of a type that cannot be decoded.
func CSV[T any](path string, opts ...Option) stage.Stream[T] {
	columns := columnsOf[T]()
	o := settings("CSV", path, opts)
	s := stage.New("CSV", func(context.Context) (stage.Puller[T], error) {
		f, err := openFiles(o, blocks.NewCSV(o.comma))
		if err != nil {
			return nil, err
		}
		d := &csvDecoders[T]{comma: string(o.comma), columns: columns, files: make([]atomic.Pointer[csvFile], len(f.paths))}
		f.header = d.header
		return &filesPuller[T]{files: f, fill: func(c *stage.Chunk[T]) error { return d.fill(c, o.maxRecord) }}, nil
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

// csvDecoders are the decoders of the files of one run.
type csvDecoders[T any] struct {
	comma   string
	columns []string
	files   []atomic.Pointer[csvFile] // by part
}

// csvFile is what a file's header decides.
type csvFile struct {
	header []string
	unused sync.Pool // of *csvFormat[T]
}

// header takes the header of a file.
func (d *csvDecoders[T]) header(part int, record string) error {
	header, _, err := blocks.Record(record, d.comma, nil)
	if err != nil {
		return err
	}
	var missing []string
	for _, column := range d.columns {
		i := slices.Index(header, column)
		if i < 0 {
			missing = append(missing, fmt.Sprintf("%q", column))
		} else if slices.Contains(header[i+1:], column) {
			return fmt.Errorf("column %q comes twice", column)
		}
	}
	switch len(missing) {
	case 0:
		d.files[part].Store(&csvFile{header: header})
		return nil
	case 1:
		return fmt.Errorf("missing column %s", missing[0])
	}
	return fmt.Errorf("missing columns %s", strings.Join(missing, ", "))
}

// fill makes items of a chunk's block.
func (d *csvDecoders[T]) fill(c *stage.Chunk[T], maxRecord int) error {
	file := d.files[c.Tokens[0].At.Part].Load()
	format, ok := file.unused.Get().(*csvFormat[T])
	if !ok {
		format = &csvFormat[T]{comma: d.comma}
		decoder, err := csvutil.NewDecoder(&format.row, file.header...)
		if err != nil {
			return err
		}
		format.decoder = decoder
	}
	work := filling[T]{format: format, maxRecord: maxRecord}
	work.fill(c)
	clear(format.fields) // they are views of the block
	file.unused.Put(format)
	return nil
}

// csvFormat decodes the records of one file.
type csvFormat[T any] struct {
	row
	comma   string
	decoder *csvutil.Decoder
	err     error // of the record that next found
}

func (f *csvFormat[T]) next(text string) (n int, blank bool) {
	f.fields, n, f.err = blocks.Record(text, f.comma, f.fields)
	return n, len(f.fields) == 0 && f.err == nil
}

func (f *csvFormat[T]) decode(_ string, into *T) error {
	if f.err != nil {
		return f.err
	}
	err := f.decoder.Decode(into)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, csvutil.ErrFieldCount):
		return fmt.Errorf("wrong number of fields: %d, want %d", len(f.fields), len(f.decoder.Header()))
	}
	if bad, ok := errors.AsType[*csvutil.DecodeError](err); ok {
		return &columnError{column: bad.Field, err: bad.Err}
	}
	return err
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
