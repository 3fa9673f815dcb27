package source

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/penstock-go/penstock/internal/columns"
	"github.com/penstock-go/penstock/internal/dialect"
	"github.com/penstock-go/penstock/stage"
)

// Query makes a stream of the rows of a query, in the order in which the database
// gives them. T is a struct, a pointer to one, or what a single column can be
// scanned into: a number, bool, string, []byte, time.Time, any, a sql.Scanner or
// a pointer to one of these, which is nil for NULL.
//
// Fields are found by the names of the result's columns, as in sink.SQL: a
// field's db tag or its own name, as it is written; `db:"-"` leaves a field out.
// The fields of an embedded struct count as T's own. Columns without a field are
// ignored; a field without a column, or with two, fails the stream before its
// first row. NULL fits pointers, sql.Null and other Scanners only.
//
//	type Flight struct {
//		ID     int64         `db:"id"`
//		Origin string        `db:"origin"`
//		Delay  sql.Null[int] `db:"delay"`
//	}
//	late := source.Query[Flight](db, "SELECT id, origin, delay FROM flights WHERE delay > ?", source.Args(60))
//
// The query runs when the stream is opened, and its rows are read as they are
// pulled: nothing is read ahead, but for one row that is still on its way when a
// pull has waited for about a millisecond and hands on what it has. It keeps a
// connection of db, and what the database holds for an open result, until the
// stream ends or is closed. A pull that its context interrupts loses nothing.
//
// With [Key], the rows are read page by page instead, in the order of the key,
// with a query for each page: a long run then holds no transaction, cursor or
// connection between pages, may write to the same database, and can be taken up
// where another stopped; see there.
//
// A row that does not fit T (NULL, a number too large, a text that is no number)
// is an item error, whose input is a map of the row's values, and the stream goes
// on with the next row. Whatever else goes wrong ends the stream, after all rows
// before it. Both are a [QueryError], which names the query and the row.
//
// A run with a checkpoint can go on in a query with a Key only.
//
// The options are [Args], [Key], [PageRows], [After] and [Dialect]. Query panics
// if db is nil, query is empty or T cannot be scanned into.
func Query[T any](db *sql.DB, query string, opts ...QueryOption) stage.Stream[T] {
	notNil(db == nil, "Query: db")
	q := &queryPlan{
		db: db, text: strings.TrimRight(query, "; \t\r\n"), typ: reflect.TypeFor[T](),
		pageRows: defaultPageRows, dialect: dialect.Of(db),
	}
	if q.text == "" {
		panic("penstock: source.Query: query is empty")
	}
	var err error
	if q.reader, err = columns.NewReader(q.typ); err != nil {
		panic("penstock: source.Query: T is " + err.Error())
	}
	for _, opt := range opts {
		notNil(opt == nil, "Query: an option")
		opt.setQuery(q)
	}
	if q.key == nil && (q.pages || q.resumes) {
		panic("penstock: source.Query: PageRows and After are options of a query with a Key")
	}
	s := stage.New("Query", func(ctx context.Context) (stage.Puller[T], error) { return openQuery[T](ctx, q) })
	s.Plan().Detail = q.short()
	return s
}

// queryPlan is the plan of a query.
type queryPlan struct {
	db       *sql.DB
	text     string
	args     []any
	typ      reflect.Type
	reader   *columns.Reader // to be copied
	dialect  *dialect.Dialect
	key      []string // nil: no pages
	pageRows int
	pages    bool // PageRows was given
	after    stage.Position
	resumes  bool // After was given
}

// openQuery runs the query, or what finds out that it can be read by pages.
func openQuery[T any](ctx context.Context, q *queryPlan) (stage.Puller[T], error) {
	reader := *q.reader
	p := &queryPuller[T]{q: q, reader: &reader, results: make(chan error, 1)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.row = q.after.Record
	p.base = q.after.Record
	if err := p.open(); err != nil {
		p.cancel()
		return nil, fmt.Errorf("source: %w", &QueryError{Query: q.text, Err: err})
	}
	return p, nil
}

func (p *queryPuller[T]) open() (err error) {
	if p.q.key != nil {
		return p.openPages()
	}
	//nolint:rowserrcheck // finish does
	if p.rows, err = p.q.db.QueryContext(p.ctx, p.q.text, p.q.args...); err != nil {
		return err
	}
	if err = p.match(0); err != nil {
		return errors.Join(err, p.rows.Close())
	}
	return nil
}

// match finds the fields of the result's columns, but for the last few.
func (p *queryPuller[T]) match(extra int) error {
	names, err := p.rows.Columns()
	if err != nil {
		return err
	}
	if len(names) < extra { // a result without columns
		extra = len(names)
	}
	p.names = names[:len(names)-extra]
	return p.reader.Match(p.q.typ, p.names)
}

// QueryError is the failure of a query or of one of its rows.
type QueryError struct {
	Query string // the query, as it was given
	Row   int64  // which row, from 1; 0 if it did not come to that
	Key   string // the key of the row as Position.Key has it, if the query has one and it is known
	Err   error  // the cause
}

// Error names the query, shortened, the row and its key if there are any, and the
// cause.
func (e *QueryError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "query %q: ", shortened(e.Query))
	if e.Row > 0 {
		fmt.Fprintf(&b, "row %d", e.Row)
		if e.Key != "" {
			fmt.Fprintf(&b, " (key %s)", shortened(e.Key))
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (e *QueryError) Unwrap() error { return e.Err }

// short is the query in a few words.
func (q *queryPlan) short() string { return shortened(q.text) }

// shortened is the begin of a text, in one line.
func shortened(text string) string {
	const most = 60
	text = strings.Join(strings.Fields(text), " ")
	runes := 0
	for i := range text {
		if runes++; runes > most {
			return text[:i] + "..."
		}
	}
	return text
}
