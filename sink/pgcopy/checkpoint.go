package pgcopy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-go/penstock/checkpoint"
)

// verifying is how long it may take to find out whether a commit came through.
const verifying = 30 * time.Second

var errNotSaved = errors.New("there are rows that no checkpoint speaks of")

// transaction is a checkpoint.Transaction.
type transaction struct{ tx pgx.Tx }

// Execute implements checkpoint.Transaction.
func (t transaction) Execute(ctx context.Context, statement string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(ctx, statement, args...)
	return tag.RowsAffected(), err
}

// ReadRow implements checkpoint.Transaction. pgx.ErrNoRows wraps sql.ErrNoRows.
func (t transaction) ReadRow(ctx context.Context, row []any, query string, args ...any) error {
	return t.tx.QueryRow(ctx, query, args...).Scan(row...)
}

// Join implements stage.Transactor: a checkpoint.Table of the same database is
// saved in the transactions of the rows.
func (w *writer[T]) Join(ctx context.Context, store checkpoint.Store) (bool, error) {
	table, ok := store.(*checkpoint.Table)
	if !ok {
		return false, nil
	}
	joined, err := table.InDatabaseOf(ctx, transaction{w.tx})
	if err != nil {
		return false, w.named(err)
	}
	if joined {
		w.states = table
	}
	return joined, nil
}

// Flush implements stage.Flusher: the rows are committed or, with the checkpoint in
// the same database, left to CommitWith.
func (w *writer[T]) Flush(ctx context.Context) error {
	if w.failed == nil && w.states == nil && w.copy != nil {
		if err := w.commit(ctx); err != nil {
			w.failed = w.named(err)
		}
	}
	return w.failed
}

// CommitWith implements stage.Transactor.
func (w *writer[T]) CommitWith(ctx context.Context, state checkpoint.State) error {
	if w.failed == nil {
		if err := w.commitWith(ctx, state); err != nil {
			w.failed = w.named(err)
		}
	}
	return w.failed
}

func (w *writer[T]) commitWith(ctx context.Context, state checkpoint.State) (err error) {
	if w.copy != nil {
		if err := w.endCopy(ctx); err != nil {
			return err
		}
	}
	if w.tx == nil {
		if w.tx, err = w.db.Begin(ctx); err != nil {
			return err
		}
	}
	if err := w.states.SaveOn(ctx, transaction{w.tx}, state); err != nil {
		return err // Close rolls back
	}
	tx := w.tx
	w.tx = nil
	if err := tx.Commit(ctx); err != nil {
		err = fmt.Errorf("commit: %w", errors.Join(err, rollback(tx)))
		// The reply may have been lost, and not the commit.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verifying)
		defer cancel()
		there, failed := w.states.Verify(ctx, state.Epoch)
		if failed != nil {
			return w.placed(errors.Join(err, fmt.Errorf("whether it came through: %w", failed)))
		}
		if !there {
			return w.placed(err)
		}
	}
	w.done += w.rows
	w.rows = 0
	return nil
}
