package sink

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jszwec/csvutil"

	"github.com/penstock-go/penstock/stage"
)

// CSV writes the items as CSV to the file at path, as a whole or not at all; see
// the package's documentation. T is a struct or a pointer to one; a nil pointer
// is an error. The first record is the header, also of a stream without items: a
// column's name is in the field's csv tag, or the field's own name; see
// github.com/jszwec/csvutil for what else tags can say. Fields are separated by
// commas and quoted where needed; records end with a newline. It buffers 64 KiB.
//
// CSV panics if T is not a struct or has a field of a type that cannot be
// encoded.
func CSV[T any](path string) stage.Sink[T] {
	typ := reflect.TypeFor[T]()
	elem := typ
	if typ.Kind() == reflect.Pointer {
		elem = typ.Elem()
	}
	if elem.Kind() != reflect.Struct {
		panic(fmt.Sprintf("penstock: sink.CSV: T is %v, want a struct", typ))
	}
	zero := reflect.Zero(elem).Interface()
	columns, err := csvutil.Header(zero, "csv")
	if err == nil && len(columns) == 0 {
		err = errors.New("it has no exported field")
	}
	if err == nil {
		err = csvutil.NewEncoder(&records{new(bytes.Buffer)}).EncodeHeader(zero)
	}
	if err != nil {
		panic(fmt.Sprintf("penstock: sink.CSV: T is %v: %v", typ, err))
	}
	return newFile("CSV", path, func() format[T] {
		f := &csvFormat[T]{zero: zero}
		f.encoder = csvutil.NewEncoder(&f.records)
		f.encoder.AutoHeader = false
		return f
	})
}

type csvFormat[T any] struct {
	records
	encoder *csvutil.Encoder
	zero    any
}

func (f *csvFormat[T]) begin(b *bytes.Buffer) error {
	f.buf = b
	return f.encoder.EncodeHeader(f.zero)
}

func (f *csvFormat[T]) add(b *bytes.Buffer, item *T) error {
	f.buf = b
	return f.encoder.Encode(item)
}

// records is a csvutil.Writer that formats records as encoding/csv does, with
// one difference: the empty value of an only field is quoted, because a blank
// line is no record.
type records struct{ buf *bytes.Buffer }

// Write implements csvutil.Writer.
func (r *records) Write(fields []string) error {
	b := r.buf.AvailableBuffer()
	for i, field := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		if len(fields) > 1 && field == "" || !needsQuotes(field) {
			b = append(b, field...)
			continue
		}
		b = append(b, '"')
		for {
			before, after, found := strings.Cut(field, `"`)
			b = append(b, before...)
			if !found {
				break
			}
			b = append(b, `""`...)
			field = after
		}
		b = append(b, '"')
	}
	r.buf.Write(append(b, '\n'))
	return nil
}

// needsQuotes tells whether a field must be quoted. Like encoding/csv, it quotes
// also what other programs might take for something else: a leading space, and
// \. alone, PostgreSQL's end of data.
func needsQuotes(field string) bool {
	first, _ := utf8.DecodeRuneInString(field)
	return field == "" || field == `\.` || unicode.IsSpace(first) || strings.ContainsAny(field, ",\"\r\n")
}
