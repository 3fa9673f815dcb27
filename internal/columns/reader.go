package columns

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/penstock-go/penstock/internal/dialect"
)

// Reader makes items of the rows of a result. It is used by one goroutine at a
// time; a copy of it may be used by another.
type Reader struct {
	fields  []Column // nil: an item is the one value of a row
	pointer bool     // an item is a pointer to a struct

	// Of the result, by column.
	into []int // which field, -1: none
	own  []int // the columns whose field is a sql.Scanner of somebody's

	dest []any
	raw  []any // what the fields of own will scan
}

// NewReader makes a reader of items of a type: a struct with columns, a pointer
// to one, or what a single value can be scanned into.
func NewReader(typ reflect.Type) (*Reader, error) {
	elem := typ
	if typ.Kind() == reflect.Pointer {
		elem = typ.Elem()
	}
	if elem.Kind() != reflect.Struct || elem == reflect.TypeFor[time.Time]() || IsScanner(elem) {
		if !scannable(typ) {
			return nil, fmt.Errorf("%v, want a struct or what a column can be scanned into", typ)
		}
		return &Reader{}, nil
	}
	fields, err := Of(typ)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if hidden := unexported(elem, f.Index); hidden != nil {
			return nil, fmt.Errorf("%v: column %q is in an embedded pointer to %v, which is not exported", typ, f.Name, hidden)
		}
		if !scannable(f.Type) {
			return nil, fmt.Errorf("%v: column %q cannot be scanned into a %v", typ, f.Name, f.Type)
		}
	}
	return &Reader{fields: fields, pointer: typ.Kind() == reflect.Pointer}, nil
}

// Struct tells whether an item is a struct with columns, or a pointer to one.
func (r *Reader) Struct() bool { return r.fields != nil }

// unexported is the first type on the way to a field that is embedded as a pointer
// and not exported, so that nobody but its package can set the pointer.
func unexported(t reflect.Type, index []int) reflect.Type {
	for _, x := range index[:len(index)-1] {
		f := t.Field(x)
		t = f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
			if !f.IsExported() {
				return t
			}
		}
	}
	return nil
}

// scannable tells whether database/sql can scan some value into the type.
func scannable(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer && !IsScanner(t) {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		// RawBytes are memory of the driver's.
		return t.Elem().Kind() == reflect.Uint8 && t != reflect.TypeFor[sql.RawBytes]() || IsScanner(t)
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Struct:
		return t == reflect.TypeFor[time.Time]() || IsScanner(t)
	case reflect.Array, reflect.Chan, reflect.Func, reflect.Map, reflect.Complex64, reflect.Complex128,
		reflect.Uintptr, reflect.UnsafePointer:
		return IsScanner(t)
	default:
		return true
	}
}

var errScalar = errors.New("a single value needs a result with one column")

// Match finds the fields for the columns of a result. Columns without a field
// are passed over; a field without a column, or with two, is an error.
func (r *Reader) Match(typ reflect.Type, names []string) error {
	r.into, r.own = make([]int, len(names)), nil
	r.dest, r.raw = make([]any, len(names)), make([]any, len(names))
	if r.fields == nil {
		if len(names) != 1 {
			return fmt.Errorf("%w, there are %d", errScalar, len(names))
		}
		if isOwn(typ) {
			r.own = []int{0}
		}
		return nil
	}
	for i := range r.into {
		r.into[i] = -1
	}
	var missing []string
	for k, f := range r.fields {
		i := slices.Index(names, f.Name)
		switch {
		case i < 0:
			missing = append(missing, f.Name)
		case slices.Contains(names[i+1:], f.Name):
			return fmt.Errorf("column %q comes twice", f.Name)
		default:
			r.into[i] = k
			if isOwn(f.Type) {
				r.own = append(r.own, i)
			}
		}
	}
	if missing != nil {
		return dialect.MissingError(missing, names)
	}
	return nil
}

// isOwn tells whether scanning into the type runs code of the type's.
func isOwn(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer && !IsScanner(t) {
		t = t.Elem()
	}
	return IsScanner(t)
}

// Scan makes an item of the row at hand: scan is Rows.Scan, extra are more places
// for the columns behind those that were matched, and into is the item.
//
// Scanners of the fields' own run after the rows' Scan, not in it: it holds a lock
// that a panic would leave locked, and closing the rows would wait for it.
func (r *Reader) Scan(scan func(...any) error, into reflect.Value, extra ...any) error {
	v := into
	if r.pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	dest := r.dest[:0]
	for i := range r.into {
		switch {
		case r.fields == nil:
			dest = append(dest, v.Addr().Interface())
		case r.into[i] < 0:
			dest = append(dest, ignored{})
		default:
			dest = append(dest, field(v, r.fields[r.into[i]].Index).Addr().Interface())
		}
	}
	for _, i := range r.own {
		dest[i] = &r.raw[i]
	}
	dest = append(dest, extra...)
	r.dest = dest // its memory is for the next row
	if err := scan(dest...); err != nil {
		return err
	}
	for _, i := range r.own {
		f, name := v, ""
		if r.fields != nil {
			c := r.fields[r.into[i]]
			f, name = field(v, c.Index), c.Name
		}
		if err := own(f, r.raw[i]); err != nil {
			return fmt.Errorf("column %q: %w", name, err)
		}
	}
	return nil
}

// own lets a field, or what it points to, scan a value.
func own(f reflect.Value, src any) error {
	for f.Kind() == reflect.Pointer && !IsScanner(f.Type()) {
		if src == nil {
			f.SetZero()
			return nil
		}
		f.Set(reflect.New(f.Type().Elem()))
		f = f.Elem()
	}
	return f.Addr().Interface().(sql.Scanner).Scan(src) //nolint:forcetypeassert // IsScanner has said so
}

// field is a struct's field; embedded pointers on the way to it get structs.
func field(v reflect.Value, index []int) reflect.Value {
	for i, x := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v
}

// ignored is where columns without a field go.
type ignored struct{}

// Scan implements sql.Scanner.
func (ignored) Scan(any) error { return nil }
