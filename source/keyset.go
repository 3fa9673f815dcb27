package source

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-go/penstock/internal/dialect"
)

var (
	errNullKey = errors.New("the key is NULL, and so has no place in the order")
	errSameKey = errors.New("the key is that of the row before: rows could be passed over")
)

// openPages checks that the query can be read by pages.
func (p *queryPuller[T]) openPages() error {
	q := p.q
	if q.dialect == nil {
		return errors.New("Key: it is not known what database the driver is for: name it with source.Dialect")
	}
	for _, name := range q.key {
		if err := dialect.CheckName("column", name); err != nil {
			return err
		}
	}
	if q.after.Key != "" {
		key, err := q.keyOf(q.after.Key)
		if err != nil {
			return fmt.Errorf("After: %w", err)
		}
		p.last, p.before = key, key
	} else if q.after.Record != 0 {
		return fmt.Errorf("After: a position at record %d without a key", q.after.Record)
	}
	return p.noNullKey()
}

// keyOf is the key that a position has.
func (q *queryPlan) keyOf(text string) ([]any, error) {
	key, err := decodeKey(text)
	if err == nil && len(key) != len(q.key) {
		err = fmt.Errorf("it has %d values, want %d", len(key), len(q.key))
	}
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", shortened(text), err)
	}
	return key, nil
}

// noNullKey finds out whether a key is NULL, and, by the way, whether the query
// and its columns are right.
func (p *queryPuller[T]) noNullKey() (err error) {
	var b strings.Builder
	b.WriteString("SELECT q.* FROM (\n" + p.q.text + "\n) AS q WHERE ") //nolint:unqueryvet // the query says which columns
	for i := range p.q.key {
		if i > 0 {
			b.WriteString(" OR ")
		}
		p.q.column(&b, i)
		b.WriteString(" IS NULL")
	}
	b.WriteString(" LIMIT 1")
	//nolint:rowserrcheck // below, where they were read
	if p.rows, err = p.q.db.QueryContext(p.ctx, b.String(), p.q.args...); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.rows.Close()) }()
	if err := p.match(0); err != nil {
		return err
	}
	if p.rows.Next() {
		return errNullKey
	}
	return p.rows.Err()
}

// column writes a column of the key. Its qualifier matters: without one, SQLite
// takes the name of a column that does not exist for a string.
func (q *queryPlan) column(b *strings.Builder, i int) {
	b.WriteString("q.")
	dialect.Quote(b, '"', q.key[i])
}

// columnList writes the columns of the key.
func (q *queryPlan) columnList(b *strings.Builder) {
	for i := range q.key {
		if i > 0 {
			b.WriteString(", ")
		}
		q.column(b, i)
	}
}

// pageQuery is the query of a page: its columns, and once more those of the key.
// One row more than the page has is asked for, which tells that there is another
// page, and that it does not begin with the same key.
func (q *queryPlan) pageQuery(next bool) string {
	var b strings.Builder
	b.WriteString("SELECT q.*") //nolint:unqueryvet // the query says which columns
	for i := range q.key {
		b.WriteString(", ")
		if q.dialect == dialect.SQLite {
			// An expression has no declared type, by which a driver might make a
			// time of a text that could not be compared with the column again.
			b.WriteByte('+')
		}
		q.column(&b, i)
	}
	b.WriteString(" FROM (\n" + q.text + "\n) AS q") // on lines of its own: it may end in a comment
	if next {
		b.WriteString(" WHERE (")
		q.columnList(&b)
		b.WriteString(") > (")
		for i := range q.key {
			if i > 0 {
				b.WriteString(", ")
			}
			dialect.Placeholder(&b, q.dialect.Dollar, len(q.args)+i+1)
		}
		b.WriteByte(')')
	}
	b.WriteString(" ORDER BY ")
	q.columnList(&b)
	b.WriteString(" LIMIT " + strconv.Itoa(q.pageRows+1))
	return b.String()
}

// page reads a page.
func (p *queryPuller[T]) page() (err error) {
	q := p.q
	args := q.args
	if p.last != nil {
		args = append(slices.Clip(args), p.last...)
	}
	//nolint:rowserrcheck // readPage does
	if p.rows, err = q.db.QueryContext(p.ctx, q.pageQuery(p.last != nil), args...); err != nil {
		return err
	}
	more, err := p.readPage()
	if err = errors.Join(err, p.rows.Close()); err == nil && !more {
		err = io.EOF
	}
	return err
}

