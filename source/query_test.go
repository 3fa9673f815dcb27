package source

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// database makes a database with the given statements.
func database(tb testing.TB, statements ...string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", filepath.Join(tb.TempDir(), "test.db")+"?_pragma=synchronous(off)")
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	execute(tb, db, statements...)
	return db
}

func execute(tb testing.TB, db *sql.DB, statements ...string) {
	tb.Helper()
	for _, s := range statements {
		_, err := db.ExecContext(tb.Context(), s)
		require.NoError(tb, err)
	}
}

// numbered makes a table t of n rows, with ids from 1 on and their squares.
func numbered(tb testing.TB, n int) *sql.DB {
	tb.Helper()
	return database(tb, "CREATE TABLE t (id INTEGER PRIMARY KEY, square INTEGER)", fmt.Sprintf(
		"WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT %d) INSERT INTO t SELECT id, id * id FROM n WHERE id <= %[1]d", n))
}

type square struct {
	ID     int64 `db:"id"`
	Square int64 `db:"square"`
}

func squares(from, to int64) (items []square) {
	for id := from; id <= to; id++ {
		items = append(items, square{id, id * id})
	}
	return items
}

// The rows are the same for every chunk and page, through a pool too.
func TestQueryProperty(t *testing.T) {
	const rows = 57
	db := numbered(t, rows)
	rapid.Check(t, func(r *rapid.T) {
		from := rapid.Int64Range(0, rows).Draw(r, "from")
		opts := []QueryOption{Args(from)}
		if page := rapid.IntRange(0, rows+1).Draw(r, "page"); page > 0 {
			opts = append(opts, Key("id"), PageRows(page))
		}
		s := Query[square](db, "SELECT square, id FROM t WHERE id > ?", opts...)
		want := squares(from+1, rows)
		items := rapid.IntRange(0, rows+1).Draw(r, "items")
		require.Equal(r, want, all(r, s, stage.Limit{Items: items}))

		workers := rapid.IntRange(1, 3).Draw(r, "workers")
		p := pool.New(workers)
		defer p.Close()
		popts := []pool.Option{pool.ChunkSize(rapid.IntRange(0, 20).Draw(r, "chunk"))}
		unordered := rapid.Bool().Draw(r, "unordered")
		if unordered {
			popts = append(popts, pool.Unordered())
		}
		got, err := pool.Imap(p, s, stage.Pure(func(s square) square { return s }), popts...).Collect(t.Context())
		require.NoError(r, err)
		if unordered {
			require.ElementsMatch(r, want, got)
		} else if len(want) > 0 {
			require.Equal(r, want, got)
		}
	})
}

type level string

func (l *level) Scan(src any) error {
	s, ok := src.(string)
	switch {
	case !ok:
		return fmt.Errorf("a level of %T", src)
	case s == "panic":
		panic(errBoom)
	case s == "exit":
		runtime.Goexit()
	}
	*l = level(strings.ToUpper(s))
	return nil
}

type Inner struct {
	Extra *string `db:"extra"`
}

type everything struct {
	*Inner
	B       bool
	I8      int8            `db:"i8"`
	U       uint            `db:"u"`
	F       float32         `db:"f"`
	S       string          `db:"s"`
	Raw     []byte          `db:"raw"`
	At      time.Time       `db:"at"`
	Null    sql.Null[int64] `db:"nul"`
	Level   level           `db:"level"`
	None    *level          `db:"none"`
	Any     any             `db:"any"`
	Ignored int             `db:"-"`
	private int
}

func TestQueryFields(t *testing.T) {
	db := database(t, "CREATE TABLE t (B BOOLEAN, i8, u, f, s TEXT, raw BLOB, at DATETIME, nul, level, none, \"any\", extra, more)",
		"INSERT INTO t VALUES (1, 7, 8, 1.5, 'a', x'00ff', '2001-02-03 04:05:06', NULL, 'low', NULL, 'x', NULL, 1)",
		"INSERT INTO t VALUES (0, -7, 0, -1.5, '', x'', '2001-02-03 04:05:07', 5, 'high', 'mid', NULL, 'e', 1)")
	day := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	e, mid := "e", level("MID")
	want := []everything{
		{Inner: &Inner{}, B: true, I8: 7, U: 8, F: 1.5, S: "a", Raw: []byte{0, 255}, At: day, Level: "LOW", Any: "x"},
		{
			Inner: &Inner{&e}, I8: -7, F: -1.5, At: day.Add(time.Second), Null: sql.Null[int64]{V: 5, Valid: true},
			Level: "HIGH", None: &mid,
		},
	}
	const every = "SELECT * FROM t;\n" //nolint:unqueryvet // as many will write
	got := all(t, Query[everything](db, every), stage.Limit{})
	assert.Equal(t, want, got)
	assert.Zero(t, got[0].private+got[0].Ignored)
	var pointers []everything
	for _, p := range all(t, Query[*everything](db, every), stage.Limit{Items: 1}) {
		pointers = append(pointers, *p)
	}
	assert.Equal(t, want, pointers)
}

