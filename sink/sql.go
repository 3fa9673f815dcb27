package sink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/stage"
)

const (
	defaultBatchRows = 500
	// What SQLite allows in a statement by default; other databases allow more.
	defaultMaxVariables = 32766
)

// SQL inserts each item as a row of a table that exists, in the stream's order.
// T is a struct or a pointer to one. Each exported field is a column, named by its
// db tag or, without one, like the field; `db:"-"` leaves a field out. The fields
// of an embedded struct count as T's own, unless it has a tag or is a value of the
// database's. A field's value is what database/sql takes: numbers, bools, strings,
// []byte, time.Time, pointers (nil is NULL) and driver.Valuers.
//
//	type Flight struct {
//		Origin string `db:"origin"`
//		Delay  *int   `db:"delay"`
//	}
//	stage.Run(ctx, flights, sink.SQL[Flight](db, "flights"))
//
// Rows are inserted in batches of [BatchRows], with few statements of many rows
// each, and each batch is a transaction of its own. A run that fails or is
// cancelled rolls back the batch at hand and drops the rows that wait for one;
// batches that were committed before stay. The last batch, of fewer rows, is
// committed when the stream has ended. Errors name the table and the rows, counted
// from 1. The sink holds one batch in memory, uses one connection while it writes
// a batch and none in between, and does not close db.
//
// The statement is prepared when the sink is opened, so a table or column that
// does not exist is an error before the first item is pulled. Table is a name or
// schema.name; names are quoted. SQL panics if db is nil or T is not a struct with
// columns.
func SQL[T any](db *sql.DB, table string, opts ...SQLOption) stage.Sink[T] {
	notNil(db == nil, "SQL: db")
	s := &sqlSink{db: db, table: table, columns: columnsOf(reflect.TypeFor[T]())}
	s.batchRows, s.maxVariables, s.quote = defaultBatchRows, defaultMaxVariables, '"'
	for _, opt := range opts {
		notNil(opt == nil, "SQL: an option")
		opt.set(s)
	}
	if n := len(s.columns); n > s.maxVariables {
		panic(fmt.Sprintf("penstock: sink.SQL: T has %d columns, more than MaxVariables(%d)", n, s.maxVariables))
	}
	s.rows = evenly(s.batchRows, min(s.maxVariables/len(s.columns), maxStatementRows))
	return opener[T]{verb: "SQL", name: table, open: func(ctx context.Context) (stage.Writer[T], error) {
		stmt, err := db.PrepareContext(ctx, s.insert(s.rows))
		if err != nil {
			return nil, fmt.Errorf("sink: %s: %w", table, err)
		}
		return &sqlWriter[T]{sqlSink: s, stmt: stmt}, nil
	}}
}

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
// default, and what 0 means, is 32,766, SQLite's. MaxVariables panics if n is
// negative.
func MaxVariables(n int) SQLOption {
	n = positive("MaxVariables: n", n, defaultMaxVariables)
	return sqlOption(func(s *sqlSink) { s.maxVariables = n })
}

// Dollar makes the placeholders $1, $2 and so on, as PostgreSQL has them. The
// default is ?, which SQLite and MySQL have.
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

// evenly is the size of the parts of a whole, of about the same size and no
// larger than most.
func evenly(whole, most int) int {
	parts := (whole + most - 1) / most
	return (whole + parts - 1) / parts
}

// maxStatementRows is how many rows a statement inserts at most: more do not make
// it faster.
const maxStatementRows = 500

// sqlSink is the plan of an SQL sink.
type sqlSink struct {
	db           *sql.DB
	table        string
	columns      []column
	batchRows    int
	maxVariables int
	dollar       bool
	quote        byte
	rows         int // of a full statement
}

// column is a field of T.
type column struct {
	name  string
	index []int
}

// insert is the statement that inserts so many rows.
func (s *sqlSink) insert(rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO ")
	for i, part := range strings.Split(s.table, ".") {
		if i > 0 {
			b.WriteByte('.')
		}
		s.identifier(&b, part)
	}
	b.WriteString(" (")
	for i, c := range s.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		s.identifier(&b, c.name)
	}
	b.WriteString(") VALUES ")
	for n := range rows * len(s.columns) {
		switch {
		case n == 0:
			b.WriteByte('(')
		case n%len(s.columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		if s.dollar {
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n + 1))
		} else {
			b.WriteByte('?')
		}
	}
	b.WriteByte(')')
	return b.String()
}

// identifier writes a quoted name.
func (s *sqlSink) identifier(b *strings.Builder, name string) {
	b.WriteByte(s.quote)
	b.WriteString(strings.ReplaceAll(name, string(s.quote), string([]byte{s.quote, s.quote})))
	b.WriteByte(s.quote)
}

// sqlWriter inserts rows.
type sqlWriter[T any] struct {
	*sqlSink
	stmt   *sql.Stmt // of a full statement
	args   []any     // of the rows that wait for their batch
	done   int64     // rows that are committed
	failed error
}

// Write implements stage.Writer.
func (w *sqlWriter[T]) Write(ctx context.Context, c *stage.Chunk[T]) error {
	for i := 0; i < len(c.Items) && w.failed == nil; i++ {
		err := w.row(reflect.ValueOf(&c.Items[i]).Elem())
		if err == nil && len(w.args) == w.batchRows*len(w.columns) {
			err = w.flush(ctx)
		}
		if err != nil {
			w.failed = fmt.Errorf("sink: %s: %w", w.table, err)
		}
	}
	return w.failed
}

// row adds the values of a row.
func (w *sqlWriter[T]) row(v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return fmt.Errorf("row %d: a nil pointer", w.done+int64(len(w.args)/len(w.columns))+1)
		}
		v = v.Elem()
	}
	for _, c := range w.columns {
		f, err := v.FieldByIndexErr(c.index)
		if err != nil { // a nil embedded pointer
			w.args = append(w.args, nil)
			continue
		}
		w.args = append(w.args, f.Interface())
	}
	return nil
}

// flush inserts the rows that wait, in one transaction.
func (w *sqlWriter[T]) flush(ctx context.Context) error {
	rows := int64(len(w.args) / len(w.columns))
	if rows == 0 {
		return nil
	}
	if err := w.transact(ctx); err != nil {
		return fmt.Errorf("rows %d to %d: %w", w.done+1, w.done+rows, err)
	}
	clear(w.args)
	w.args = w.args[:0]
	w.done += rows
	return nil
}

func (w *sqlWriter[T]) transact(ctx context.Context) (err error) {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if undo := tx.Rollback(); !errors.Is(undo, sql.ErrTxDone) {
				err = errors.Join(err, undo)
			}
		}
	}()
	args := w.args
	if full := w.rows * len(w.columns); len(args) >= full {
		stmt := tx.StmtContext(ctx, w.stmt)
		defer func() { err = errors.Join(err, stmt.Close()) }()
		for ; len(args) >= full; args = args[full:] {
			if _, err := stmt.ExecContext(ctx, args[:full]...); err != nil {
				return err
			}
		}
	}
	if len(args) > 0 {
		if _, err := tx.ExecContext(ctx, w.insert(len(args)/len(w.columns)), args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Close implements stage.Writer.
func (w *sqlWriter[T]) Close(ctx context.Context, cause error) error {
	var err error
	if cause == nil {
		if err = w.failed; err == nil {
			if err = w.flush(ctx); err != nil {
				err = fmt.Errorf("sink: %s: %w", w.table, err)
			}
		}
	}
	w.args = nil
	if closing := w.stmt.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("sink: %s: %w", w.table, closing))
	}
	return err
}
