// Package dialect holds what SQLite and PostgreSQL say differently: how
// placeholders are written, how many a statement may have, and where the
// catalogue is.
package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Dialect is a database's own SQL.
type Dialect struct {
	Name         string
	Dollar       bool // placeholders are $1, $2 and so on, not ?
	MaxVariables int  // in one statement

	fold    bool   // the case of ASCII letters in names does not matter
	columns string // the query of a table's columns: name, generated
	unique  string // the query of a table's unique keys: the index, a column
	args    func(t Table) []any
}

// Of is the dialect of the database that the driver is for, nil if it is not
// known.
func Of(db *sql.DB) *Dialect {
	t := reflect.TypeOf(db.Driver())
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	path := t.PkgPath()
	for part, d := range drivers {
		if strings.Contains(path, part) {
			return d
		}
	}
	return nil
}

// drivers are the parts of the names of packages of drivers.
var drivers = map[string]*Dialect{ //nolint:gochecknoglobals // a table
	"sqlite":           SQLite,
	"github.com/jackc": PostgreSQL,
	"github.com/lib/p": PostgreSQL,
}

// Named is the dialect of that name, nil if there is none.
func Named(name string) *Dialect {
	for _, d := range []*Dialect{SQLite, PostgreSQL} {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// Placeholder writes the n-th placeholder of a statement, from 1.
func Placeholder(b *strings.Builder, dollar bool, n int) {
	if !dollar {
		b.WriteByte('?')
		return
	}
	b.WriteByte('$')
	b.WriteString(strconv.Itoa(n))
}

// Table is the name of a table: its parts, the schema before the table.
type Table []string

// ParseTable takes a table's name apart at its dots. A part that is empty or
// holds a NUL byte is an error.
func ParseTable(name string) (Table, error) {
	t := Table(strings.Split(name, "."))
	for _, part := range t {
		if err := CheckName("table", part); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// CheckName refuses what cannot be a name, however it is quoted.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s name is empty", what)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("%s name %q holds a NUL byte", what, name)
	}
	return nil
}

// Quote writes the name, its parts between quotes.
func (t Table) Quote(b *strings.Builder, quote byte) {
	for i, part := range t {
		if i > 0 {
			b.WriteByte('.')
		}
		Quote(b, quote, part)
	}
}

// Quote writes a name between quotes.
func Quote(b *strings.Builder, quote byte, name string) {
	q := string(rune(quote))
	b.WriteString(q)
	b.WriteString(strings.ReplaceAll(name, q, q+q))
	b.WriteString(q)
}

// Querier is a *sql.DB, *sql.Conn or *sql.Tx.
type Querier interface {
	// QueryContext runs a query.
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Check checks that the table exists, has the columns, none of which is
// generated, and, if there is a key, that no two rows can have the same.
func (d *Dialect) Check(ctx context.Context, db Querier, t Table, columns, key []string) error {
	there, err := d.lookup(ctx, db, t)
	if err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	if err := CheckColumns(there, columns, d.same); err != nil {
		return err
	}
	if len(key) == 0 {
		return nil
	}
	keys, err := d.keys(ctx, db, t)
	if err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	for _, k := range keys {
		if d.sameSet(k, key) {
			return nil
		}
	}
	return fmt.Errorf("columns %s are no primary key and have no unique index", list(key))
}

// ColumnInfo is a column of a table.
type ColumnInfo struct {
	Name      string
	Generated bool
}

// ErrNoTable says that a table does not exist.
var ErrNoTable = errors.New("no such table")

// CheckColumns checks that the columns are among those that there are. A table
// without any does not exist.
func CheckColumns(there []ColumnInfo, columns []string, same func(a, b string) bool) error {
	if len(there) == 0 {
		return ErrNoTable
	}
	var missing []string
	for _, name := range columns {
		i := slices.IndexFunc(there, func(c ColumnInfo) bool { return same(c.Name, name) })
		switch {
		case i < 0:
			missing = append(missing, name)
		case there[i].Generated:
			return fmt.Errorf("column %q is generated and cannot be written", name)
		}
	}
	if missing == nil {
		return nil
	}
	names := make([]string, len(there))
	for i, c := range there {
		names[i] = c.Name
	}
	return MissingError(missing, names)
}

// MissingError says which columns are missing and which there are.
func MissingError(missing, there []string) error {
	s := ""
	if len(missing) > 1 {
		s = "s"
	}
	return fmt.Errorf("missing column%s %s; there are %s", s, list(missing), list(there))
}

// list quotes names, at most so many that an error stays readable.
func list(names []string) string {
	const most = 50
	var b strings.Builder
	for i, name := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}

func (d *Dialect) lookup(ctx context.Context, db Querier, t Table) (there []ColumnInfo, err error) {
	err = each(ctx, db, d.columns, d.args(t), func(rows *sql.Rows) error {
		var c ColumnInfo
		if err := rows.Scan(&c.Name, &c.Generated); err != nil {
			return err
		}
		there = append(there, c)
		return nil
	})
	return there, err
}

// keys are the sets of columns of which no two rows have the same values.
func (d *Dialect) keys(ctx context.Context, db Querier, t Table) (keys [][]string, err error) {
	last := ""
	err = each(ctx, db, d.unique, d.args(t), func(rows *sql.Rows) error {
		var index, column string
		if err := rows.Scan(&index, &column); err != nil {
			return err
		}
		if index != last || keys == nil {
			keys, last = append(keys, nil), index
		}
		keys[len(keys)-1] = append(keys[len(keys)-1], column)
		return nil
	})
	return keys, err
}

// each calls fn for each row of a query.
func each(ctx context.Context, db Querier, query string, args []any, fn func(*sql.Rows) error) (err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// same tells whether two names are of the same column.
func (d *Dialect) same(a, b string) bool {
	return a == b || d.fold && foldASCII(a) == foldASCII(b)
}

func (d *Dialect) sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, name := range a {
		if !slices.ContainsFunc(b, func(other string) bool { return d.same(name, other) }) {
			return false
		}
	}
	return true
}

// foldASCII makes the ASCII letters of a name small.
func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// Quoted is the name between double quotes.
func (t Table) Quoted() string {
	var b strings.Builder
	t.Quote(&b, '"')
	return b.String()
}
