// Package columns says which fields of a struct are which columns of a row, for
// the sources and sinks of databases.
package columns

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Column is a field of a struct.
type Column struct {
	Name  string       // of the column
	Index []int        // of the field, as reflect.Value.FieldByIndex takes it
	Type  reflect.Type // of the field
}

// Of are the columns that an item of the type, a struct or a pointer to one, is
// a row of: its exported fields, named by their db tags or like themselves. The
// fields of an embedded struct count as its own, unless it has a tag or is a
// value of the database's. It is an error if there are none, or two of one name.
func Of(typ reflect.Type) ([]Column, error) {
	elem := typ
	if typ.Kind() == reflect.Pointer {
		elem = typ.Elem()
	}
	if elem.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%v, want a struct", typ)
	}
	var (
		columns []Column
		closed  [][]int // embedded structs whose fields are no columns of their own
	)
	for _, f := range reflect.VisibleFields(elem) {
		inside := func(index []int) bool {
			return len(f.Index) > len(index) && slices.Equal(f.Index[:len(index)], index)
		}
		if slices.ContainsFunc(closed, inside) {
			continue
		}
		tag, tagged := f.Tag.Lookup("db")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && isStruct(f.Type) && (!tagged || name == "") && !IsValue(f.Type):
			continue // its fields follow
		case f.Anonymous:
			closed = append(closed, f.Index)
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if slices.ContainsFunc(columns, func(c Column) bool { return c.Name == name }) {
			return nil, fmt.Errorf("%v: column %q comes twice", typ, name)
		}
		columns = append(columns, Column{Name: name, Index: f.Index, Type: f.Type})
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("%v, which has no columns", typ)
	}
	return columns, nil
}

// Names are the names of the columns.
func Names(columns []Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

func isStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct
}

// IsValue tells whether database/sql takes a struct of this type, or a pointer to
// it, as one value.
func IsValue(t reflect.Type) bool {
	if t.Implements(reflect.TypeFor[driver.Valuer]()) {
		return true
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t == reflect.TypeFor[time.Time]() || IsScanner(t)
}

// IsScanner tells whether a pointer to the type is a sql.Scanner.
func IsScanner(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[sql.Scanner]())
}
