package sink

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/columns"
	"github.com/penstock-go/penstock/internal/dialect"
	"github.com/penstock-go/penstock/stage"
)

// sqlWriter inserts rows.
type sqlWriter[T any] struct {
	*sqlSink
	stmts  map[int]*sql.Stmt // by rows: the full one, and the last one of a full batch
	args   []any             // of the rows that wait for their batch
	items  int               // items that they were made of: more, if some have replaced others
	seen   map[string]int    // where in args the row of a key is, if no key may come twice
	buf    []byte
	done   int64 // items that are committed
	failed error

	// In a run whose checkpoints are in the same database.
	states *checkpoint.Table
	tx     *sql.Tx // of what was written since the last one, or nil
}

// open checks the names and prepares the statements that come in every batch.
func (w *sqlWriter[T]) open(ctx context.Context) error {
	if err := w.check(ctx); err != nil {
		return err
	}
	if len(w.key) > 0 && w.dialect == dialect.PostgreSQL {
		w.seen = make(map[string]int) // a statement must not update a row twice
	}
	for _, rows := range []int{w.rows, w.batchRows % w.rows} {
		if rows == 0 || w.stmts[rows] != nil {
			continue
		}
		stmt, err := w.db.PrepareContext(ctx, w.insert(rows)) //nolint:sqlclosecheck // Close closes it
		if err != nil {
			return errors.Join(err, w.closeStatements())
		}
		w.stmts[rows] = stmt
	}
	return nil
}

// Write implements stage.Writer.
func (w *sqlWriter[T]) Write(ctx context.Context, c *stage.Chunk[T]) error {
	for i := 0; i < len(c.Items) && w.failed == nil; i++ {
		err := w.row(reflect.ValueOf(&c.Items[i]).Elem())
		if err == nil && w.items == w.batchRows {
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
	w.items++
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return fmt.Errorf("row %d: a nil pointer", w.done+int64(w.items))
		}
		v = v.Elem()
	}
	from := len(w.args)
	for i := range w.columns {
		w.args = append(w.args, value(v, &w.columns[i]))
	}
	if w.seen != nil {
		w.replace(from)
	}
	return nil
}

// value is a field's value. Integers become what database/sql would make of them,
// at less cost here.
func value(v reflect.Value, c *columns.Column) any {
	if len(c.Index) == 1 {
		v = v.Field(c.Index[0])
	} else {
		f, err := v.FieldByIndexErr(c.Index)
		if err != nil { // a nil embedded pointer
			return nil
		}
		v = f
	}
	switch c.Type {
	case intType:
		return v.Int()
	case stringType:
		return v.String()
	}
	return v.Interface()
}

var (
	intType    = reflect.TypeFor[int]()    //nolint:gochecknoglobals // a constant
	stringType = reflect.TypeFor[string]() //nolint:gochecknoglobals // a constant
)

// replace moves the row that was added last to the place of the one that has the
// same key.
func (w *sqlWriter[T]) replace(from int) {
	w.buf = w.buf[:0]
	for _, k := range w.keyFields {
		var ok bool
		if w.buf, ok = appendKey(w.buf, w.args[from+k]); !ok {
			return
		}
	}
	at, ok := w.seen[string(w.buf)]
	if !ok {
		w.seen[string(w.buf)] = from
		return
	}
	copy(w.args[at:], w.args[from:])
	clear(w.args[from:])
	w.args = w.args[:from]
}

// appendKey appends what tells a value from others of its column. It is not ok
// if the value is NULL, which equals nothing, or the database will refuse it.
func appendKey(dst []byte, v any) (_ []byte, ok bool) {
	value, err := driver.DefaultParameterConverter.ConvertValue(v)
	if err != nil || value == nil {
		return dst, false
	}
	if t, ok := value.(time.Time); ok {
		value = t.UTC().Format(time.RFC3339Nano) // the same instant, however it was made
	}
	s := fmt.Sprint(value)
	return fmt.Appendf(dst, "%d:%s", len(s), s), true
}

// flush inserts the rows that wait, in one transaction.
func (w *sqlWriter[T]) flush(ctx context.Context) error {
	if w.items == 0 {
		return nil
	}
	if at, err := w.transact(ctx); err != nil {
		return fmt.Errorf("rows %d to %d%s: %w", w.done+1, w.done+int64(w.items), at, err)
	}
	clear(w.args)
	w.args = w.args[:0]
	clear(w.seen)
	w.done += int64(w.items)
	w.items = 0
	return nil
}

// transact inserts the rows that wait, in a transaction of their own or that of the
// next checkpoint. at says which of several statements failed.
func (w *sqlWriter[T]) transact(ctx context.Context) (at string, err error) {
	if w.states != nil {
		if err := w.begin(ctx); err != nil {
			return "", err
		}
		return w.insertAll(ctx, w.tx)
	}
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			undo := tx.Rollback()
			if !errors.Is(undo, sql.ErrTxDone) && !errors.Is(undo, driver.ErrBadConn) {
				err = errors.Join(err, undo)
			}
		}
	}()
	if at, err := w.insertAll(ctx, tx); err != nil {
		return at, err
	}
	if err := tx.Commit(); err != nil {
		return ", at the commit", err
	}
	return "", nil
}

// insertAll inserts the rows that wait.
func (w *sqlWriter[T]) insertAll(ctx context.Context, tx *sql.Tx) (at string, err error) {
	rows := len(w.args) / len(w.columns)
	for from := 0; from < rows; from += w.rows {
		n := min(w.rows, rows-from)
		if err := w.execute(ctx, tx, n, w.args[from*len(w.columns):(from+n)*len(w.columns)]); err != nil {
			if n < rows && rows == w.items {
				at = fmt.Sprintf(", at rows %d to %d", w.done+int64(from)+1, w.done+int64(from+n))
			}
			return at, err
		}
	}
	return "", nil
}

// execute inserts rows with one statement. Those that come in every batch are
// prepared.
func (w *sqlWriter[T]) execute(ctx context.Context, tx *sql.Tx, rows int, args []any) error {
	prepared := w.stmts[rows]
	if prepared == nil { // the end of the stream, or of a batch in which rows replaced others
		_, err := tx.ExecContext(ctx, w.insert(rows), args...)
		return err
	}
	stmt := tx.StmtContext(ctx, prepared)
	_, err := stmt.ExecContext(ctx, args...)
	return errors.Join(err, stmt.Close()) //nolint:sqlclosecheck // its error counts
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
	w.args, w.seen = nil, nil
	if w.tx != nil {
		if cause == nil {
			err = errors.Join(err, fmt.Errorf("sink: %s: rows were written after the last checkpoint, and are rolled back", w.table))
		}
		if undo := w.tx.Rollback(); !errors.Is(undo, sql.ErrTxDone) && !errors.Is(undo, driver.ErrBadConn) {
			err = errors.Join(err, undo)
		}
		w.tx = nil
	}
	if closing := w.closeStatements(); closing != nil {
		err = errors.Join(err, fmt.Errorf("sink: %s: %w", w.table, closing))
	}
	return err
}

func (w *sqlWriter[T]) closeStatements() (err error) {
	for _, stmt := range w.stmts {
		err = errors.Join(err, stmt.Close())
	}
	return err
}
