package sink

import (
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/internal/dialect"
)

const defaultBatchRows = 500

// SQLOption is a setting of an [SQL] sink.
type SQLOption interface{ set(*sqlSink) }

type sqlOption func(*sqlSink)

func (o sqlOption) set(s *sqlSink) { o(s) }

// BatchRows is how many rows a transaction inserts. The default, and what 0
// means, is 500. BatchRows panics if rows is negative.
func BatchRows(rows int) SQLOption {
	rows = positive("BatchRows: rows", rows, defaultBatchRows)
	return sqlOption(func(s *sqlSink) { s.batchRows = rows })
}

// MaxVariables is how many values the database takes in one statement. The
// default, and what 0 means, is what the dialect has: 32,766 for SQLite and what
// is not known, 65,535 for PostgreSQL. MaxVariables panics if n is negative.
func MaxVariables(n int) SQLOption {
	n = positive("MaxVariables: n", n, 0)
	return sqlOption(func(s *sqlSink) { s.maxVariables = n })
}

// Upsert makes a row replace the one that has the same values in the key's
// columns: in that row, all columns of T get the item's values, others stay as
// they are. If there is none, or a value of the key is NULL, the row is inserted.
// Of several items with the same key the last one wins, as if they had been
// written one by one. The key must be the table's primary key or have a unique
// index; otherwise opening the sink fails. It is for SQLite and PostgreSQL
// (INSERT ... ON CONFLICT DO UPDATE). Without Upsert, a row whose key is there
// already fails its batch. Upsert panics if no column is named, or one twice.
func Upsert(key ...string) SQLOption {
	key = slices.Clone(key)
	if len(key) == 0 {
		panic("penstock: sink.Upsert: key has no columns")
	}
	for i, name := range key {
		if slices.Contains(key[:i], name) {
			panic(fmt.Sprintf("penstock: sink.Upsert: key has column %q twice", name))
		}
	}
	return sqlOption(func(s *sqlSink) { s.key = key })
}

// Dialect names the database, "sqlite" or "postgres", where its driver is not
// recognised, because it is wrapped or little known. It decides about
// placeholders, the number of variables, upserts and where the catalogue is.
// Dialect panics if the name is another.
func Dialect(name string) SQLOption {
	d := dialect.Named(name)
	if d == nil {
		panic(fmt.Sprintf(`penstock: sink.Dialect: name is %q, want "sqlite" or "postgres"`, name))
	}
	return sqlOption(func(s *sqlSink) { s.dialect = d })
}

// Dollar makes the placeholders $1, $2 and so on, also where the dialect is not
// known or has others. The default is ?, and $1 for PostgreSQL.
func Dollar() SQLOption { return sqlOption(func(s *sqlSink) { s.dollar = true }) }

// Backquote quotes names with backquotes, as MySQL does. The default is the
// standard's double quotes.
func Backquote() SQLOption { return sqlOption(func(s *sqlSink) { s.quote = '`' }) }

// positive checks a number of things.
func positive(what string, n, def int) int {
	switch {
	case n < 0:
		panic(fmt.Sprintf("penstock: sink.%s is %d, want 0 or more", what, n))
	case n == 0:
		return def
	}
	return n
}
