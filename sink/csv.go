package sink

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/jszwec/csvutil"

	"github.com/penstock-go/penstock/stage"
)

// CSV writes the items as CSV to the file at path, as [CSVEncoder] formats them;
// see the package's documentation for what path may be, and [FileOption] for the
// options. Of a stream without items it writes the header.
//
// CSV panics as CSVEncoder does, and if path is empty or an option does not fit.
func CSV[T any](path string, opts ...FileOption) stage.Sink[T] {
	return encoded("CSV", path, newCSVEncoder[T]("CSV"), opts)
}

// CSVEncoder formats items as CSV. T is a struct or a pointer to one; a nil
// pointer is an error. Each file begins with a header: a column's name is in the
// field's csv tag, or the field's own name; see github.com/jszwec/csvutil for what
// else tags can say. Fields are separated by commas and quoted where needed;
// records end with a newline. CSVEncoder panics if T is not a struct or has a
// field of a type that cannot be encoded.
func CSVEncoder[T any]() stage.Encoder[T] { return newCSVEncoder[T]("CSVEncoder") }

func newCSVEncoder[T any](verb string) stage.Encoder[T] {
	typ := reflect.TypeFor[T]()
	elem := typ
	if typ.Kind() == reflect.Pointer {
		elem = typ.Elem()
	}
	if elem.Kind() != reflect.Struct {
		panic(fmt.Sprintf("penstock: sink.%s: T is %v, want a struct", verb, typ))
	}
	zero := reflect.Zero(elem).Interface()
	columns, err := csvutil.Header(zero, "csv")
	if err == nil && len(columns) == 0 {
		err = errors.New("it has no exported field")
	}
	var header records
	if err == nil {
		err = csvutil.NewEncoder(&header).EncodeHeader(zero)
	}
	if err != nil {
		panic(fmt.Sprintf("penstock: sink.%s: T is %v: %v", verb, typ, err))
	}
	return &csvEncoder[T]{header: header.buf, states: sync.Pool{New: func() any {
		s := new(csvState)
		s.encoder = csvutil.NewEncoder(&s.records)
		s.encoder.AutoHeader = false
		return s
	}}}
}

type csvEncoder[T any] struct {
	header []byte
	states sync.Pool // of *csvState
}

// csvState is what one goroutine encodes with.
type csvState struct {
	records
	encoder *csvutil.Encoder
}

// Encode implements stage.Encoder.
func (e *csvEncoder[T]) Encode(dst []byte, c *stage.Chunk[T]) ([]byte, error) {
	s, _ := e.states.Get().(*csvState)
	s.buf = dst
	for i := range c.Items {
		if err := s.encoder.Encode(&c.Items[i]); err != nil {
			return dst, err // what failed is not used again
		}
	}
	out := s.buf
	s.buf = nil
	e.states.Put(s)
	return out, nil
}

// Header implements stage.Format.
func (e *csvEncoder[T]) Header() []byte { return e.header }

// Cut implements stage.Format. A newline ends a record if the quotes before it
// come in pairs.
func (e *csvEncoder[T]) Cut(b []byte, n int) int {
	quoted := bytes.Count(b[:n-1], []byte{'"'})%2 == 1
	for i := n - 1; i < len(b); i++ {
		switch {
		case b[i] == '"':
			quoted = !quoted
		case b[i] == '\n' && !quoted:
			return i + 1
		}
	}
	return len(b)
}

// records is a csvutil.Writer that formats records as encoding/csv does, with
// one difference: the empty value of an only field is quoted, because a blank
// line is no record.
type records struct{ buf []byte }

// Write implements csvutil.Writer.
func (r *records) Write(fields []string) error {
	b := r.buf
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
	b = append(b, '\n')
	r.buf = b
	return nil
}

// needsQuotes tells whether a field must be quoted. Like encoding/csv, it quotes
// also what other programs might take for something else: a leading space, and
// \. alone, PostgreSQL's end of data.
func needsQuotes(field string) bool {
	if field == "" || field == `\.` {
		return true
	}
	if c := field[0]; c >= utf8.RuneSelf || c <= ' ' {
		if first, _ := utf8.DecodeRuneInString(field); unicode.IsSpace(first) {
			return true
		}
	}
	for i := range len(field) { // fields are short: a search by vectors does not pay
		switch field[i] {
		case ',', '"', '\r', '\n':
			return true
		}
	}
	return false
}
