package checkpoint

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
	"pgregory.net/rapid"
)

func sqlite(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "test.db")+"?_pragma=synchronous(off)&_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// tableTests are the tests that hold for every database. db makes an empty one.
func tableTests(t *testing.T, db func(*testing.T) *sql.DB) {
	t.Helper()
	t.Run("store", func(t *testing.T) { testTableStore(t, db(t)) })
	t.Run("fence", func(t *testing.T) { testTableFence(t, db(t)) })
	t.Run("verify", func(t *testing.T) { testTableVerify(t, db(t)) })
	t.Run("refuses", func(t *testing.T) { testTableRefuses(t, db(t)) })
	t.Run("property", func(t *testing.T) { testTableProperty(t, db(t)) })
}

func TestTableSQLite(t *testing.T) { tableTests(t, sqlite) }

func execute(ctx context.Context, t require.TestingT, db *sql.DB, statement string, args ...any) {
	_, err := db.ExecContext(ctx, statement, args...)
	require.NoError(t, err)
}

func rows(ctx context.Context, t require.TestingT, db *sql.DB) (n int) {
	require.NoError(t, db.QueryRowContext(ctx, "SELECT count(*) FROM data").Scan(&n))
	return n
}

func testTableStore(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx, name := t.Context(), `odd "name"; DROP TABLE x; --$1`
	a, b := NewTable(db, name, "a"), NewTable(db, name, "b $1 '")
	for _, table := range []*Table{a, b} {
		_, _, err := table.Load(ctx)
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, table.Save(ctx, sample(1)), ErrClosed)
		_, err = table.Verify(ctx, 1)
		require.ErrorIs(t, err, ErrClosed)
		require.NoError(t, table.Open(ctx))
		_, ok, err := table.Load(ctx)
		require.NoError(t, err)
		require.False(t, ok)
	}
	require.NoError(t, a.Save(ctx, sample(1)))
	require.NoError(t, a.Save(ctx, sample(2)))
	require.NoError(t, b.Save(ctx, sample(math.MaxInt64)))
	require.NoError(t, a.Close(ctx))
	require.NoError(t, a.Open(ctx))
	for table, want := range map[*Table]uint64{a: 2, b: math.MaxInt64} {
		s, ok, err := table.Load(ctx)
		require.NoError(t, err)
		require.True(t, ok)
		assert.Equal(t, sample(want), s)
	}
	assert.Zero(t, db.Stats().InUse)
}

func testTableFence(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx := t.Context()
	execute(ctx, t, db, "CREATE TABLE data (n int)")
	old, young := NewTable(db, "c", "job"), NewTable(db, "c", "job")
	require.NoError(t, old.Open(ctx))
	require.NoError(t, old.Save(ctx, sample(1)))
	require.NoError(t, young.Open(ctx))

	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, "INSERT INTO data VALUES (1)")
	require.NoError(t, err)
	err = old.SaveIn(ctx, tx, sample(2))
	require.ErrorIs(t, err, ErrFenced)
	require.EqualError(t, err, `checkpoint: table c: pipeline "job": saving epoch 2: a later run has taken over: its fence is 2, that of this run 1`)
	require.NoError(t, tx.Rollback())
	assert.Zero(t, rows(ctx, t, db))
	require.ErrorIs(t, old.Save(ctx, sample(2)), ErrFenced)

	s, ok, err := young.Load(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 1, s.Epoch)
	require.NoError(t, young.Save(ctx, sample(2)))

	unfenced := *old
	unfenced.fence = young.fence
	require.NoError(t, unfenced.Save(ctx, sample(3)), "without the fence nothing keeps the old run from writing")
	require.ErrorIs(t, old.Save(ctx, sample(4)), ErrFenced)
	execute(ctx, t, db, "DELETE FROM c")
	require.ErrorIs(t, young.Save(ctx, sample(4)), ErrFenced)
	_, _, err = young.Load(ctx)
	require.ErrorIs(t, err, ErrFenced)
	_, err = young.Verify(ctx, 2)
	require.ErrorIs(t, err, ErrFenced)
	assert.Zero(t, db.Stats().InUse)
}

