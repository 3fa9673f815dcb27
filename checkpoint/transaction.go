package checkpoint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Transaction is what a [Table] needs of a transaction, so that those of libraries
// other than database/sql can save a state too.
type Transaction interface {
	// Execute executes a statement and returns how many rows it changed.
	Execute(ctx context.Context, statement string, args ...any) (rows int64, err error)
	// ReadRow reads the first row of a query into the pointers of row. If there is none
	// the error is, or wraps, sql.ErrNoRows.
	ReadRow(ctx context.Context, row []any, query string, args ...any) error
}

type sqlTransaction struct{ *sql.Tx }

// Execute implements Transaction.
func (tx sqlTransaction) Execute(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// ReadRow implements Transaction.
func (tx sqlTransaction) ReadRow(ctx context.Context, row []any, query string, args ...any) error {
	return tx.QueryRowContext(ctx, query, args...).Scan(row...)
}

// place tells tables of PostgreSQL apart, on whatever servers they are.
type place struct {
	started         int64 // when the server was, in microseconds
	database, table int64 // their object identifiers
}

func (p *place) row() []any { return []any{&p.started, &p.database, &p.table} }

const placeQuery = `SELECT (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::int8, d.oid::int8,
	coalesce(pg_catalog.to_regclass($1)::oid::int8, 0) FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`

// InDatabaseOf reports whether the table is in the database of a transaction of
// PostgreSQL, under the same name, so that its states can be saved in transactions
// that begin where that one did. The table must be open. It uses a connection of its
// own beside that of the transaction.
func (t *Table) InDatabaseOf(ctx context.Context, tx Transaction) (bool, error) {
	if t.fence == 0 {
		return false, ErrClosed
	}
	if !t.d.Dollar {
		return false, nil
	}
	var here, there place
	if err := t.db.QueryRowContext(ctx, placeQuery, t.table.Quoted()).Scan(here.row()...); err != nil {
		return false, t.failed(fmt.Errorf("where it is: %w", err))
	}
	if here.table == 0 {
		return false, t.failed(errors.New("it is gone"))
	}
	if err := tx.ReadRow(ctx, there.row(), placeQuery, t.table.Quoted()); err != nil {
		return false, t.failed(fmt.Errorf("whether it is in the database of the data: %w", err))
	}
	return here == there, nil
}