func TestQueryScalars(t *testing.T) {
	db := database(t)
	text := func(query string, args ...any) stage.Stream[string] { return Query[string](db, query, Args(args...)) }
	assert.Equal(t, []string{"a", "b\x00\xff"}, all(t, text("SELECT ? UNION ALL SELECT ?", "a", "b\x00\xff"), stage.Limit{}))
	assert.Equal(t, []int8{-3}, all(t, Query[int8](db, "SELECT -3"), stage.Limit{}))
	assert.Equal(t, [][]byte{{1}, nil}, all(t, Query[[]byte](db, "SELECT x'01' UNION ALL SELECT NULL ORDER BY 1 DESC"), stage.Limit{}))
	assert.Equal(t, []any{int64(1), "x", nil}, all(t, Query[any](db, "SELECT 1 UNION ALL SELECT 'x' UNION ALL SELECT NULL"), stage.Limit{}))
	three := 3
	assert.Equal(t, []*int{&three, nil}, all(t, Query[*int](db, "SELECT 3 UNION ALL SELECT NULL"), stage.Limit{}))
	assert.Equal(t, []level{"X"}, all(t, Query[level](db, "SELECT 'x'"), stage.Limit{}))
	x := level("X")
	assert.Equal(t, []*level{&x, nil}, all(t, Query[*level](db, "SELECT 'x' UNION ALL SELECT NULL"), stage.Limit{}))
	assert.Empty(t, all(t, Query[int](db, "SELECT 1 WHERE false"), stage.Limit{}))
}

// What is wrong with a row is an error of the row; its neighbours come.
func TestQueryRowErrors(t *testing.T) {
	type item struct {
		ID    int8  `db:"id"`
		Level level `db:"level"`
	}
	db := database(t, "CREATE TABLE t (id, level)",
		"INSERT INTO t VALUES (1, 'a'), (300, 'b'), (NULL, 'c'), ('x', 'd'), (5, 'panic'), (6, 7), (7, 'g'), (1.5, 'h')")
	for _, opts := range [][]QueryOption{nil, {Key("level"), PageRows(2)}, {Key("level"), PageRows(3)}, {Key("level")}} {
		for _, limit := range limits() {
			r := read(t, Query[item](db, "SELECT id, level FROM t ORDER BY level = 'panic', level", opts...), limit)
			require.NoError(t, r.err)
			assert.Equal(t, "eieeeiee", r.order)
			assert.Equal(t, []item{{1, "A"}, {7, "G"}}, r.items)
		}
	}
	r := read(t, Query[item](db, "SELECT id, level\n\tFROM t -- a comment", Key("level"), PageRows(2)), stage.Limit{})
	text := make([]string, len(r.errs))
	for i, e := range r.errs {
		text[i] = e.Error()
		bad, ok := errors.AsType[*QueryError](e)
		require.True(t, ok)
		assert.Equal(t, e.At.Record+1, bad.Row)
	}
	const query = `query "SELECT id, level FROM t -- a comment": row `
	assert.Equal(t, []string{
		"source: item 0: " + query + `1 (key [7]): column "level": a level of int64`,
		"source: item 2: " + query + `3 (key ["b"]): sql: Scan error on column index 0, name "id": converting driver.Value type int64 ("300") to a int8: value out of range`,
		"source: item 3: " + query + `4 (key ["c"]): sql: Scan error on column index 0, name "id": converting NULL to int8 is unsupported`,
		"source: item 4: " + query + `5 (key ["d"]): sql: Scan error on column index 0, name "id": converting driver.Value type string ("x") to a int8: invalid syntax`,
		"source: item 6: " + query + `7 (key ["h"]): sql: Scan error on column index 0, name "id": converting driver.Value type float64 ("1.5") to a int8: invalid syntax`,
		"source: item 7: " + query + `8 (key ["panic"]): panic: boom`,
	}, text)
	assert.Equal(t, map[string]any{"id": int64(300), "level": "b"}, r.errs[1].Input)
	assert.ErrorIs(t, r.errs[5], errBoom)
	assert.Contains(t, string(r.errs[5].Stack), "Scan")
}

