package sink

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
// Rows are inserted in batches of [BatchRows], with few prepared statements of
// many rows each, and each batch is a transaction of its own. A run that fails or
// is cancelled rolls back the batch at hand and drops the rows that wait for one;
// batches that were committed before stay. The last batch, of fewer rows, is
// committed when the stream has ended. Errors name the table and the rows of the
// batch, counted from 1, and within it those of the statement that failed. The
// sink holds one batch in memory, uses one connection while it writes a batch and
// none in between, and does not close db. With [Upsert], rows replace those that
// have the same key.
//
// In a run with a checkpoint (stage.Checkpoint) whose store is a checkpoint.Table of
// db, rows are written exactly once: all rows of an epoch and the checkpoint are in
// one transaction, which holds a connection, and on SQLite the database, until
// then; where the reply to its commit is lost, the table is asked whether it came
// through. With another store they are written at least once.
//
// SQLite and PostgreSQL are recognised by the driver or named by [Dialect]. For
// them, opening the sink looks the table and its columns up in the catalogue: what
// is missing is an error before the first item is pulled, which says which columns
// there are. For other databases the statement is prepared then, which finds out
// as much. Table is a name or schema.name, so a name cannot hold a dot; all names
// are quoted, and mean what they say, with the case that they have (SQLite does
// not tell the case of ASCII letters apart). SQL panics if db is nil or T is not a
// struct with columns, or has none of those that [Upsert] names.
func SQL[T any](db *sql.DB, table string, opts ...SQLOption) stage.Sink[T] {
	notNil(db == nil, "SQL: db")
	fields, err := columns.Of(reflect.TypeFor[T]())
	if err != nil {
		panic("penstock: sink.SQL: T is " + err.Error())
	}
	s := &sqlSink{db: db, table: table, columns: fields, batchRows: defaultBatchRows, quote: '"', dialect: dialect.Of(db)}
	for _, opt := range opts {
		notNil(opt == nil, "SQL: an option")
		opt.set(s)
	}
	s.settle()
	return opener[T]{verb: "SQL", name: table, open: func(ctx context.Context) (stage.Writer[T], error) {
		w := &sqlWriter[T]{sqlSink: s, stmts: make(map[int]*sql.Stmt, 2)}
		if err := w.open(ctx); err != nil {
			return nil, fmt.Errorf("sink: %s: %w", table, err)
		}
		return w, nil
	}}
}

// maxStatementRows is how many rows a statement inserts at most: more do not make
// it faster.
const maxStatementRows = 500

// sqlSink is the plan of an SQL sink.
type sqlSink struct {
	db           *sql.DB
	table        string
	columns      []columns.Column
	key          []string         // of Upsert
	keyFields    []int            // which columns they are
	dialect      *dialect.Dialect // nil: not known
	batchRows    int
	maxVariables int // 0: as the dialect has it
	dollar       bool
	quote        byte
	rows         int     // of a full statement
	without      sqlLack // of tests
}

// sqlLack is what a test takes out, to see that it is needed.
type sqlLack struct{ verify bool }

// settle works out what follows from the options. It panics where they do not fit
// T.
func (s *sqlSink) settle() {
	s.dollar = s.dollar || s.dialect != nil && s.dialect.Dollar
	switch {
	case s.maxVariables > 0:
	case s.dialect != nil:
		s.maxVariables = s.dialect.MaxVariables
	default:
		s.maxVariables = dialect.SQLite.MaxVariables
	}
	if n := len(s.columns); n > s.maxVariables {
		panic(fmt.Sprintf("penstock: sink.SQL: T has %d columns, more than MaxVariables(%d)", n, s.maxVariables))
	}
	for _, name := range s.key {
		i := s.column(name)
		if i < 0 {
			panic(fmt.Sprintf("penstock: sink.SQL: Upsert: T has no column %q", name))
		}
		s.keyFields = append(s.keyFields, i)
	}
	s.rows = evenly(s.batchRows, min(s.maxVariables/len(s.columns), maxStatementRows))
}

// column is the index of a column, -1 if there is none of that name.
func (s *sqlSink) column(name string) int {
	for i, c := range s.columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// check checks the names, in the catalogue if it is known where that is.
func (s *sqlSink) check(ctx context.Context) error {
	table, err := dialect.ParseTable(s.table)
	if err != nil {
		return err
	}
	for _, c := range s.columns {
		if err := dialect.CheckName("column", c.Name); err != nil {
			return err
		}
	}
	if s.dialect != nil {
		return s.dialect.Check(ctx, s.db, table, columns.Names(s.columns), s.key)
	}
	if len(s.key) > 0 {
		return errors.New("Upsert: it is not known what database the driver is for: name it with sink.Dialect")
	}
	return nil
}

// insert is the statement that inserts so many rows.
func (s *sqlSink) insert(rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO ")
	dialect.Table(strings.Split(s.table, ".")).Quote(&b, s.quote)
	b.WriteString(" (")
	for i, c := range s.columns {
		comma(&b, i)
		dialect.Quote(&b, s.quote, c.Name)
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
		dialect.Placeholder(&b, s.dollar, n+1)
	}
	b.WriteByte(')')
	s.onConflict(&b)
	return b.String()
}

// onConflict writes what makes an insert an upsert.
func (s *sqlSink) onConflict(b *strings.Builder) {
	if len(s.key) == 0 {
		return
	}
	b.WriteString(" ON CONFLICT (")
	isKey := make(map[int]bool, len(s.keyFields))
	for i, k := range s.keyFields {
		comma(b, i)
		dialect.Quote(b, s.quote, s.columns[k].Name)
		isKey[k] = true
	}
	if len(isKey) == len(s.columns) {
		b.WriteString(") DO NOTHING")
		return
	}
	b.WriteString(") DO UPDATE SET ")
	n := 0
	for i, c := range s.columns {
		if isKey[i] {
			continue
		}
		comma(b, n)
		n++
		dialect.Quote(b, s.quote, c.Name)
		b.WriteString(" = excluded.")
		dialect.Quote(b, s.quote, c.Name)
	}
}

// comma writes what stands before the i-th thing of a list.
func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

// evenly is the size of the parts of a whole, of about the same size and no
// larger than most.
func evenly(whole, most int) int {
	parts := (whole + most - 1) / most
	return (whole + parts - 1) / parts
}
