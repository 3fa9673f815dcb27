package source

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-go/penstock/internal/blocks"
)

// UnmarshalJSON implements json.Unmarshaler for what MarshalJSON makes: an object
// whose values are strings, or an array of strings. The record has no position.
func (r *Record) UnmarshalJSON(text []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	open, err := d.ReadToken()
	if err != nil {
		return err
	}
	kind := open.Kind()
	if kind != jsontext.KindBeginObject && kind != jsontext.KindBeginArray {
		return fmt.Errorf("a record is an object or an array of strings, not %s", kind)
	}
	b := new(recordBlock)
	var data strings.Builder
	for d.PeekKind() != jsontext.KindEndObject && d.PeekKind() != jsontext.KindEndArray {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		if kind == jsontext.KindBeginObject {
			b.names = append(b.names, t.String())
			if t, err = d.ReadToken(); err != nil {
				return err
			}
		}
		if t.Kind() != jsontext.KindString {
			return fmt.Errorf("field %d of a record is not a string", b.width+1)
		}
		from := data.Len()
		data.WriteString(t.String())
		b.table.Fields = append(b.table.Fields, blocks.FieldOf(from, data.Len()))
		b.width++
	}
	if _, err := d.ReadToken(); err != nil { // the end
		return err
	}
	b.data = data.String()
	b.table.Starts = append(b.table.Starts, 0)
	*r = Record{block: b}
	return nil
}
