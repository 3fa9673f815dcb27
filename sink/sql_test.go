package sink

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/penstock-go/penstock/internal/columns"
)

var errBoom = errors.New("boom")

// database makes a database with the given statements.
func database(tb testing.TB, statements ...string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", filepath.Join(tb.TempDir(), "test.db")+"?_pragma=synchronous(off)")
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	for _, s := range statements {
		_, err := db.ExecContext(tb.Context(), s)
		require.NoError(tb, err)
	}
	return db
}

func count(tb testing.TB, db *sql.DB, table string) (n int) {
	tb.Helper()
	require.NoError(tb, db.QueryRowContext(tb.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

type base struct {
	ID int `db:"id"`
}

type upper string

func (u upper) Value() (driver.Value, error) {
	if u == "bad" {
		return nil, errBoom
	}
	return strings.ToUpper(string(u)), nil
}

type row struct {
	base
	*extra
	Name    string  `db:"name"`
	Price   float64 `db:"price,omitempty"`
	Note    *string `db:"note"`
	At      time.Time
	Upper   upper  `db:"up"`
	Raw     []byte `db:"raw"`
	Ignored string `db:"-"`
	private int
}

type extra struct {
	Extra bool `db:"extra"`
}

const rowTable = `CREATE TABLE "the ""rows""" (id INTEGER PRIMARY KEY, extra, name TEXT, price REAL, note TEXT, At, up, raw BLOB)`

func TestSQLColumns(t *testing.T) {
	db := database(t, rowTable)
	note := "n"
	day := time.Date(2001, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, run(t, SQL[row](db, `the "rows"`), 10,
		row{base: base{1}, extra: &extra{true}, Name: "a", Price: 1.5, Note: &note, At: day, Upper: "x", Raw: []byte{0, 1}, private: 1},
		row{base: base{2}},
	))
	rows, err := db.QueryContext(t.Context(), `SELECT id, extra, name, price, note, At, up, raw FROM "the ""rows""" ORDER BY id`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var got [][]any
	for rows.Next() {
		values := make([]any, 8)
		into := make([]any, 8)
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		got = append(got, values)
	}
	require.NoError(t, rows.Err())
	require.Len(t, got, 2)
	assert.Equal(t, []any{int64(1), int64(1), "a", 1.5, "n", "2001-01-02 03:04:05 +0000 UTC", "X", []byte{0, 1}}, got[0])
	assert.Equal(t, []any{int64(2), nil, "", 0.0, nil}, got[1][:5])
}

type small struct {
	N int `db:"n"`
}

func smalls(from, to int) (items []small) {
	for i := from; i < to; i++ {
		items = append(items, small{i})
	}
	return items
}

func TestSQLBatches(t *testing.T) {
	for _, n := range []int{0, 1, 7, 501, 1100} {
		for _, opts := range [][]SQLOption{
			nil, {BatchRows(7)}, {BatchRows(1)}, {BatchRows(600)}, {BatchRows(100), MaxVariables(9)}, {MaxVariables(1)},
		} {
			db := database(t, "CREATE TABLE t (n INTEGER)")
			require.NoError(t, run(t, SQL[small](db, "t", opts...), 3, smalls(0, n)...))
			require.Equal(t, n, count(t, db, "t"))
			var ordered int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM t WHERE n = rowid-1").Scan(&ordered))
			require.Equal(t, n, ordered, "in the stream's order")
		}
	}
}

func TestSQLCommitsBatchByBatch(t *testing.T) {
	db := database(t, "CREATE TABLE t (n INTEGER)")
	w := open(t, SQL[small](db, "t", BatchRows(10)))
	for i, want := range []int{0, 10, 10, 20} {
		require.NoError(t, w.Write(t.Context(), chunks(smalls(i*6, i*6+6), 6)[0]))
		assert.Equal(t, want, count(t, db, "t"))
	}
	require.NoError(t, w.Close(t.Context(), errBoom))
	assert.Equal(t, 20, count(t, db, "t"), "committed batches stay, the one at hand is dropped")
}

func TestSQLPointers(t *testing.T) {
	db := database(t, "CREATE TABLE t (n INTEGER)")
	require.NoError(t, run(t, SQL[*small](db, "main.t"), 2, &small{1}, &small{2}))
	assert.Equal(t, 2, count(t, db, "t"))
	require.EqualError(t, run(t, SQL[*small](db, "t"), 2, &small{1}, nil), "sink: t: row 2: a nil pointer")
	assert.Equal(t, 2, count(t, db, "t"))
}

func TestSQLErrors(t *testing.T) {
	db := database(t, "CREATE TABLE t (n INTEGER PRIMARY KEY)")
	s := SQL[small](db, "t", BatchRows(10))
	items := smalls(0, 25)
	items[17].N = 3 // twice
	err := run(t, s, 4, items...)
	require.ErrorContains(t, err, "sink: t: rows 11 to 20: ")
	_, ok := errors.AsType[*sqlite.Error](err)
	assert.True(t, ok)
	assert.Equal(t, 10, count(t, db, "t"), "the batch at hand is rolled back as a whole")
	_, err = db.ExecContext(t.Context(), "DELETE FROM t")
	require.NoError(t, err, "no transaction is left open")

	// The last batch, at the end of the stream.
	items = smalls(0, 5)
	items[4].N = 3
	require.ErrorContains(t, run(t, s, 4, items...), "sink: t: rows 1 to 5: ")
	assert.Zero(t, count(t, db, "t"))

	// A writer that failed stays failed, whatever its caller makes of it.
	w := open(t, SQL[small](db, "t", BatchRows(1)))
	require.Error(t, w.Write(t.Context(), chunks([]small{{1}, {1}, {2}}, 3)[0]))
	require.Error(t, w.Write(t.Context(), chunks([]small{{7}}, 1)[0]))
	require.ErrorContains(t, w.Close(t.Context(), nil), "sink: t: rows 2 to 2: ")
	assert.Equal(t, 1, count(t, db, "t"))
}

func TestSQLMissingTableOrColumn(t *testing.T) {
	db := database(t, "CREATE TABLE t (m INTEGER)")
	_, err := SQL[small](db, "missing").Open(t.Context(), nil)
	require.ErrorContains(t, err, "sink: missing: ")
	_, err = SQL[small](db, "t").Open(t.Context(), nil)
	require.ErrorContains(t, err, "sink: t: ")
	_, err = SQL[small](db, "").Open(t.Context(), nil)
	require.Error(t, err)
}

func TestSQLValueErrors(t *testing.T) {
	type bad struct {
		Up upper `db:"up"`
	}
	db := database(t, "CREATE TABLE t (up)")
	err := run(t, SQL[bad](db, "t"), 2, bad{"x"}, bad{"bad"})
	require.ErrorIs(t, err, errBoom)
	require.ErrorContains(t, err, "sink: t: rows 1 to 2: ")

	type worse struct {
		Up map[string]int `db:"up"`
	}
	require.ErrorContains(t, run(t, SQL[worse](db, "t"), 1, worse{}), "unsupported type map[string]int")
	assert.Zero(t, count(t, db, "t"))
}

func TestSQLContext(t *testing.T) {
	db := database(t, "CREATE TABLE t (n INTEGER)")
	w := open(t, SQL[small](db, "t", BatchRows(2)))
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, w.Write(ctx, chunks(smalls(0, 2), 2)[0]))
	cancel()
	err := w.Write(ctx, chunks(smalls(2, 4), 2)[0])
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, w.Close(ctx, err))
	assert.Equal(t, 2, count(t, db, "t"))
}

// The sink uses a connection only while it writes a batch, so a database with a
// single one can be read meanwhile.
func TestSQLNeedsNoConnectionInBetween(t *testing.T) {
	db := database(t, "CREATE TABLE t (n INTEGER)")
	db.SetMaxOpenConns(1)
	w := open(t, SQL[small](db, "t", BatchRows(2)))
	for i := range 5 {
		require.NoError(t, w.Write(t.Context(), chunks(smalls(i, i+1), 1)[0]))
		assert.Equal(t, (i+1)/2*2, count(t, db, "t"))
	}
	require.NoError(t, w.Close(t.Context(), nil))
	assert.Equal(t, 5, count(t, db, "t"))
}

func columnsOf[T any](t *testing.T) []columns.Column {
	t.Helper()
	c, err := columns.Of(reflect.TypeFor[T]())
	require.NoError(t, err)
	return c
}

func TestSQLStatement(t *testing.T) {
	db := database(t)
	type pair struct {
		A int `db:"a"`
		B int `db:"b\"x"`
	}
	plan := func(opts ...SQLOption) *sqlSink {
		s := &sqlSink{table: "s.t", columns: columnsOf[pair](t), batchRows: 2, quote: '"'}
		for _, o := range opts {
			o.set(s)
		}
		s.settle()
		return s
	}
	assert.Equal(t, `INSERT INTO "s"."t" ("a", "b""x") VALUES (?, ?), (?, ?)`, plan().insert(2))
	assert.Equal(t, `INSERT INTO "s"."t" ("a", "b""x") VALUES ($1, $2), ($3, $4)`, plan(Dollar()).insert(2))
	assert.Equal(t, "INSERT INTO `s`.`t` (`a`, `b\"x`) VALUES (?, ?)", plan(Backquote()).insert(1))
	assert.Equal(t, `INSERT INTO "s"."t" ("a", "b""x") VALUES ($1, $2) ON CONFLICT ("b""x") DO UPDATE SET "a" = excluded."a"`,
		plan(Dialect("postgres"), Upsert(`b"x`)).insert(1))
	assert.Equal(t, `INSERT INTO "s"."t" ("a", "b""x") VALUES (?, ?) ON CONFLICT ("a", "b""x") DO NOTHING`,
		plan(Dialect("sqlite"), Upsert("a", `b"x`)).insert(1))
	assert.NotNil(t, SQL[pair](db, "t"))
	for _, c := range []struct{ whole, most, want int }{{500, 500, 500}, {500, 468, 250}, {7, 100, 7}, {1000, 1, 1}, {600, 500, 300}} {
		assert.Equal(t, c.want, evenly(c.whole, c.most))
	}
}

// sealed is a struct that database/sql takes as one value.
type sealed struct{ X int }

func (sealed) Value() (driver.Value, error) { return "sealed", nil }

func TestSQLFields(t *testing.T) {
	type Hidden struct{ H1, H2 int }
	type Named struct{ N1 int }
	type Flat struct{ F1, F2 int }
	type all struct {
		Hidden `db:"-"`
		Named  `db:"named"`
		sealed
		time.Time // exported, and a value
		Flat
		F2 string // hides the one above
	}
	var got []string
	for _, c := range columnsOf[all](t) {
		got = append(got, c.Name)
	}
	assert.ElementsMatch(t, []string{"named", "Time", "F1", "F2"}, got)
}

func TestSQLArguments(t *testing.T) {
	db := database(t)
	type twice struct {
		A int `db:"a"`
		B int `db:"a"`
	}
	type none struct{ _ int }
	for want, fn := range map[string]func(){
		"penstock: sink.SQL: db is nil":                                  func() { SQL[small](nil, "t") },
		"penstock: sink.SQL: an option is nil":                           func() { SQL[small](db, "t", nil) },
		"penstock: sink.SQL: T is int, want a struct":                    func() { SQL[int](db, "t") },
		"penstock: sink.SQL: T is sink.none, which has no columns":       func() { SQL[none](db, "t") },
		"penstock: sink.SQL: T is sink.twice: column \"a\" comes twice":  func() { SQL[twice](db, "t") },
		"penstock: sink.BatchRows: rows is -1, want 0 or more":           func() { BatchRows(-1) },
		"penstock: sink.MaxVariables: n is -5, want 0 or more":           func() { MaxVariables(-5) },
		"penstock: sink.SQL: T has 8 columns, more than MaxVariables(7)": func() { SQL[row](db, "t", MaxVariables(7)) },
	} {
		assert.Equal(t, want, panics(t, fn))
	}
	assert.NotPanics(t, func() { SQL[small](db, "t", BatchRows(0), MaxVariables(0)) })
}

type flight struct {
	Date        string `db:"date"`
	Delay       int    `db:"delay"`
	Distance    int    `db:"distance"`
	Origin      string `db:"origin"`
	Destination string `db:"destination"`
}

func flights(n int) []flight {
	items := make([]flight, n)
	for i := range items {
		items[i] = flight{"2001-01-01T00:01:00", i % 100, i, "ABQ", "PHX"}
	}
	return items
}

func BenchmarkSQL(b *testing.B) {
	items := flights(20_000)
	for _, batch := range []int{1, 100, 500, 5000} {
		b.Run(fmt.Sprintf("batch%d", batch), func(b *testing.B) {
			db := database(b, "CREATE TABLE t (date TEXT, delay INTEGER, distance INTEGER, origin TEXT, destination TEXT)")
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, run(b, SQL[flight](db, "t", BatchRows(batch)), 256, items...))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(items)), "ns/item")
		})
	}
}

