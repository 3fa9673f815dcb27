package source

import (
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/internal/dialect"
	"github.com/penstock-go/penstock/stage"
)

const defaultPageRows = 1000

// QueryOption is a setting of a [Query].
type QueryOption interface{ setQuery(*queryPlan) }

type queryOption func(*queryPlan)

func (o queryOption) setQuery(q *queryPlan) { o(q) }

// Args are the values of the query's placeholders, as database/sql takes them.
func Args(values ...any) QueryOption {
	values = slices.Clone(values)
	return queryOption(func(q *queryPlan) { q.args = append(q.args, values...) })
}

// Key reads the query in pages of [PageRows], in the order of the given columns
// of its result:
//
//	SELECT ... FROM (query) AS q WHERE q.id > last ORDER BY q.id LIMIT n
//
// Each page is read as a whole when its first row is pulled and kept in memory;
// its connection is given back before the rows are handed on. With an index on
// the key, a page costs the same at the end of a large table as at its begin.
//
// No two rows may have the same key, as the database compares them, and none may
// have NULL in it: rows would be passed over. Before the first page the query is
// asked for such a NULL, and equal keys of neighbours are looked for at every row;
// either fails the stream. The pages are not one snapshot: a row that is inserted
// or changed meanwhile is seen if its key comes later. The query must be one that
// can stand in parentheses, and should have no order or limit of its own.
//
// A run with a checkpoint (stage.Checkpoint) goes on behind the row whose key the
// checkpoint has, if query, arguments and key are the same; without a key it is
// refused. What is inserted or deleted below that key meanwhile is not seen. Rows
// behind it that were written already are counted off from there: the last chunk's,
// and without order as many more as were in flight. Those must still be there, and
// none be new among them, or as many others are passed over or come again. The
// checkpoint holds the arguments and the key in plain text.
//
// In a chunk's token, Position.Key is the key of the row before the chunk's first,
// so that [After] goes on with that chunk. Key is for SQLite and PostgreSQL. It panics if
// no column is named, or one twice.
func Key(columns ...string) QueryOption {
	columns = slices.Clone(columns)
	if len(columns) == 0 {
		panic("penstock: source.Key: there are no columns")
	}
	for i, name := range columns {
		if slices.Contains(columns[:i], name) {
			panic(fmt.Sprintf("penstock: source.Key: column %q comes twice", name))
		}
	}
	return queryOption(func(q *queryPlan) { q.key = columns })
}

// PageRows is how many rows a page of a [Query] with a [Key] has. The default, and
// what 0 means, is 1000. PageRows panics if rows is negative.
func PageRows(rows int) QueryOption {
	if rows < 0 {
		panic(fmt.Sprintf("penstock: source.PageRows: rows is %d, want 0 or more", rows))
	}
	if rows == 0 {
		rows = defaultPageRows
	}
	return queryOption(func(q *queryPlan) { q.pageRows, q.pages = rows, true })
}

// After begins a [Query] with a [Key] behind the row whose key is in at.Key; rows
// are counted on from at.Record: at is where a token of an earlier run of the query
// began. The zero Position is the begin. A key that is not
// one of this query's fails the stream when it is opened.
func After(at stage.Position) QueryOption {
	return queryOption(func(q *queryPlan) { q.after, q.resumes = at, true })
}

// Dialect names the database of a [Query] or [LookupSQL], "sqlite" or "postgres",
// where its driver is not recognised, because it is wrapped or little known. Only
// [Key] and LookupSQL need to know. Dialect panics if the name is another.
func Dialect(name string) QueryOption {
	d := dialect.Named(name)
	if d == nil {
		panic(fmt.Sprintf(`penstock: source.Dialect: name is %q, want "sqlite" or "postgres"`, name))
	}
	return queryOption(func(q *queryPlan) { q.dialect = d })
}