// readPage reads the rows of a page and says whether there is another.
func (p *queryPuller[T]) readPage() (more bool, err error) {
	k := len(p.q.key)
	if err := p.match(k); err != nil { // the result may have changed
		return false, err
	}
	keys := make([]any, 0, k)
	for n := 0; p.rows.Next(); n++ {
		if len(keys)+k > cap(keys) { // those that were handed out stay where they are
			keys = make([]any, 0, k*min(max(2*n, 1), p.q.pageRows+1-n))
		}
		keys = keys[:len(keys)+k]
		key := keys[len(keys)-k : len(keys) : len(keys)]
		if err := p.scan(key); err != nil {
			return false, err
		}
		for i, v := range key {
			if b, ok := v.([]byte); ok && b == nil {
				key[i] = []byte{} // bytes that are none, not NULL, also when it is an argument
			}
		}
		switch {
		case slices.Contains(key, nil):
			return false, errNullKey
		case sameKey(key, p.last):
			return false, errSameKey
		case n == p.q.pageRows:
			return true, nil
		}
		p.last = key
		p.add()
	}
	return false, p.rows.Err()
}

// sameKey tells whether two keys are the same.
func sameKey(a, b []any) bool {
	return slices.EqualFunc(a, b, func(a, b any) bool {
		switch a := a.(type) {
		case []byte:
			b, ok := b.([]byte)
			return ok && bytes.Equal(a, b)
		case time.Time:
			b, ok := b.(time.Time)
			return ok && a.Equal(b)
		}
		if _, ok := b.([]byte); ok {
			return false
		}
		return a == b
	})
}

// encodeKey writes a key as an array in JSON: integers, texts and bools as they
// are, other values as objects whose one name is the type.
func encodeKey(key []any) string {
	if len(key) == 0 {
		return ""
	}
	var b []byte
	for i, v := range key {
		if i == 0 {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		switch v := v.(type) {
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case bool:
			b = strconv.AppendBool(b, v)
		case string:
			if utf8.ValidString(v) {
				text, _ := json.Marshal(v) //nolint:errchkjson // a text can be written
				b = append(b, text...)
			} else {
				b = fmt.Appendf(b, `{"text":"%s"}`, base64.StdEncoding.EncodeToString([]byte(v)))
			}
		case []byte:
			b = fmt.Appendf(b, `{"bytes":"%s"}`, base64.StdEncoding.EncodeToString(v))
		case float64:
			b = fmt.Appendf(b, `{"float":"%s"}`, strconv.FormatFloat(v, 'g', -1, 64))
		case time.Time:
			b = fmt.Appendf(b, `{"time":"%s"}`, v.Format(time.RFC3339Nano))
		default: // of a driver that gives what database/sql does not know
			text, _ := json.Marshal(fmt.Sprint(v)) //nolint:errchkjson // a text can be written
			b = append(b, text...)
		}
	}
	return string(append(b, ']'))
}

var errKey = errors.New("not a key of a query")

// decodeKey reads what encodeKey wrote.
func decodeKey(text string) ([]any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var key []any
	if err := d.Decode(&key); err != nil {
		return nil, fmt.Errorf("%w: %w", errKey, err)
	}
	if _, err := d.Token(); err != io.EOF || len(key) == 0 {
		return nil, errKey
	}
	for i, v := range key {
		value, err := decodeValue(v)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errKey, err)
		}
		key[i] = value
	}
	return key, nil
}

func decodeValue(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return strconv.ParseInt(v.String(), 10, 64)
	case string, bool:
		return v, nil
	case map[string]any:
		for name, value := range v {
			text, ok := value.(string)
			if !ok || len(v) != 1 {
				return nil, errKey
			}
			switch name {
			case "text":
				b, err := base64.StdEncoding.DecodeString(text)
				return string(b), err
			case "bytes":
				return base64.StdEncoding.DecodeString(text)
			case "float":
				return strconv.ParseFloat(text, 64)
			case "time":
				return time.Parse(time.RFC3339Nano, text)
			}
		}
	}
	return nil, errKey
}
