package sink

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// columnsOf are the columns that an item of the type is a row of. It panics if
// there are none, or two of one name.
func columnsOf(typ reflect.Type) []column {
	elem := typ
	if typ.Kind() == reflect.Pointer {
		elem = typ.Elem()
	}
	if elem.Kind() != reflect.Struct {
		panic(fmt.Sprintf("penstock: sink.SQL: T is %v, want a struct", typ))
	}
	var (
		columns []column
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
		case f.Anonymous && isStruct(f.Type) && (!tagged || name == "") && !isValue(f.Type):
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
		if slices.ContainsFunc(columns, func(c column) bool { return c.name == name }) {
			panic(fmt.Sprintf("penstock: sink.SQL: T is %v: column %q comes twice", typ, name))
		}
		columns = append(columns, column{name: name, index: f.Index})
	}
	if len(columns) == 0 {
		panic(fmt.Sprintf("penstock: sink.SQL: T is %v, which has no columns", typ))
	}
	return columns
}

func isStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct
}

// isValue tells whether database/sql takes a struct of this type as one value.
func isValue(t reflect.Type) bool {
	if t.Implements(reflect.TypeFor[driver.Valuer]()) {
		return true
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t == reflect.TypeFor[time.Time]()
}