func testTableVerify(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx := t.Context()
	is := func(table *Table, epoch uint64, want bool) {
		t.Helper()
		got, err := table.Verify(ctx, epoch)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	old, young := NewTable(db, "c", "job"), NewTable(db, "c", "job")
	require.NoError(t, old.Open(ctx))
	is(old, 1, false)
	require.NoError(t, old.Save(ctx, sample(1)))
	is(old, 1, true)
	is(old, 2, false)
	require.NoError(t, young.Open(ctx))
	is(old, 1, true)
	is(old, 2, false)
	is(young, 1, false)
	require.NoError(t, young.Save(ctx, sample(2)))
	is(young, 2, true)
	_, err := old.Verify(ctx, 2)
	require.ErrorIs(t, err, ErrFenced, "the epoch that is there is another run's")
}

func testTableRefuses(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx := t.Context()
	for name, want := range map[string]string{"": "table name is empty", "a\x00": "holds a NUL byte"} {
		require.ErrorContains(t, NewTable(db, name, "job").Open(ctx), want)
	}
	execute(ctx, t, db, "CREATE TABLE other (pipeline text PRIMARY KEY, fence int)")
	require.ErrorContains(t, NewTable(db, "other", "job").Open(ctx),
		`checkpoint: table other: pipeline "job": missing columns "epoch", "saved_by", "state"`)
	c := NewTable(db, "c", "job")
	require.NoError(t, c.Open(ctx))
	require.ErrorContains(t, c.Save(ctx, sample(0)), "epoch 0 is not between 1 and ")
	require.ErrorContains(t, c.Save(ctx, sample(math.MaxUint64)), "is not between 1 and ")
	require.NoError(t, c.Save(ctx, sample(5)))
	require.EqualError(t, c.Save(ctx, sample(5)), `checkpoint: table c: pipeline "job": saving epoch 5: epoch 5 is saved already`)
	for statement, is := range map[string]error{
		"UPDATE c SET epoch = 4": ErrCorrupt, "UPDATE c SET state = NULL": ErrCorrupt, `UPDATE c SET state = '{"version":2}'`: ErrVersion,
	} {
		execute(ctx, t, db, statement)
		_, ok, err := c.Load(ctx)
		require.ErrorIs(t, err, is, statement)
		require.False(t, ok)
		require.NoError(t, c.Save(ctx, sample(6)))
		execute(ctx, t, db, "UPDATE c SET epoch = 5")
	}
	assert.Zero(t, db.Stats().InUse)
}

// Runs take over from each other at random; rows and state always tell the same.
func testTableProperty(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx := t.Context()
	execute(ctx, t, db, "CREATE TABLE data (n int)")
	rapid.Check(t, func(r *rapid.T) {
		execute(ctx, r, db, "DELETE FROM data")
		execute(ctx, r, db, "DROP TABLE IF EXISTS c")
		var runs []*Table
		committed := uint64(0)
		for range rapid.IntRange(1, 15).Draw(r, "steps") {
			if len(runs) == 0 || rapid.IntRange(0, 3).Draw(r, "open") == 0 {
				run := NewTable(db, "c", "job")
				require.NoError(r, run.Open(ctx))
				runs = append(runs, run)
				continue
			}
			i := rapid.IntRange(0, len(runs)-1).Draw(r, "run")
			tx, err := db.BeginTx(ctx, nil)
			require.NoError(r, err)
			_, err = tx.ExecContext(ctx, "INSERT INTO data VALUES (1)")
			require.NoError(r, err)
			err = runs[i].SaveIn(ctx, tx, sample(committed+1))
			if i < len(runs)-1 {
				require.ErrorIs(r, err, ErrFenced)
			} else {
				require.NoError(r, err)
			}
			if err == nil && rapid.Bool().Draw(r, "commit") {
				require.NoError(r, tx.Commit())
				committed++
			} else {
				require.NoError(r, tx.Rollback())
			}
			require.EqualValues(r, committed, rows(ctx, r, db))
			s, ok, err := runs[len(runs)-1].Load(ctx)
			require.NoError(r, err)
			require.Equal(r, committed > 0, ok)
			require.Equal(r, committed, s.Epoch)
		}
	})
	assert.Zero(t, db.Stats().InUse)
}

// foreign is a driver of a database that is not known.
type foreign struct{ driver.Connector }

func (foreign) Driver() driver.Driver { return foreign{} }

func (foreign) Open(string) (driver.Conn, error) { return nil, driver.ErrBadConn }

func TestTableOfAnotherDatabase(t *testing.T) {
	db := sql.OpenDB(foreign{})
	require.ErrorContains(t, NewTable(db, "c", "job").Open(t.Context()), "the SQL of driver checkpoint.foreign is not known")
	require.NoError(t, db.Close())
	assert.PanicsWithValue(t, "penstock: checkpoint.NewTable: db is nil", func() { NewTable(nil, "c", "job") })
}