// BenchmarkSQLByHand is what a program without the sink would do: a loop over the
// rows, statements of 100 rows that are prepared once, a transaction for each 500.
func BenchmarkSQLByHand(b *testing.B) {
	const rows, perStatement, perBatch = 20_000, 100, 500
	items := flights(rows)
	db := database(b, "CREATE TABLE t (date TEXT, delay INTEGER, distance INTEGER, origin TEXT, destination TEXT)")
	statement := "INSERT INTO t VALUES (?, ?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?, ?)", perStatement-1)
	stmt, err := db.PrepareContext(b.Context(), statement)
	require.NoError(b, err)
	defer func() { require.NoError(b, stmt.Close()) }()
	b.ReportAllocs()
	for b.Loop() {
		args := make([]any, 0, 5*perStatement)
		for from := 0; from < rows; from += perBatch {
			tx, err := db.BeginTx(b.Context(), nil)
			require.NoError(b, err)
			insert := tx.StmtContext(b.Context(), stmt) //nolint:sqlclosecheck // the end of the transaction closes it
			for _, f := range items[from : from+perBatch] {
				if args = append(args, f.Date, f.Delay, f.Distance, f.Origin, f.Destination); len(args) == cap(args) {
					_, err := insert.ExecContext(b.Context(), args...)
					require.NoError(b, err)
					args = args[:0]
				}
			}
			require.NoError(b, tx.Commit())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/item")
}
