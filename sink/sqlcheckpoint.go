package sink

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/checkpoint"
)

// Join implements stage.Transactor: a checkpoint.Table of the same database is
// saved in the transactions of the rows.
func (w *sqlWriter[T]) Join(_ context.Context, store checkpoint.Store) (bool, error) {
	table, ok := store.(*checkpoint.Table)
	if !ok || !table.In(w.db) {
		return false, nil
	}
	w.states = table
	return true, nil
}

// Flush implements stage.Flusher: rows that wait for their batch are committed, or,
// with the checkpoint in the same database, left to CommitWith.
func (w *sqlWriter[T]) Flush(ctx context.Context) error {
	if w.failed == nil && w.states == nil {
		if err := w.flush(ctx); err != nil {
			w.failed = fmt.Errorf("sink: %s: %w", w.table, err)
		}
	}
	return w.failed
}

// begin begins the transaction of the next checkpoint, unless there is one. It
// outlives the context of the write that begins it: Close ends it.
func (w *sqlWriter[T]) begin(ctx context.Context) (err error) {
	if w.tx == nil {
		w.tx, err = w.db.BeginTx(context.WithoutCancel(ctx), nil)
	}
	return err
}

// CommitWith implements stage.Transactor.
func (w *sqlWriter[T]) CommitWith(ctx context.Context, state checkpoint.State) error {
	if w.failed == nil {
		if err := w.commitWith(ctx, state); err != nil {
			w.failed = fmt.Errorf("sink: %s: %w", w.table, err)
		}
	}
	return w.failed
}

func (w *sqlWriter[T]) commitWith(ctx context.Context, state checkpoint.State) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	if err := w.states.SaveIn(ctx, w.tx, state); err != nil {
		return err // Close rolls back
	}
	tx := w.tx
	w.tx = nil
	if w.without.verify {
		_ = tx.Commit()
		return nil
	}
	return w.states.Commit(ctx, tx, state.Epoch)
}
