package source

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"strings"

	"github.com/penstock-go/penstock/internal/columns"
	"github.com/penstock-go/penstock/internal/dialect"
)

// keysMark is where a lookup's keys go into its query.
const keysMark = "(?)"

// fewestVariables is how many placeholders a statement of any database may have.
const fewestVariables = 999

// LookupSQL is a function for [stage.LookupBatch] that finds the values of keys with a
// query, in which (?) stands for the list of them, whatever the database's placeholders
// are:
//
//	type Airport struct {
//		Name string `db:"name"`
//		City string `db:"city"`
//	}
//	airports := stage.LookupBatch(source.LookupSQL[string, Airport](db,
//		"SELECT code, name, city FROM airports WHERE code IN (?)"), 10_000)
//	named := stage.JoinBatch(flights, 100, Flight.origin, airports)
//
// The first column of the result is the key, which K is scanned from; the others
// are those of V, as in [Query]: a struct with db tags, or a single value. A key
// without a row has no value. Keys are compared as Go does it: one that the database
// takes for another, such as one in other letters, has none either. Two rows of a key
// are an error.
//
// The query runs once for all keys that the function is given, or more often if
// those are more than a statement may have placeholders: the database's limit,
// or 999 where it is not known. The keys are repeated until there are a power of two, so
// that the database sees few different statements. All rows are read before the function
// returns. It may be called by several goroutines at once, and keeps a connection of db
// while it runs. An error, also that of a row that does not fit V, is a [QueryError] and that of
// the whole call.
//
// The only option is [Dialect]. LookupSQL panics if db is nil, query does not have
// one (?), K is nothing that a column can be scanned into, or V cannot be
// scanned into.
func LookupSQL[K comparable, V any](db *sql.DB, query string, opts ...QueryOption) func(ctx context.Context, keys []K) (map[K]V, error) {
	notNil(db == nil, "LookupSQL: db")
	q := &queryPlan{db: db, text: strings.TrimRight(query, "; \t\r\n"), typ: reflect.TypeFor[V](), dialect: dialect.Of(db)}
	if n := strings.Count(q.text, keysMark); n != 1 {
		panic(fmt.Sprintf("penstock: source.LookupSQL: query has %d %s, want one", n, keysMark))
	}
	keys, err := columns.NewReader(reflect.TypeFor[K]())
	if err != nil || keys.Struct() {
		panic(fmt.Sprintf("penstock: source.LookupSQL: K is %v, want what a column can be scanned into", reflect.TypeFor[K]()))
	}
	if q.reader, err = columns.NewReader(q.typ); err != nil {
		panic("penstock: source.LookupSQL: V is " + err.Error())
	}
	for _, opt := range opts {
		notNil(opt == nil, "LookupSQL: an option")
		opt.setQuery(q)
	}
	if q.key != nil || q.pages || q.resumes || q.args != nil {
		panic("penstock: source.LookupSQL: its only option is Dialect")
	}
	most := fewestVariables
	if q.dialect != nil {
		most = q.dialect.MaxVariables
	}
	return func(ctx context.Context, asked []K) (map[K]V, error) {
		found := make(map[K]V, len(asked))
		for len(asked) > 0 {
			n := min(len(asked), most)
			if err := lookup(ctx, q, *keys, asked[:n], most, found); err != nil {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				return nil, fmt.Errorf("source: %w", err)
			}
			asked = asked[n:]
		}
		return found, nil
	}
}

// lookup runs the query for some keys.
func lookup[K comparable, V any](
	ctx context.Context, q *queryPlan, key columns.Reader, keys []K, most int, found map[K]V,
) (err error) {
	failed := &QueryError{Query: q.text}
	defer func() {
		if err != nil {
			failed.Err = err
			err = failed
		}
	}()
	n := min(1<<bits.Len(uint(len(keys)-1)), most)
	var list strings.Builder
	list.WriteByte('(')
	args := make([]any, n)
	for i := range args {
		if i > 0 {
			list.WriteString(", ")
		}
		dialect.Placeholder(&list, q.dialect != nil && q.dialect.Dollar, i+1)
		args[i] = keys[min(i, len(keys)-1)]
	}
	list.WriteByte(')')
	rows, err := q.db.QueryContext(ctx, strings.Replace(q.text, keysMark, list.String(), 1), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	if len(names) < 2 {
		return fmt.Errorf("the result has %d columns, want the key and those of the value", len(names))
	}
	value := *q.reader
	if err := errors.Join(key.Match(reflect.TypeFor[K](), names[:1]), value.Match(q.typ, names[1:])); err != nil {
		return err
	}
	for rows.Next() {
		failed.Row++
		var k K
		var v V
		err := key.Scan(func(first ...any) error {
			return value.Scan(func(others ...any) error { return rows.Scan(append(first, others...)...) }, reflect.ValueOf(&v).Elem())
		}, reflect.ValueOf(&k).Elem())
		if err != nil {
			return err
		}
		if _, again := found[k]; again {
			return fmt.Errorf("key %v comes twice", k)
		}
		found[k] = v
	}
	if err := rows.Err(); err != nil {
		failed.Row++
		return err
	}
	failed.Row = 0
	return nil
}
