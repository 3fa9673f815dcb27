package checkpoint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/penstock-go/penstock/internal/dialect"
)

// ErrFenced says that a later run has taken the checkpoint over: this one must
// stop, and what it has not committed must be rolled back.
var ErrFenced = errors.New("a later run has taken over")

// Table keeps states in a table of a database, one row a pipeline, so that a state
// can be saved in the transaction of the data that it speaks of: after a crash
// either both are there or neither. SaveIn does that; Save, for use as a Store
// alone, has a transaction of its own. It is for SQLite and PostgreSQL.
//
// Runs exclude each other by a fence: Open takes the next number and puts it in
// the row, and a Save with an older one fails with ErrFenced. So a second run does
// not fail at its Open, as with a lock; the first one fails at its next Save. (The
// token is that of Kleppmann, How to do distributed locking, 2016.)
type Table struct {
	db       *sql.DB
	name     string
	pipeline string

	d     *dialect.Dialect
	table dialect.Table
	fence int64 // 0 unless open
}

// NewTable is a store in the table of that name, for the pipeline of that name.
// Dots separate schema and table. Open makes the table if it does not exist:
//
//	CREATE TABLE name (pipeline text PRIMARY KEY, fence bigint, epoch bigint, saved_by bigint, state text)
//
// saved_by is the fence of the run that saved the state. A nil db panics; what is
// wrong with a name is an error of Open.
func NewTable(db *sql.DB, name, pipeline string) *Table {
	if db == nil {
		panic("penstock: checkpoint.NewTable: db is nil")
	}
	return &Table{db: db, name: name, pipeline: pipeline}
}

// In reports whether the table is in that database, so that its states can be saved
// in the transactions of db.
func (t *Table) In(db *sql.DB) bool { return t.db == db }

// failed says where an error is from.
func (t *Table) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("checkpoint: table %s: pipeline %q: %w", t.name, t.pipeline, err)
}

// statement is the dialect's form of a statement with placeholders $1, $2 and so
// on, on the table TABLE.
func (t *Table) statement(s string) string {
	if !t.d.Dollar {
		s = strings.ReplaceAll(s, "$", "?")
	}
	return strings.Replace(s, "TABLE", t.table.Quoted(), 1)
}

// Open implements Store: it makes the table if need be and fences out the runs
// before. It waits for a transaction of theirs that has saved and not committed
// yet, so that a Load after it finds what they did.
func (t *Table) Open(ctx context.Context) error {
	t.fence = 0
	if t.d = dialect.Of(t.db); t.d == nil {
		return t.failed(fmt.Errorf("the SQL of driver %T is not known: neither SQLite nor PostgreSQL", t.db.Driver()))
	}
	table, err := dialect.ParseTable(t.name)
	if err != nil {
		return t.failed(err)
	}
	t.table = table
	if err := t.create(ctx); err != nil {
		return t.failed(err)
	}
	var fence int64
	err = t.db.QueryRowContext(ctx, t.statement(`INSERT INTO TABLE AS c (pipeline, fence, epoch, saved_by) VALUES ($1, 1, 0, 0)
		ON CONFLICT (pipeline) DO UPDATE SET fence = c.fence + 1 RETURNING fence`), t.pipeline).Scan(&fence)
	if err != nil {
		return t.failed(err)
	}
	t.fence = fence
	return nil
}

// create makes the table unless it is there.
func (t *Table) create(ctx context.Context) error {
	check := func() error {
		return t.d.Check(ctx, t.db, t.table, []string{"pipeline", "fence", "epoch", "saved_by", "state"}, []string{"pipeline"})
	}
	err := check()
	if !errors.Is(err, dialect.ErrNoTable) {
		return err
	}
	// Where two runs begin at once IF NOT EXISTS can fail in PostgreSQL all the same.
	_, creating := t.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+t.table.Quoted()+` (pipeline text PRIMARY KEY,
		fence bigint NOT NULL, epoch bigint NOT NULL, saved_by bigint NOT NULL, state text)`)
	if err := check(); err != nil {
		return errors.Join(creating, err)
	}
	return nil
}

// Close implements Store. The database stays open: it is the caller's.
func (t *Table) Close(context.Context) error {
	t.fence = 0
	return nil
}

// Load implements Store.
func (t *Table) Load(ctx context.Context) (State, bool, error) {
	if t.fence == 0 {
		return State{}, false, ErrClosed
	}
	var epoch int64
	var text sql.NullString
	err := t.db.QueryRowContext(ctx, t.statement("SELECT epoch, state FROM TABLE WHERE pipeline = $1"), t.pipeline).Scan(&epoch, &text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return State{}, false, t.failed(fmt.Errorf("its row is gone: %w", ErrFenced))
	case err != nil:
		return State{}, false, t.failed(err)
	case !text.Valid && epoch == 0:
		return State{}, false, nil
	case !text.Valid:
		return State{}, false, t.failed(fmt.Errorf("%w: there is epoch %d and no state", ErrCorrupt, epoch))
	}
	s, err := Decode([]byte(text.String))
	if err == nil && s.Epoch != uint64(epoch) {
		err = fmt.Errorf("%w: the row is of epoch %d, the state in it of %d", ErrCorrupt, epoch, s.Epoch)
	}
	if err != nil {
		return State{}, false, t.failed(err)
	}
	return s, true, nil
}

