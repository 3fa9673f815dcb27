package parquet

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// encodings are the options of a tag that say how values are written.
const encodings = ",dict,delta,plain,split,json,bson,enum,uuid,decimal,variant,"

// schemaOf finds the columns of T. It panics if T is not a struct with columns.
func schemaOf[T any]() *parquet.Schema {
	typ := reflect.TypeFor[T]()
	item := typ
	if typ.Kind() == reflect.Pointer {
		item = typ.Elem()
	}
	if item.Kind() != reflect.Struct {
		panic(fmt.Sprintf("penstock: parquet.Sink: T is %v, want a struct", typ))
	}
	defer func() {
		if v := recover(); v != nil {
			panic(fmt.Sprintf("penstock: parquet.Sink: T is %v: %v", typ, v))
		}
	}()
	schema := parquet.SchemaOf(reflect.New(item).Interface(), dictionaries(item)...)
	if len(schema.Columns()) == 0 {
		panic("it has no columns")
	}
	names(item, make(map[string]bool))
	return schema
}

// names panics if two of a struct's fields have the same name.
func names(item reflect.Type, seen map[string]bool) {
	for f := range item.Fields() {
		tag := f.Tag.Get("parquet")
		if f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct {
			names(f.Type, seen)
			continue
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		name, _, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		if seen[name] {
			panic(fmt.Sprintf("column %q comes twice", name))
		}
		seen[name] = true
	}
}

// dictionaries are the tags of the struct's own text columns, with a dictionary.
func dictionaries(item reflect.Type) (out []parquet.SchemaOption) {
	for f := range item.Fields() {
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if !f.IsExported() || f.Anonymous || t.Kind() != reflect.String {
			continue
		}
		tag := f.Tag.Get("parquet")
		if tag == "-" {
			continue
		}
		name, rest, _ := strings.Cut(tag, ",")
		own := false
		for o := range strings.SplitSeq(rest, ",") {
			o, _, _ = strings.Cut(o, "(")
			own = own || o != "" && strings.Contains(encodings, ","+o+",")
		}
		if own {
			continue
		}
		if name == "" {
			name = f.Name
		}
		tag = strings.TrimSuffix(name+",dict,"+rest, ",")
		out = append(out, parquet.StructTag(reflect.StructTag(fmt.Sprintf("parquet:%q", tag)), f.Name))
	}
	return out
}
