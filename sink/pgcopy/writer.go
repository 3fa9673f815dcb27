package pgcopy

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/stage"
)

// blockSize is about how many bytes are sent at a time.
const blockSize = 64 << 10

// writer copies rows. Between the transactions of batches it has none, and no
// connection.
type writer[T any] struct {
	plan[T]
	target *target
	copy   *copying // the COPY that is under way, or nil
	tx     pgx.Tx   // a transaction whose COPY has not begun, or nil
	buf    []byte   // rows that were not sent
	rows   int64    // of the COPY that is under way
	done   int64    // rows that are committed
	failed error

	states *checkpoint.Table // in a run whose checkpoints are in the same database
}

// named is an error with the name of the sink and the table.
func (w *writer[T]) named(err error) error { return fmt.Errorf("pgcopy: %s: %w", w.table, err) }

// open begins the first transaction and looks up what is to be copied where.
func (w *writer[T]) open(ctx context.Context) (err error) {
	if w.tx, err = w.db.Begin(ctx); err != nil {
		return err
	}
	if w.target, err = lookup(ctx, w.tx, w.table, w.columns); err != nil {
		return errors.Join(err, rollback(w.tx))
	}
	return nil
}

// Write implements stage.Writer.
func (w *writer[T]) Write(ctx context.Context, c *stage.Chunk[T]) error {
	for i := 0; i < len(c.Items) && w.failed == nil; i++ {
		if err := w.row(ctx, reflect.ValueOf(&c.Items[i]).Elem()); err != nil {
			w.failed = w.named(err)
		}
	}
	return w.failed
}

// row adds a row, and sends a block or ends a batch if it is full.
func (w *writer[T]) row(ctx context.Context, v reflect.Value) error {
	if w.copy == nil {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return fmt.Errorf("row %d: a nil pointer", w.done+w.rows+1)
		}
		v = v.Elem()
	}
	buf := appendUint16(w.buf, uint16(len(w.columns)))
	for i := range w.columns {
		var value any
		if f, err := v.FieldByIndexErr(w.columns[i].Index); err == nil { // not in a nil embedded pointer
			value = f.Interface()
		}
		var err error
		if buf, err = appendValue(w.copy.types, buf, w.target.oids[i], value); err != nil {
			return fmt.Errorf("row %d, column %q: %w", w.done+w.rows+1, w.columns[i].Name, err)
		}
	}
	w.buf = buf
	w.rows++
	switch {
	case w.rows == w.batch && w.states == nil:
		return w.commit(ctx)
	case len(w.buf) >= blockSize:
		return w.send(ctx)
	}
	return nil
}

// begin starts a COPY, in a transaction of its own unless there is one.
func (w *writer[T]) begin(ctx context.Context) (err error) {
	if w.tx == nil {
		if w.tx, err = w.db.Begin(ctx); err != nil {
			return err
		}
	}
	w.copy, w.tx = startCopy(ctx, w.tx, w.target.statement()), nil
	w.buf = append(w.buf[:0], signature...)
	return nil
}

// send sends what is in the buffer.
func (w *writer[T]) send(ctx context.Context) error {
	err := w.copy.send(ctx, w.buf)
	w.buf = w.buf[:0]
	return w.placed(err)
}

// endCopy ends the COPY. Its transaction goes on.
func (w *writer[T]) endCopy(ctx context.Context) error {
	w.buf = appendUint16(w.buf, trailer)
	if err := w.send(ctx); err != nil {
		return err
	}
	if err := w.copy.end(ctx); err != nil {
		return w.placed(err)
	}
	w.tx, w.copy = w.copy.tx, nil
	return nil
}

// commit ends the COPY and its transaction.
func (w *writer[T]) commit(ctx context.Context) error {
	if err := w.endCopy(ctx); err != nil {
		return err
	}
	tx := w.tx
	w.tx = nil
	if err := tx.Commit(ctx); err != nil {
		return w.placed(fmt.Errorf("commit: %w", errors.Join(err, rollback(tx))))
	}
	w.done += w.rows
	w.rows = 0
	return nil
}

// placed says where the error of a COPY is: at the row that the server names, or
// somewhere in those that were sent.
func (w *writer[T]) placed(err error) error {
	if err == nil {
		return nil
	}
	if line := lineOf(err, w.target.name[len(w.target.name)-1]); line > 0 {
		return fmt.Errorf("row %d: %w", w.done+line, err)
	}
	if w.rows == 0 {
		return err
	}
	return fmt.Errorf("rows %d to %d: %w", w.done+1, w.done+w.rows, err)
}

// Close implements stage.Writer.
func (w *writer[T]) Close(ctx context.Context, cause error) error {
	var err error
	if cause == nil {
		if err = w.failed; err == nil && w.copy != nil && w.states != nil {
			err = w.named(errNotSaved)
		}
		if err == nil && w.copy != nil {
			if err = w.commit(ctx); err != nil {
				err = w.named(err)
			}
		}
	}
	w.buf = nil
	if w.copy != nil {
		w.copy.abort(patience)
		w.tx, w.copy = w.copy.tx, nil
	}
	if w.tx != nil {
		if undo := rollback(w.tx); undo != nil {
			err = errors.Join(err, w.named(undo))
		}
		w.tx = nil
	}
	return err
}