// A Scanner that ends its goroutine ends the stream, after the rows before.
func TestQueryGoexit(t *testing.T) {
	db := database(t)
	r := read(t, Query[level](db, "SELECT 'a' UNION ALL SELECT 'exit' UNION ALL SELECT 'b'"), stage.Limit{})
	require.ErrorIs(t, r.err, stage.ErrGoexit)
	require.EqualError(t, r.err, `source: query "SELECT 'a' UNION ALL SELECT 'exit' UNION ALL SELECT 'b'": row 2: runtime.Goexit was called`)
	assert.Equal(t, []level{"A"}, r.items)
}

func TestQueryOpenErrors(t *testing.T) {
	db := database(t, "CREATE TABLE t (id, a, b)")
	open := func(s stage.Stream[square]) error {
		_, err := s.Open(t.Context())
		return err
	}
	err := open(Query[square](db, "SELECT id FROM nowhere"))
	_, ok := errors.AsType[*sqlite.Error](err)
	assert.True(t, ok)
	require.ErrorContains(t, err, `source: query "SELECT id FROM nowhere": `)
	require.ErrorContains(t, err, "no such table")
	require.EqualError(t, open(Query[square](db, "SELECT a, b FROM t")),
		`source: query "SELECT a, b FROM t": missing columns "id", "square"; there are "a", "b"`)
	require.EqualError(t, open(Query[square](db, "SELECT id, 1 AS square, 2 AS square FROM t")),
		`source: query "SELECT id, 1 AS square, 2 AS square FROM t": column "square" comes twice`)
	_, err = Query[int](db, "SELECT 1, 2").Open(t.Context())
	require.EqualError(t, err, `source: query "SELECT 1, 2": a single value needs a result with one column, there are 2`)
	require.ErrorContains(t, open(Query[square](db, "SELECT id, ? AS square FROM t")), "missing argument")
	assert.Zero(t, db.Stats().InUse, "connections are given back")
	long := Query[int](db, "SELECT "+strings.Repeat("é", 100))
	_, err = long.Open(t.Context())
	require.ErrorContains(t, err, `source: query "SELECT `+strings.Repeat("é", 53)+`...": `)
}

func TestQueryArguments(t *testing.T) {
	db := database(t)
	type bad struct {
		C chan int `db:"c"`
	}
	type none struct{ _ int }
	type inner struct{ A int }
	type hidden struct{ *inner }
	for want, fn := range map[string]func(){
		"penstock: source.Query: db is nil":                                                                                         func() { Query[int](nil, "SELECT 1") },
		"penstock: source.Query: query is empty":                                                                                    func() { Query[int](db, " ; ") },
		"penstock: source.Query: an option is nil":                                                                                  func() { Query[int](db, "SELECT 1", nil) },
		"penstock: source.Query: T is []int, want a struct or what a column can be scanned into":                                    func() { Query[[]int](db, "SELECT 1") },
		"penstock: source.Query: T is sql.RawBytes, want a struct or what a column can be scanned into":                             func() { Query[sql.RawBytes](db, "SELECT 1") },
		`penstock: source.Query: T is source.bad: column "c" cannot be scanned into a chan int`:                                     func() { Query[bad](db, "SELECT 1") },
		"penstock: source.Query: T is source.none, which has no columns":                                                            func() { Query[none](db, "SELECT 1") },
		"penstock: source.Query: PageRows and After are options of a query with a Key":                                              func() { Query[int](db, "SELECT 1", PageRows(1)) },
		"penstock: source.Query: T is source.hidden: column \"A\" is in an embedded pointer to source.inner, which is not exported": func() { Query[hidden](db, "SELECT 1") },
		"penstock: source.Key: there are no columns":                                                                                func() { Key() },
		`penstock: source.Key: column "a" comes twice`:                                                                              func() { Key("a", "a") },
		"penstock: source.PageRows: rows is -1, want 0 or more":                                                                     func() { PageRows(-1) },
		`penstock: source.Dialect: name is "x", want "sqlite" or "postgres"`:                                                        func() { Dialect("x") },
	} {
		assert.Equal(t, want, panics(t, fn))
	}
	assert.Contains(t, Query[int](db, "SELECT\n 1").Describe(), "Query")
}
