//go:build postgres

package pgcopy

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/dialect"
	"github.com/penstock-go/penstock/internal/pgtest"
	pp "github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// connect makes a pool in a schema of its own, after the statements.
func connect(t *testing.T, statements ...string) *pgxpool.Pool {
	t.Helper()
	config := pgtest.Config(t)
	pgtest.Execute(t, config, statements...)
	pconfig, err := pgxpool.ParseConfig(config.ConnString())
	require.NoError(t, err)
	pconfig.ConnConfig = config
	pconfig.MaxConns = 3
	pool, err := pgxpool.NewWithConfig(t.Context(), pconfig)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func rows[T any](t require.TestingT, pool *pgxpool.Pool, query string, args ...any) []T {
	r, err := pool.Query(context.Background(), query, args...)
	require.NoError(t, err)
	got, err := pgx.CollectRows(r, pgx.RowTo[T])
	require.NoError(t, err)
	return got
}

func smalls(from, to int) (items []small) {
	for i := from; i < to; i++ {
		items = append(items, small{i})
	}
	return items
}

func TestRoundTripProperty(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (n int8, at serial)")
	rapid.Check(t, func(r *rapid.T) {
		_, err := pool.Exec(t.Context(), "TRUNCATE t RESTART IDENTITY")
		require.NoError(r, err)
		n := rapid.IntRange(0, 300).Draw(r, "rows")
		p := pp.New(rapid.IntRange(1, 3).Draw(r, "workers"))
		defer p.Close()
		opts := []pp.Option{pp.ChunkSize(rapid.IntRange(0, 70).Draw(r, "chunk"))}
		unordered := rapid.Bool().Draw(r, "unordered")
		if unordered {
			opts = append(opts, pp.Unordered())
		}
		items := pp.Imap(p, source.Slice(smalls(0, n)), stage.Pure(func(s small) small { return s }), opts...)
		batch := rapid.IntRange(0, 100).Draw(r, "batch")
		sum, err := stage.Run(t.Context(), items, Sink[small](pool, "t", CommitEvery(batch)))
		require.NoError(r, err)
		require.EqualValues(r, n, sum.Written)
		want := rows[int](r, pool, "SELECT g FROM generate_series(0, $1) g", n-1)
		if unordered {
			require.ElementsMatch(r, want, rows[int](r, pool, "SELECT n FROM t"))
		} else {
			require.Equal(r, want, rows[int](r, pool, "SELECT n FROM t ORDER BY at"))
		}
		require.Zero(r, pool.Stat().AcquiredConns())
	})
}

type mood string

type failing string

func (f failing) Value() (driver.Value, error) {
	switch f {
	case "panic":
		panic(errBoom)
	case "error":
		return nil, errBoom
	}
	return string(f), nil
}

func TestTypes(t *testing.T) {
	pool := connect(t, "CREATE TYPE mood AS ENUM ('sad', 'happy')", "CREATE DOMAIN score AS int4 CHECK (VALUE < 100)",
		`CREATE TABLE t (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, num numeric, s text, raw bytea, at timestamptz, day date,
			id uuid, j jsonb, m mood, sc score, arr int4[], v text, nul text)`)
	type item struct {
		B   bool           `db:"b"`
		I2  int            `db:"i2"`
		I4  *int32         `db:"i4"`
		I8  int64          `db:"i8"`
		F4  float32        `db:"f4"`
		F8  float64        `db:"f8"`
		Num string         `db:"num"`
		S   string         `db:"s"`
		Raw []byte         `db:"raw"`
		At  time.Time      `db:"at"`
		Day time.Time      `db:"day"`
		ID  string         `db:"id"`
		J   map[string]int `db:"j"`
		M   mood           `db:"m"`
		Sc  int            `db:"sc"`
		Arr []int32        `db:"arr"`
		V   failing        `db:"v"`
		Nul *string        `db:"nul"`
	}
	four := int32(4)
	day := time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)
	_, err := stage.Run(t.Context(), source.Of(
		item{true, 2, &four, math.MinInt64, 1.5, math.Pi, "12345678901234567890.5", "ü\t\\N\n", []byte{0, 255}, day, day, "00000000-0000-0000-0000-000000000001",
			map[string]int{"a": 1}, "happy", 99, []int32{1, 2}, "v", nil},
		item{Num: "0", ID: "00000000-0000-0000-0000-000000000002", M: "sad"},
	), Sink[item](pool, "t"))
	require.NoError(t, err)
	got := rows[string](t, pool, "SELECT (t.*)::text FROM t ORDER BY id")
	require.Len(t, got, 2)
	assert.Equal(t, "(t,2,4,-9223372036854775808,1.5,3.141592653589793,12345678901234567890.5,\"ü\t\\\\N\n\",\"\\\\x00ff\","+
		`"2001-02-03 04:05:06.000007+00",2001-02-03,00000000-0000-0000-0000-000000000001,"{""a"": 1}",happy,99,"{1,2}",v,)`, got[0])

	_, err = stage.Run(t.Context(), source.Of(item{Num: "0", ID: "00000000-0000-0000-0000-000000000002", M: "angry"}), Sink[item](pool, "t"))
	require.ErrorContains(t, err, `pgcopy: t: row 1: ERROR: invalid input value for enum mood: "angry"`)
	_, err = stage.Run(t.Context(), source.Of(item{Num: "0", ID: "00000000-0000-0000-0000-000000000002", M: "sad", Sc: 100}), Sink[item](pool, "t"))
	require.ErrorContains(t, err, "pgcopy: t: row 1: ERROR: value for domain score violates check constraint")
	assert.Len(t, rows[int](t, pool, "SELECT 1 FROM t"), 2)
}

