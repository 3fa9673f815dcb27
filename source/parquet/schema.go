package parquet

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// shape is what T needs of a file.
type shape struct {
	item    reflect.Type // the struct
	pointer bool         // T is a pointer to it
	schema  *parquet.Schema
	paths   [][]string // of its columns
	fields  []field    // one for each column; nil if T has others than plain ones
}

// field is a plain field of the struct.
type field struct {
	typ    reflect.Type
	offset uintptr
}

// shapeOf finds the columns of T. It panics if T is not a struct that the library
// can read.
func shapeOf[T any](verb string) *shape {
	typ := reflect.TypeFor[T]()
	s := &shape{item: typ}
	if typ.Kind() == reflect.Pointer {
		s.item, s.pointer = typ.Elem(), true
	}
	if s.item.Kind() != reflect.Struct {
		panic(fmt.Sprintf("penstock: parquet.%s: T is %v, want a struct", verb, typ))
	}
	defer func() {
		if v := recover(); v != nil {
			panic(fmt.Sprintf("penstock: parquet.%s: T is %v: %v", verb, typ, v))
		}
	}()
	s.schema = parquet.SchemaOf(reflect.New(s.item).Interface())
	s.paths = s.schema.Columns()
	if len(s.paths) == 0 {
		panic("it has no columns")
	}
	fields := make(map[string]field)
	if plainFields(s.item, 0, fields) {
		for _, path := range s.paths {
			f, ok := fields[path[0]]
			if !ok || len(path) != 1 {
				s.fields = nil
				return s
			}
			s.fields = append(s.fields, f)
		}
	}
	return s
}

// plainFields finds where the struct's fields are. It reports false for what the
// library is left with.
func plainFields(t reflect.Type, base uintptr, into map[string]field) bool {
	for f := range t.Fields() {
		tag := f.Tag.Get("parquet")
		name, rest, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-":
			continue
		case f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct:
			if !plainFields(f.Type, base+f.Offset, into) {
				return false
			}
			continue
		case f.Anonymous && tag == "":
			return false
		case !f.IsExported():
			continue
		case strings.Contains(rest, "decimal") || strings.Contains(rest, "uuid") || strings.Contains(rest, "json"):
			return false
		}
		if name == "" {
			name = f.Name
		}
		if _, twice := into[name]; twice {
			panic(fmt.Sprintf("column %q comes twice", name))
		}
		into[name] = field{typ: f.Type, offset: base + f.Offset}
	}
	return true
}

// plan is how a file's columns become items.
type plan struct {
	columns []int    // of the file, one for each of the shape's
	setters []setter // nil: the library decodes
}

// match finds the columns of a file.
func (s *shape) match(o *file) (*plan, error) {
	p := new(plan)
	var missing []string
	for _, path := range s.paths {
		i := slices.IndexFunc(o.leaves, func(l *parquet.Column) bool { return slices.Equal(l.Path(), path) })
		if i < 0 {
			missing = append(missing, fmt.Sprintf("%q", dotted(path)))
			continue
		}
		p.columns = append(p.columns, i)
	}
	switch len(missing) {
	case 0:
	case 1:
		return nil, fmt.Errorf("missing column %s", missing[0])
	default:
		return nil, fmt.Errorf("missing columns %s", strings.Join(missing, ", "))
	}
	for k, f := range s.fields {
		leaf := o.leaves[p.columns[k]]
		if want, _ := s.schema.Lookup(s.paths[k]...); !sameUnit(f.typ, leaf, want.Node) {
			return nil, &columnError{dotted(s.paths[k]), misfit(leaf.Type(), want.Node.Type())}
		}
		set := setterOf(f.typ, leaf)
		if set == nil || leaf.MaxRepetitionLevel() > 0 || leaf.MaxDefinitionLevel() > 1 {
			p.setters = nil
			break
		}
		p.setters = append(p.setters, set)
	}
	if p.setters != nil {
		return p, nil
	}
	for k, path := range s.paths {
		leaf := o.leaves[p.columns[k]]
		want, _ := s.schema.Lookup(path...)
		if err := fits(leaf, want.Node); err != nil {
			return nil, &columnError{dotted(path), err}
		}
	}
	return p, nil
}

// fits tells whether a column's values can be those of another, which T has,
// without any being cut or read as something else.
func fits(have *parquet.Column, want parquet.Node) error {
	h, w := have.Type(), want.Type()
	same := h.Kind() == w.Kind() && h.Length() == w.Length()
	wider := h.Kind() == parquet.Int32 && w.Kind() == parquet.Int64 || h.Kind() == parquet.Float && w.Kind() == parquet.Double
	if hl, wl := h.LogicalType(), w.LogicalType(); same && hl != nil && wl != nil {
		same = reflect.TypeOf(hl.Value) == reflect.TypeOf(wl.Value)
		if same && have.Type().String() != w.String() && !strings.HasPrefix(w.String(), "TIMESTAMP") {
			same = false
		}
	} else if wl != nil && strings.HasPrefix(w.String(), "TIMESTAMP") {
		same = false
	}
	if !same && !wider {
		return misfit(h, w)
	}
	return nil
}

func misfit(have, want parquet.Type) error {
	return fmt.Errorf("its type %v does not fit the field's, %v", have, want)
}

// sameUnit tells whether a number whose tag makes it a timestamp counts in the
// column's unit: it would be read as another time otherwise.
func sameUnit(field reflect.Type, have, want parquet.Node) bool {
	if field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	w := unitOf(want)
	return field.Kind() != reflect.Int64 || w == nil || reflect.TypeOf(unitOf(have)) == reflect.TypeOf(w)
}

// unitOf is the unit of a timestamp, nil if the column has none.
func unitOf(n parquet.Node) any {
	if l := n.Type().LogicalType(); l != nil {
		if t, ok := l.Value.(*format.TimestampType); ok {
			return t.Unit.Value
		}
	}
	return nil
}

// structs makes the structs that items point to, and returns where the first is.
func (s *shape) structs(items []unsafe.Pointer) unsafe.Pointer {
	all := reflect.MakeSlice(reflect.SliceOf(s.item), len(items), len(items)).UnsafePointer()
	for i := range items {
		items[i] = unsafe.Add(all, uintptr(i)*s.item.Size())
	}
	return all
}

// base is where the first of the items is.
func base[T any](items []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(items)) }

// columnTypes are the columns of T by name, and the types that it has for them.
func (s *shape) columnTypes() map[string]string {
	types := make(map[string]string, len(s.paths))
	for _, path := range s.paths {
		text := ""
		if leaf, ok := s.schema.Lookup(path...); ok {
			text = leaf.Node.Type().String()
		}
		types[dotted(path)] = text
	}
	return types
}
