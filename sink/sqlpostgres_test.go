//go:build postgres

package sink

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/dialect"
	"github.com/penstock-go/penstock/internal/pgtest"
)

func TestPostgresInsertProperty(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (n int8, at serial)")
	rapid.Check(t, func(r *rapid.T) {
		_, err := db.ExecContext(t.Context(), "TRUNCATE t RESTART IDENTITY")
		require.NoError(r, err)
		n := rapid.IntRange(0, 200).Draw(r, "rows")
		opts := []SQLOption{BatchRows(rapid.IntRange(1, 90).Draw(r, "batch")), MaxVariables(rapid.IntRange(1, 90).Draw(r, "variables"))}
		require.NoError(r, run(t, SQL[small](db, "t", opts...), rapid.IntRange(1, 70).Draw(r, "chunk"), smalls(0, n)...))
		require.Equal(r, n, count(t, db, "t"))
		require.Empty(r, lines(t, db, "SELECT n FROM t WHERE n <> at - 1"), "in the stream's order")
	})
}

func TestPostgresUpsertProperty(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (k int8 PRIMARY KEY, v text, other text DEFAULT 'kept')")
	rapid.Check(t, func(r *rapid.T) {
		_, err := db.ExecContext(t.Context(), "TRUNCATE t")
		require.NoError(r, err)
		items, want := upserts(r)
		opts := []SQLOption{Upsert("k"), BatchRows(rapid.IntRange(1, 40).Draw(r, "batch")), MaxVariables(rapid.IntRange(2, 40).Draw(r, "variables"))}
		require.NoError(r, run(t, SQL[keyed](db, "t", opts...), rapid.IntRange(1, 40).Draw(r, "chunk"), items...))
		require.Equal(r, want, table(t, r, db, "SELECT k, v FROM t WHERE other = 'kept'"))
	})
}

func TestPostgresUpsertKeys(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (k int8, v text, part text, other text, UNIQUE (part, k))",
		"CREATE UNIQUE INDEX half ON t (v) WHERE k > 0", "CREATE UNIQUE INDEX lowered ON t (lower(other))")
	type item struct {
		keyed
		Part *string `db:"part"`
	}
	a := "a"
	require.NoError(t, run(t, SQL[item](db, "t", Upsert("k", "part")), 2,
		item{keyed{1, "old"}, &a}, item{keyed{1, "new"}, &a}, item{keyed{2, "two"}, nil}, item{keyed{2, "too"}, nil}))
	assert.Equal(t, []string{"1 new a", "2 too <nil>", "2 two <nil>"}, lines(t, db, "SELECT k, v, part FROM t ORDER BY k, v"))
	for _, key := range []string{"k", "v"} {
		_, err := SQL[keyed](db, "t", Upsert(key)).Open(t.Context(), nil)
		require.EqualError(t, err, fmt.Sprintf("sink: t: columns %q are no primary key and have no unique index", key))
	}
}

func TestPostgresBadRows(t *testing.T) {
	type item struct {
		N int     `db:"n"`
		S *string `db:"s"`
	}
	db := pgtest.DB(t, "CREATE TABLE t (n int2 PRIMARY KEY, s text NOT NULL)")
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		bad  item
		want string
	}{
		{item{40000, text("a")}, "40000 is greater than maximum value for int2"},
		{item{99, nil}, "violates not-null constraint"},
		{item{2, text("a")}, "duplicate key value violates unique constraint"},
		{item{99, text("a\x00b")}, `invalid byte sequence for encoding "UTF8": 0x00`},
		{item{99, text("\xff")}, `invalid byte sequence for encoding "UTF8": 0xff`},
	} {
		_, err := db.ExecContext(t.Context(), "TRUNCATE t")
		require.NoError(t, err)
		var items []item
		for i := range 20 {
			items = append(items, item{i, text("x")})
		}
		items[11] = c.bad
		err = run(t, SQL[item](db, "t", BatchRows(10), MaxVariables(8)), 3, items...)
		require.ErrorContains(t, err, "sink: t: rows 11 to 20, at rows 11 to 14: ")
		require.ErrorContains(t, err, c.want)
		assert.Equal(t, 10, count(t, db, "t"))
		assert.Zero(t, db.Stats().InUse)
	}
}

