package sink

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type keyed struct {
	K int    `db:"k"`
	V string `db:"v"`
}

// upserts are items of few keys, and what a table must hold after them.
func upserts(t *rapid.T) (items []keyed, want map[int]string) {
	want = make(map[int]string)
	for i, k := range rapid.SliceOfN(rapid.IntRange(0, 20), 0, 100).Draw(t, "keys") {
		items = append(items, keyed{k, fmt.Sprint("v", i)})
		want[k] = fmt.Sprint("v", i)
	}
	return items, want
}

func TestSQLUpsert(t *testing.T) {
	db := database(t, "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, other TEXT DEFAULT 'kept')")
	rapid.Check(t, func(r *rapid.T) {
		_, err := db.ExecContext(t.Context(), "DELETE FROM t")
		require.NoError(r, err)
		items, want := upserts(r)
		batch := rapid.IntRange(1, 40).Draw(r, "batch")
		chunk := rapid.IntRange(1, 40).Draw(r, "chunk")
		variables := rapid.IntRange(2, 40).Draw(r, "variables")
		require.NoError(r, run(t, SQL[keyed](db, "t", Upsert("k"), BatchRows(batch), MaxVariables(variables)), chunk, items...))
		require.Equal(r, want, table(t, r, db, "SELECT k, v FROM t WHERE other = 'kept'"))
	})
}

func TestSQLUpsertKeepsOtherColumns(t *testing.T) {
	db := database(t, "CREATE TABLE t (k INTEGER, v TEXT, part TEXT, other TEXT, UNIQUE (part, k))",
		"INSERT INTO t VALUES (1, 'old', 'a', 'kept'), (1, 'old', 'b', 'kept')")
	type item struct {
		keyed
		Part *string `db:"part"`
	}
	a := "a"
	require.NoError(t, run(t, SQL[item](db, "t", Upsert("k", "part")), 2,
		item{keyed{1, "new"}, &a}, item{keyed{2, "two"}, &a}, item{keyed{1, "null"}, nil}, item{keyed{1, "null"}, nil}))
	assert.Equal(t, []string{"1 new a kept", "1 null <nil> <nil>", "1 null <nil> <nil>", "1 old b kept", "2 two a <nil>"},
		lines(t, db, "SELECT k, v, part, other FROM t ORDER BY k, v, part"))
}

func TestSQLUpsertOfKeysOnly(t *testing.T) {
	db := database(t, "CREATE TABLE t (n INTEGER PRIMARY KEY)")
	require.NoError(t, run(t, SQL[small](db, "t", Upsert("n"), BatchRows(3)), 2, append(smalls(0, 5), smalls(3, 8)...)...))
	assert.Equal(t, 8, count(t, db, "t"))
}

func TestSQLUpsertErrors(t *testing.T) {
	db := database(t, "CREATE TABLE t (k INTEGER, v TEXT)", "CREATE UNIQUE INDEX half ON t (k) WHERE v > 'x'")
	_, err := SQL[keyed](db, "t", Upsert("k")).Open(t.Context(), nil)
	require.EqualError(t, err, `sink: t: columns "k" are no primary key and have no unique index`)
	wrapped := unknown(t, db)
	_, err = SQL[keyed](wrapped, "t", Upsert("k")).Open(t.Context(), nil)
	require.EqualError(t, err, "sink: t: Upsert: it is not known what database the driver is for: name it with sink.Dialect")
	_, err = SQL[keyed](wrapped, "t", Upsert("k"), Dialect("sqlite")).Open(t.Context(), nil)
	require.EqualError(t, err, `sink: t: columns "k" are no primary key and have no unique index`)
	require.NoError(t, run(t, SQL[keyed](wrapped, "t"), 1, keyed{1, "a"}))
	assert.Equal(t, 1, count(t, db, "t"))

	for want, fn := range map[string]func(){
		"penstock: sink.Upsert: key has no columns":                        func() { Upsert() },
		`penstock: sink.Upsert: key has column "a" twice`:                  func() { Upsert("a", "b", "a") },
		`penstock: sink.SQL: Upsert: T has no column "id"`:                 func() { SQL[keyed](db, "t", Upsert("id")) },
		`penstock: sink.Dialect: name is "x", want "sqlite" or "postgres"`: func() { Dialect("x") },
		"penstock: sink.SQL: T has 2 columns, more than MaxVariables(1)":   func() { SQL[keyed](db, "t", MaxVariables(1)) },
		`penstock: sink.SQL: Upsert: T has no column "K"`:                  func() { SQL[keyed](db, "t", Upsert("k", "K")) },
	} {
		assert.Equal(t, want, panics(t, fn))
	}
}
