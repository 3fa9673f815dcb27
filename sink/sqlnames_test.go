package sink

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/dialect"
)

// lines are the rows of a query, their values as text between spaces.
func lines(tb testing.TB, db *sql.DB, query string) (out []string) {
	tb.Helper()
	rows, err := db.QueryContext(tb.Context(), query)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, rows.Close()) }()
	names, err := rows.Columns()
	require.NoError(tb, err)
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		require.NoError(tb, rows.Scan(into...))
		line := fmt.Sprintln(values...)
		out = append(out, line[:len(line)-1])
	}
	require.NoError(tb, rows.Err())
	return out
}

// table is what a query of keys and values gives.
func table(tb testing.TB, t require.TestingT, db *sql.DB, query string) map[int]string {
	tb.Helper()
	rows, err := db.QueryContext(tb.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	got := make(map[int]string)
	for rows.Next() {
		var k int
		var v string
		require.NoError(t, rows.Scan(&k, &v))
		require.NotContains(t, got, k)
		got[k] = v
	}
	require.NoError(t, rows.Err())
	return got
}

// strange is a driver around another, as one that traces is.
type strange struct{ driver.Driver }

type connector struct {
	strange
	name string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Open(c.name) }
func (c connector) Driver() driver.Driver                        { return c.strange }

// unknown is the database through a driver that nobody knows.
func unknown(t *testing.T, db *sql.DB) *sql.DB {
	t.Helper()
	file := lines(t, db, "SELECT file FROM pragma_database_list")[0]
	wrapped := sql.OpenDB(connector{strange{db.Driver()}, file})
	t.Cleanup(func() { require.NoError(t, wrapped.Close()) })
	return wrapped
}

func TestSQLNamesWhatIsMissing(t *testing.T) {
	db := database(t, "CREATE TABLE t (a, \"B c\", d AS (a + 1))")
	type missing struct {
		A  int `db:"a"`
		X  int `db:"x"`
		BC int `db:"b C"` // SQLite does not tell the case
		Y  int `db:"y\"; DROP TABLE t; --"`
	}
	_, err := SQL[missing](db, "t").Open(t.Context(), nil)
	require.EqualError(t, err, `sink: t: missing columns "x", "y\"; DROP TABLE t; --"; there are "a", "B c", "d"`)
	_, err = SQL[small](db, "nowhere").Open(t.Context(), nil)
	require.ErrorIs(t, err, dialect.ErrNoTable)
	require.EqualError(t, err, "sink: nowhere: no such table")
	_, err = SQL[small](db, "aux.t").Open(t.Context(), nil)
	require.ErrorContains(t, err, "sink: aux.t: reading the catalogue: ")
	for name, want := range map[string]string{
		"":       `sink: : table name is empty`,
		"main.":  `sink: main.: table name is empty`,
		"t\x00x": "sink: t\x00x: table name \"t\\x00x\" holds a NUL byte",
	} {
		_, err = SQL[small](db, name).Open(t.Context(), nil)
		require.EqualError(t, err, want)
	}
	type generated struct {
		D int `db:"d"`
	}
	_, err = SQL[generated](db, "t").Open(t.Context(), nil)
	require.EqualError(t, err, `sink: t: column "d" is generated and cannot be written`)
	type nul struct {
		N int `db:"a\x00b"`
	}
	_, err = SQL[nul](db, "t").Open(t.Context(), nil)
	require.ErrorContains(t, err, "holds a NUL byte")
}

// awkward are names that mean something else unless they are quoted.
var awkward = []string{
	"select", `a"b`, "a'b", "a`b", "a b", "таблица", "テーブル", "😀", `"; DROP TABLE victim; --`, "1", "$1", "?", "Ünï", "%s", "a,b", "(", "[x]", "--", "/*", "\\",
}

func TestSQLAwkwardNames(t *testing.T) {
	for _, name := range awkward {
		quoted := dialect.Table{name}.Quoted()
		db := database(t, "CREATE TABLE victim (n)", "CREATE TABLE "+quoted+" (\"select\" PRIMARY KEY, \"\"\"; DROP TABLE victim; --\")")
		type row struct {
			Select int    `db:"select"`
			Drop   string `db:"\"; DROP TABLE victim; --"`
		}
		for i := range 2 {
			require.NoError(t, run(t, SQL[row](db, name, Upsert("select")), 2, row{1, "a"}, row{2, fmt.Sprint(i)}), name)
		}
		assert.Equal(t, []string{"1 a", "2 1"}, lines(t, db, `SELECT "select", """; DROP TABLE victim; --" FROM `+quoted), name)
		assert.Equal(t, 0, count(t, db, "victim"))
	}
}

func TestSQLSchemas(t *testing.T) {
	db := database(t, "CREATE TABLE t (n)")
	db.SetMaxOpenConns(1) // what is attached belongs to one connection
	_, err := db.ExecContext(t.Context(), "ATTACH ? AS \"other one\"", filepath.Join(t.TempDir(), "other.db"))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE "other one".t (n PRIMARY KEY)`)
	require.NoError(t, err)
	require.NoError(t, run(t, SQL[small](db, "other one.t", Upsert("n")), 2, smalls(0, 3)...))
	assert.Equal(t, 3, count(t, db, `"other one".t`))
	assert.Equal(t, 0, count(t, db, "main.t"))
}

func TestSQLValuesThatAreNoText(t *testing.T) {
	db := database(t, "CREATE TABLE t (k INTEGER, v TEXT)")
	want := map[int]string{0: "a\x00b", 1: "\xff\xfe", 2: "", 3: "\x00"}
	var items []keyed
	for k, v := range want {
		items = append(items, keyed{k, v})
	}
	require.NoError(t, run(t, SQL[keyed](db, "t"), 2, items...))
	assert.Equal(t, want, table(t, t, db, "SELECT k, v FROM t"), "kept byte for byte")

	type huge struct {
		K uint64 `db:"k"`
	}
	err := run(t, SQL[huge](db, "t"), 2, huge{1}, huge{1 << 63})
	require.ErrorContains(t, err, "sink: t: rows 1 to 2: ")
	require.ErrorContains(t, err, "high bit set")
	assert.Equal(t, len(want), count(t, db, "t"))
}

// Of a batch of several statements, the error says which one it was.
func TestSQLErrorsNameTheStatement(t *testing.T) {
	db := database(t, "CREATE TABLE t (n INTEGER PRIMARY KEY)")
	items := smalls(0, 25)
	items[17].N = 3
	err := run(t, SQL[small](db, "t", BatchRows(20), MaxVariables(5)), 4, items...)
	require.ErrorContains(t, err, "sink: t: rows 1 to 20, at rows 16 to 20: ")
	assert.Equal(t, 0, count(t, db, "t"))
}