func TestPostgresWrongType(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (k int8, v timestamptz)")
	require.ErrorContains(t, run(t, SQL[keyed](db, "t"), 1, keyed{1, "a"}), "sink: t: rows 1 to 1: ")
	assert.Zero(t, count(t, db, "t"))
}

func TestPostgresNames(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (a int, \"B c\" int, d int GENERATED ALWAYS AS (a + 1) STORED)", "CREATE TABLE victim (n int)")
	type missing struct {
		A  int `db:"a"`
		BC int `db:"b c"`
	}
	_, err := SQL[missing](db, "t").Open(t.Context(), nil)
	require.EqualError(t, err, `sink: t: missing column "b c"; there are "a", "B c", "d"`)
	_, err = SQL[small](db, "nowhere").Open(t.Context(), nil)
	require.ErrorIs(t, err, dialect.ErrNoTable)
	_, err = SQL[small](db, "no_schema.t").Open(t.Context(), nil)
	require.ErrorIs(t, err, dialect.ErrNoTable)
	type generated struct {
		D int `db:"d"`
	}
	_, err = SQL[generated](db, "t").Open(t.Context(), nil)
	require.EqualError(t, err, `sink: t: column "d" is generated and cannot be written`)

	schema := lines(t, db, "SELECT current_schema()")[0]
	type row struct {
		Select int    `db:"select"`
		Drop   string `db:"\"; DROP TABLE victim; --"`
	}
	for _, name := range awkward {
		quoted := dialect.Table{name}.Quoted()
		_, err := db.ExecContext(t.Context(), "CREATE TABLE "+quoted+` ("select" int PRIMARY KEY, """; DROP TABLE victim; --" text)`)
		require.NoError(t, err, name)
		for i := range 2 {
			require.NoError(t, run(t, SQL[row](db, schema+"."+name, Upsert("select")), 2, row{1, "a"}, row{2, fmt.Sprint(i)}), name)
		}
		assert.Equal(t, []string{"1 a", "2 1"}, lines(t, db, `SELECT "select", """; DROP TABLE victim; --" FROM `+quoted+` ORDER BY "select"`), name)
	}
	assert.Zero(t, count(t, db, "victim"))
}

// A backend that dies between batches is replaced; one that dies in the middle
// fails its batch.
func TestPostgresConnectionLost(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (n int8)", `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF NEW.n = 15 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$`,
		"CREATE TRIGGER die BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION die()")
	err := run(t, SQL[small](db, "t", BatchRows(10)), 3, smalls(0, 30)...)
	require.ErrorContains(t, err, "sink: t: rows 11 to 20: ")
	require.ErrorContains(t, err, "terminating connection")
	assert.Equal(t, 10, count(t, db, "t"))

	w := open(t, SQL[small](db, "t", BatchRows(10)))
	require.NoError(t, w.Write(t.Context(), chunks(smalls(100, 110), 10)[0]))
	other, err := db.Conn(t.Context())
	require.NoError(t, err)
	kill(t, db, other)
	require.NoError(t, w.Write(t.Context(), chunks(smalls(110, 120), 10)[0]))
	require.NoError(t, w.Close(t.Context(), nil))
	assert.Equal(t, 30, count(t, db, "t"))
}

// kill ends all idle connections but one.
func kill(t *testing.T, db *sql.DB, keep *sql.Conn) {
	t.Helper()
	_, err := keep.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE pid <> pg_backend_pid() AND application_name = current_setting('application_name') AND state = 'idle'`)
	require.NoError(t, err)
	require.NoError(t, keep.Close())
	assert.Zero(t, db.Stats().InUse)
}

func TestPostgresContext(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (n int8 PRIMARY KEY)")
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "INSERT INTO t VALUES (5)")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waiting := false
		for err := error(nil); err == nil && !waiting; { // until the batch waits for the other transaction
			err = db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'").Scan(&waiting)
		}
		cancel()
	}()
	w := open(t, SQL[small](db, "t", BatchRows(10)))
	err = w.Write(ctx, chunks(smalls(0, 10), 10)[0])
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, w.Close(ctx, err))
	require.NoError(t, tx.Rollback())
	assert.Zero(t, count(t, db, "t"))
}