// What the client finds out names row and column, what the server finds out names
// the row; nothing of the run stays, or of the batch.
func TestBadRows(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (n int2 PRIMARY KEY, s text NOT NULL CHECK (s <> 'no'), v text)")
	type item struct {
		N int     `db:"n"`
		S *string `db:"s"`
		V failing `db:"v"`
	}
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		bad  item
		want string
	}{
		{item{N: 40000, S: text("a")}, `row 6, column "n": unable to encode 40000 into binary format for int2 (OID 21): 40000 is greater than maximum value for int2`},
		{item{N: 99, S: nil}, `row 6: ERROR: null value in column "s" of relation "t" violates not-null constraint`},
		{item{N: 99, S: text("no")}, `row 6: ERROR: new row for relation "t" violates check constraint "t_s_check"`},
		{item{N: 2, S: text("a")}, `row 6: ERROR: duplicate key value violates unique constraint "t_pkey"`},
		{item{N: 99, S: text("a\x00b")}, `row 6: ERROR: invalid byte sequence for encoding "UTF8": 0x00`},
		{item{N: 99, S: text("\xff")}, `row 6: ERROR: invalid byte sequence for encoding "UTF8": 0xff`},
		{item{N: 99, S: text("a"), V: "error"}, `row 6, column "v": unable to encode "error" into binary format for text (OID 25): boom`},
		{item{N: 99, S: text("a"), V: "panic"}, `panic: boom`},
	} {
		for _, opts := range [][]Option{nil, {CommitEvery(3)}} {
			_, err := pool.Exec(t.Context(), "TRUNCATE t")
			require.NoError(t, err)
			var items []item
			for i := range 2000 {
				items = append(items, item{N: i, S: text("text"), V: "v"})
			}
			items[5] = c.bad
			_, err = stage.Run(t.Context(), source.Slice(items), Sink[item](pool, "t", opts...))
			require.ErrorContains(t, err, c.want)
			assert.Len(t, rows[int](t, pool, "SELECT 1 FROM t"), 3*len(opts), c.want)
			require.Zero(t, pool.Stat().AcquiredConns())
		}
	}
}

func TestNames(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (a int, d int GENERATED ALWAYS AS (a + 1) STORED)", "CREATE TABLE victim (n int)")
	open := func(s stage.Sink[small]) error {
		w, err := s.Open(t.Context(), nil)
		if err == nil {
			require.NoError(t, w.Close(t.Context(), errBoom))
		}
		return err
	}
	require.ErrorIs(t, open(Sink[small](pool, "nowhere")), dialect.ErrNoTable)
	require.EqualError(t, open(Sink[small](pool, "nowhere")), "pgcopy: nowhere: no such table")
	require.EqualError(t, open(Sink[small](pool, "t")), `pgcopy: t: missing column "n"; there are "a", "d"`)
	require.EqualError(t, open(Sink[small](pool, "no.such.thing.t")), "pgcopy: no.such.thing.t: reading the catalogue: ERROR: improper relation name (too many dotted names): no.such.thing.t (SQLSTATE 42601)")
	require.ErrorContains(t, open(Sink[small](pool, "a\x00b")), "holds a NUL byte")
	type generated struct {
		D int `db:"d"`
	}
	_, err := Sink[generated](pool, "t").Open(t.Context(), nil)
	require.EqualError(t, err, `pgcopy: t: column "d" is generated and cannot be written`)
	require.Zero(t, pool.Stat().AcquiredConns())

	type row struct {
		Select int    `db:"select"`
		Drop   string `db:"\"; DROP TABLE victim; --"`
	}
	for _, name := range []string{"select", `a"b`, "a'b", "таблица", "😀", `"; DROP TABLE victim; --`, "$1", "%s", "a, 1", "(", "\\"} {
		quoted := pgx.Identifier{name}.Sanitize()
		_, err := pool.Exec(t.Context(), "CREATE TABLE "+quoted+` ("select" int PRIMARY KEY, """; DROP TABLE victim; --" text)`)
		require.NoError(t, err)
		_, err = stage.Run(t.Context(), source.Of(row{1, "a"}, row{2, "b"}), Sink[row](pool, name))
		require.NoError(t, err, name)
		assert.Equal(t, []int{1, 2}, rows[int](t, pool, "SELECT \"select\" FROM "+quoted))
		_, err = stage.Run(t.Context(), source.Of(row{3, "a"}, row{2, "b"}), Sink[row](pool, name))
		require.ErrorContains(t, err, "row 2: ", name)
	}
	assert.Empty(t, rows[int](t, pool, "SELECT n FROM victim"))
	// The server would cut it to the name of a table that there is.
	long := strings.Repeat("l", 64)
	_, err = pool.Exec(t.Context(), "CREATE TABLE "+long[:63]+" (n int)")
	require.NoError(t, err)
	require.ErrorIs(t, open(Sink[small](pool, long)), dialect.ErrNoTable)
}

