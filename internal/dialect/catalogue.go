package dialect

import "strings"

// SQLite is the dialect of SQLite 3.
var SQLite = &Dialect{ //nolint:gochecknoglobals // a table
	Name:         "sqlite",
	MaxVariables: 32766, // its default; it can be built with another

	fold: true,
	// hidden is 1 for the hidden columns of virtual tables, which can be written.
	columns: "SELECT name, hidden > 1 FROM pragma_table_xinfo(?, ?)",
	// A key that is not an index is the rowid's other name, whose order of columns
	// does not matter.
	unique: `SELECT 'i' || l.name, coalesce(i.name, '') FROM pragma_index_list(?1, ?2) AS l, pragma_index_info(l.name, ?2) AS i
		WHERE l."unique" AND NOT l.partial
		UNION ALL SELECT 'primary key', name FROM pragma_table_info(?1, ?2) WHERE pk > 0
		ORDER BY 1`,
	args: func(t Table) []any {
		if len(t) == 1 {
			return []any{t[0], nil} // no schema: wherever it is found first
		}
		return []any{t[len(t)-1], strings.Join(t[:len(t)-1], ".")}
	},
}

// PostgreSQL is the dialect of PostgreSQL.
var PostgreSQL = &Dialect{ //nolint:gochecknoglobals // a table
	Name:         "postgres",
	Dollar:       true,
	MaxVariables: 65535,

	// The server cuts names that are too long for it; relname is the name that it
	// made of the table's.
	columns: `SELECT a.attname, a.attgenerated <> '' FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
		WHERE a.attrelid = pg_catalog.to_regclass($1) AND c.relname::text = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
	unique: `SELECT i.indexrelid::text, a.attname
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid,
			pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n),
			pg_catalog.pg_attribute a
		WHERE i.indrelid = pg_catalog.to_regclass($1) AND c.relname::text = $2 AND i.indisunique AND i.indisvalid
			AND i.indpred IS NULL AND i.indexprs IS NULL
			AND k.n <= i.indnkeyatts AND a.attrelid = i.indrelid AND a.attnum = k.attnum
		ORDER BY 1`,
	args: func(t Table) []any {
		return []any{t.Quoted(), t[len(t)-1]}
	},
}

// Catalogue is the query of the columns of a table and its arguments, for who
// does not use database/sql: each row is a name and whether it is generated.
func (d *Dialect) Catalogue(t Table) (query string, args []any) { return d.columns, d.args(t) }

// Same tells whether two names are of the same column.
func (d *Dialect) Same(a, b string) bool { return d.same(a, b) }