// Save implements Store, in a transaction of its own.
func (t *Table) Save(ctx context.Context, s State) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return t.failed(err)
	}
	if err := t.SaveIn(ctx, tx, s); err != nil {
		return errors.Join(err, t.failed(tx.Rollback()))
	}
	return t.Commit(ctx, tx, s.Epoch)
}

// SaveIn saves the state in the caller's transaction, which must be of the same
// database: it is there once the transaction is committed. From then on until the
// transaction ends other runs wait at their Open. Epochs must rise. After an error,
// ErrFenced or another, the transaction must be rolled back.
//
// Where the error of the commit leaves open whether it happened, Verify tells; Commit
// asks it.
func (t *Table) SaveIn(ctx context.Context, tx *sql.Tx, s State) error {
	return t.SaveOn(ctx, sqlTransaction{tx}, s)
}

// SaveOn is SaveIn for transactions that are not those of database/sql.
func (t *Table) SaveOn(ctx context.Context, tx Transaction, s State) error {
	switch {
	case t.fence == 0:
		return ErrClosed
	case s.Epoch < 1 || s.Epoch > math.MaxInt64:
		return t.failed(fmt.Errorf("epoch %d is not between 1 and %d", s.Epoch, int64(math.MaxInt64)))
	}
	body, err := s.Encode()
	if err != nil {
		return err
	}
	n, err := tx.Execute(ctx, t.statement(`UPDATE TABLE SET epoch = $1, saved_by = $2, state = $3
		WHERE pipeline = $4 AND fence = $2 AND epoch < $1`), int64(s.Epoch), t.fence, string(body), t.pipeline)
	if err != nil {
		return t.failed(fmt.Errorf("saving epoch %d: %w", s.Epoch, err))
	}
	if n == 1 {
		return nil
	}
	return t.failed(fmt.Errorf("saving epoch %d: %w", s.Epoch, t.refused(ctx, tx)))
}

// verifying is how long it may take to find out whether a commit came through.
const verifying = 30 * time.Second

// Commit commits a transaction that SaveIn has saved an epoch in. Where that fails,
// as when the reply was lost, it finds out whether the transaction was committed all
// the same, which takes 30 seconds at most: with no error it was. An error wraps that
// of the commit, and says so if it was not possible to find out.
func (t *Table) Commit(ctx context.Context, tx *sql.Tx, epoch uint64) error {
	err := tx.Commit()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("at the commit: %w", err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verifying)
	defer cancel()
	there, unknown := t.Verify(ctx, epoch)
	switch {
	case unknown != nil:
		return errors.Join(t.failed(err), fmt.Errorf("whether it came through: %w", unknown))
	case !there:
		return t.failed(err)
	}
	return nil
}

// refused says why no row was changed.
func (t *Table) refused(ctx context.Context, tx Transaction) error {
	var fence, epoch int64
	err := tx.ReadRow(ctx, []any{&fence, &epoch}, t.statement("SELECT fence, epoch FROM TABLE WHERE pipeline = $1"), t.pipeline)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("its row is gone: %w", ErrFenced)
	case err != nil:
		return err
	case fence != t.fence:
		return fmt.Errorf("%w: its fence is %d, that of this run %d", ErrFenced, fence, t.fence)
	}
	return fmt.Errorf("epoch %d is saved already", epoch)
}

// Verify tells whether this run's save of an epoch was committed, for when the
// reply to a COMMIT was lost. It waits for a transaction that has saved and not
// ended yet, which may be the one in question, and so may take until the server
// notices that its client has gone: give ctx a deadline. Once a later run has saved
// a state nobody can tell, and it fails with ErrFenced.
func (t *Table) Verify(ctx context.Context, epoch uint64) (bool, error) {
	if t.fence == 0 {
		return false, ErrClosed
	}
	var saved, by int64
	// Changing the row, not reading it, is what waits.
	err := t.db.QueryRowContext(ctx, t.statement("UPDATE TABLE SET fence = fence WHERE pipeline = $1 RETURNING epoch, saved_by"),
		t.pipeline).Scan(&saved, &by)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, t.failed(fmt.Errorf("its row is gone: %w", ErrFenced))
	case err != nil:
		return false, t.failed(err)
	case by > t.fence:
		return false, t.failed(fmt.Errorf("verifying epoch %d: %w", epoch, ErrFenced))
	}
	return by == t.fence && uint64(saved) >= epoch, nil
}