// A backend that dies in the middle fails the run, and nothing hangs.
func TestConnectionLost(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (n int8)")
	for _, opts := range [][]Option{nil, {CommitEvery(1000)}} {
		w, err := Sink[small](pool, "t", opts...).Open(t.Context(), nil)
		require.NoError(t, err)
		write := func(n int) error { return w.Write(t.Context(), &stage.Chunk[small]{Items: smalls(0, n)}) }
		require.NoError(t, write(10))
		pids := rows[int](t, pool, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY %' OR state = 'idle in transaction' AND pid <> pg_backend_pid() AND datname = current_database()")
		require.NotEmpty(t, pids)
		for _, pid := range pids {
			rows[bool](t, pool, "SELECT pg_terminate_backend($1, 5000)", pid)
		}
		for err == nil {
			err = write(100_000)
		}
		require.ErrorContains(t, err, "pgcopy: t: rows 1 to ")
		t.Log(err)
		require.NoError(t, w.Close(t.Context(), err))
		assert.Empty(t, rows[int](t, pool, "SELECT 1 FROM t"))
	}
}

// A write that the server keeps waiting ends with its context.
func TestCancelled(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (n int8 PRIMARY KEY)")
	other, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), "INSERT INTO t VALUES (5)")
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for { // until the COPY waits for the other transaction
			var waiting bool
			err := pool.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'").Scan(&waiting)
			if err != nil || waiting {
				cancel(errors.Join(errBoom, err))
				return
			}
		}
	}()
	n := 0
	endless := source.Func(func(context.Context) (small, error) {
		n++
		return small{n}, nil
	})
	_, err = stage.Run(ctx, endless, Sink[small](pool, "t"))
	require.ErrorIs(t, err, errBoom)
	require.NoError(t, other.Rollback(t.Context()))
	assert.Empty(t, rows[int](t, pool, "SELECT 1 FROM t"))

	// One that ends in between is told to the server.
	w, err := Sink[small](pool, "t").Open(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, w.Write(t.Context(), &stage.Chunk[small]{Items: smalls(0, 50_000)}))
	require.NoError(t, w.Close(t.Context(), errBoom))
	assert.Empty(t, rows[int](t, pool, "SELECT 1 FROM t"))
	assert.Zero(t, pool.Stat().AcquiredConns())
}

// A single connection, and a transaction around the sink's, serve too.
func TestConnAndTx(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (n int8)")
	c, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer c.Release()
	_, err = stage.Run(t.Context(), source.Slice(smalls(0, 3)), Sink[small](c.Conn(), "t", CommitEvery(2)))
	require.NoError(t, err)
	tx, err := c.Begin(t.Context())
	require.NoError(t, err)
	_, err = stage.Run(t.Context(), source.Slice(smalls(0, 3)), Sink[small](tx, "t"))
	require.NoError(t, err)
	_, err = stage.Run(t.Context(), source.SeqErr(func(yield func(small, error) bool) { _ = yield(small{1}, nil) && yield(small{}, errBoom) }), Sink[small](tx, "t"))
	require.ErrorIs(t, err, errBoom)
	assert.Len(t, rows[int](t, pool, "SELECT 1 FROM t"), 3)
	require.NoError(t, tx.Commit(t.Context()))
	assert.Len(t, rows[int](t, pool, "SELECT 1 FROM t"), 6)
	_, ok := errors.AsType[*pgconn.PgError](fmt.Errorf("%w", err))
	assert.False(t, ok)
}

func TestDeferredConstraint(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (n int8 UNIQUE DEFERRABLE INITIALLY DEFERRED)")
	_, err := stage.Run(t.Context(), source.Slice(append(smalls(0, 3), small{1})), Sink[small](pool, "t"))
	require.ErrorContains(t, err, "pgcopy: t: rows 1 to 4: commit: ERROR: duplicate key")
	assert.Empty(t, rows[int](t, pool, "SELECT 1 FROM t"))
	assert.Zero(t, pool.Stat().AcquiredConns())
}
