package pgcopy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/penstock-go/penstock/internal/columns"
	"github.com/penstock-go/penstock/internal/dialect"
	"github.com/penstock-go/penstock/stage"
)

// Beginner is what transactions begin on: a *pgxpool.Pool, a *pgx.Conn, which
// nobody else uses meanwhile, or a pgx.Tx, in which the sink's are nested.
type Beginner interface {
	// Begin starts a transaction.
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Sink copies each item into a table that exists, as a row, in the stream's order.
// T is a struct or a pointer to one, and its fields are columns as in sink.SQL: by
// db tag or name, embedded structs included. A field's value is what pgx can
// encode in binary for the type of its column; nil pointers are NULL. Columns of T
// and the table are looked up in the catalogue before the first item is pulled;
// what is missing is an error that says which columns there are. Table is a name
// or schema.name, so a name cannot hold a dot; names are quoted and mean what they
// say.
//
// The whole run is one transaction: a run that fails or is cancelled leaves the
// table as it was. With [CommitEvery], each batch of rows is a COPY and a
// transaction of its own, and those that were committed before stay.
//
// Rows are encoded as they are written and sent in blocks of about 64 KiB; at most
// two are held in memory, and a write waits while the server does. A failure to
// encode names the row, counted from 1, and the column; a failure of the server
// names the row if the server does, and may be noticed some blocks later. An
// aborted run tells the server so and rolls back; if the server keeps a write
// waiting when the context ends, it is asked to cancel, and the connection is
// closed if that does not help within 5 seconds. When the writer is closed, its
// goroutine has ended and the connection is given back.
//
// In a run with a checkpoint (stage.Checkpoint) whose store is a checkpoint.Table of
// the same database, rows are written exactly once: what comes between two checkpoints
// is a COPY, and the checkpoint is saved in its transaction. Batches are not committed
// by themselves then. Where the reply to a commit is lost, reading the table back
// tells whether it came through. The table is found to be of the same database by
// its object identifier, that of its database, and when the server was started; so it is
// one behind another pool too. If both share a pool it needs two connections. With any
// other store rows are committed before each checkpoint and written at least once. A
// pgx.Tx as db is refused: the caller could undo what a checkpoint speaks of.
//
// Sink panics if db is nil or T is not a struct with columns.
func Sink[T any](db Beginner, table string, opts ...Option) stage.Sink[T] {
	if isNil(db) {
		panic("penstock: pgcopy.Sink: db is nil")
	}
	fields, err := columns.Of(reflect.TypeFor[T]())
	if err != nil {
		panic("penstock: pgcopy.Sink: T is " + err.Error())
	}
	p := plan[T]{db: db, table: table, columns: fields}
	for _, opt := range opts {
		if opt == nil {
			panic("penstock: pgcopy.Sink: an option is nil")
		}
		opt.set(&p.options)
	}
	return p
}

func isTransaction(db Beginner) bool {
	_, ok := db.(pgx.Tx)
	return ok
}

func isNil(db Beginner) bool {
	if db == nil {
		return true
	}
	v := reflect.ValueOf(db)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// Option is a setting of a [Sink].
type Option interface{ set(o *options) }

type options struct{ batch int64 }

type option func(*options)

func (o option) set(s *options) { o(s) }

// CommitEvery makes each batch of so many rows a transaction of its own. The
// default, and what 0 means, is one transaction for the whole run. CommitEvery
// panics if rows is negative.
func CommitEvery(rows int) Option {
	if rows < 0 {
		panic(fmt.Sprintf("penstock: pgcopy.CommitEvery: rows is %d, want 0 or more", rows))
	}
	return option(func(o *options) { o.batch = int64(rows) })
}

// plan is a sink.
type plan[T any] struct {
	options
	db      Beginner
	table   string
	columns []columns.Column
}

// String is what logs call the sink.
func (p plan[T]) String() string { return "pgcopy(" + p.table + ")" }

var (
	errNoResume = errors.New("this sink has no state that a run could go on from")
	errNested   = errors.New("a transaction of the caller's cannot take part in a run with a checkpoint: give a pool or a connection")
)

// Open implements stage.Sink.
func (p plan[T]) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[T], error) {
	w := &writer[T]{plan: p}
	var err error
	switch {
	case len(restore) > 0:
		err = errNoResume
	case stage.Checkpointed(ctx) && isTransaction(p.db):
		err = errNested
	default:
		err = w.open(ctx)
	}
	if err != nil {
		return nil, w.named(err)
	}
	return w, nil
}

// target is where rows are copied to.
type target struct {
	name  pgx.Identifier
	names []string
	oids  []uint32 // by column: the type in which it is encoded
}

// enumeration is what pg_type.typtype says of an enum type.
const enumeration = "e"

// lookup finds the table and the types of the columns.
func lookup(ctx context.Context, tx pgx.Tx, table string, fields []columns.Column) (*target, error) {
	name, err := dialect.ParseTable(table)
	if err != nil {
		return nil, err
	}
	t := &target{name: pgx.Identifier(name), names: columns.Names(fields)}
	for _, n := range t.names {
		if err := dialect.CheckName("column", n); err != nil {
			return nil, err
		}
	}
	query, args := dialect.PostgreSQL.Catalogue(name)
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	there, err := pgx.CollectRows(rows, pgx.RowToStructByPos[dialect.ColumnInfo])
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	if err := dialect.CheckColumns(there, t.names, dialect.PostgreSQL.Same); err != nil {
		return nil, err
	}
	return t, t.types(ctx, tx)
}

// types finds out the types of the columns. The description of a query has the
// types below domains.
func (t *target) types(ctx context.Context, tx pgx.Tx) error {
	described, err := tx.Prepare(ctx, "", "SELECT "+t.list()+" FROM "+t.name.Sanitize())
	if err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	t.oids = make([]uint32, len(described.Fields))
	for i, f := range described.Fields {
		t.oids[i] = f.DataTypeOID
		if _, known := tx.Conn().TypeMap().TypeForOID(f.DataTypeOID); known {
			continue
		}
		var name, kind string
		const query = "SELECT pg_catalog.format_type(oid, NULL), typtype::text FROM pg_catalog.pg_type WHERE oid = $1"
		err := tx.QueryRow(ctx, query, f.DataTypeOID).Scan(&name, &kind)
		switch {
		case err != nil:
			return fmt.Errorf("reading the catalogue: %w", err)
		case kind != enumeration:
			return fmt.Errorf("column %q is a %s, a type that is not registered with the connection", t.names[i], name)
		}
		t.oids[i] = pgtype.TextOID // how enums are sent
	}
	return nil
}

// list is the columns in a statement.
func (t *target) list() string {
	quoted := make([]string, len(t.names))
	for i, n := range t.names {
		quoted[i] = pgx.Identifier{n}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}

// statement is the COPY.
func (t *target) statement() string {
	return "COPY " + t.name.Sanitize() + " (" + t.list() + ") FROM STDIN BINARY"
}
