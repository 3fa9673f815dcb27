//go:build postgres

package source

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/pgtest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// The rows of all keys that there are come, also where those are more than the 65,535
// placeholders of a statement.
func TestPostgresLookupProperty(t *testing.T) {
	const rows = 70_000
	db := pgtest.DB(t, "CREATE TABLE t (id int8 PRIMARY KEY, square int8)",
		fmt.Sprintf("INSERT INTO t SELECT n, n::int8 * n FROM generate_series(1, %d) n", rows))
	find := LookupSQL[int64, square](db, squaresOf)
	check := func(t require.TestingT, ctx context.Context, from int64, n int) {
		keys, want := make([]int64, n), map[int64]square{}
		for i := range keys {
			k := from + int64(i)
			if keys[i] = k; k >= 1 && k <= rows {
				want[k] = square{k, k * k}
			}
		}
		got, err := find(ctx, keys)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Zero(t, db.Stats().InUse)
	}
	rapid.Check(t, func(r *rapid.T) {
		check(r, r.Context(), rapid.Int64Range(-5, rows).Draw(r, "from"), rapid.IntRange(0, 300).Draw(r, "n"))
	})
	check(t, t.Context(), -100, rows+200)
}

// Keys are found by the types that programs have them in.
func TestPostgresLookupKeysOfManyTypes(t *testing.T) {
	db := pgtest.DB(t, `CREATE TABLE t AS SELECT n::int8 AS n, n::int2 AS i2, chr(200 + n::int) AS s, n / 4.0::float8 AS f8,
		lpad(n::text, 32, '0')::uuid AS id FROM generate_series(1, 20) n`)
	seventh := func(found any, n int, err error) {
		t.Helper()
		require.NoError(t, err)
		require.EqualValues(t, 7, found)
		require.Equal(t, 1, n, "all else has no value")
	}
	byShort, err := LookupSQL[int16, int](db, "SELECT i2, n FROM t WHERE i2 IN (?)")(t.Context(), []int16{7, 100})
	seventh(byShort[7], len(byShort), err)
	byText, err := LookupSQL[string, int](db, "SELECT s, n FROM t WHERE s IN (?)")(t.Context(), []string{string(rune(207)), "none"})
	seventh(byText[string(rune(207))], len(byText), err)
	byFloat, err := LookupSQL[float64, int](db, "SELECT f8, n FROM t WHERE f8 IN (?)")(t.Context(), []float64{1.75, 1.76})
	seventh(byFloat[1.75], len(byFloat), err)
	const id = "00000000-0000-0000-0000-000000000007"
	byID, err := LookupSQL[string, int](db, "SELECT id, n FROM t WHERE id IN (?)")(t.Context(), []string{id})
	seventh(byID[id], len(byID), err)
	byCode, err := LookupSQL[code, sql.Null[int]](db, "SELECT n::text, n FROM t WHERE n::text IN (?)")(t.Context(), []code{"7", "x"})
	seventh(byCode["7"].V, len(byCode), err)
}

func TestPostgresLookupErrors(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (k int8, v text)", "INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, 'a'), (3, 'b')")
	const query = "SELECT k, v FROM t WHERE k IN (?)"
	for message, err := range map[string]error{
		"row 1: ":                              second(LookupSQL[int, string](db, query)(t.Context(), []int{2})),
		"row 2: key 3 comes twice":             second(LookupSQL[int, string](db, query)(t.Context(), []int{3})),
		`relation "missing" does not exist`:    second(LookupSQL[int, int](db, "SELECT k, v FROM missing WHERE k IN (?)")(t.Context(), []int{1})),
		"division by zero":                     second(LookupSQL[int, int](db, "SELECT k, 1 / (k - 1) FROM t WHERE k IN (?)")(t.Context(), []int{1})),
		"terminating connection":               second(LookupSQL[int, bool](db, "SELECT k, pg_terminate_backend(pg_backend_pid()) FROM t WHERE k IN (?)")(t.Context(), []int{1})),
		`invalid input syntax for type bigint`: second(LookupSQL[string, string](db, query)(t.Context(), []string{"one"})),
		"the result has 1 columns, want the ":  second(LookupSQL[int, string](db, "SELECT k FROM t WHERE k IN (?)")(t.Context(), []int{1})),
	} {
		assert.ErrorContains(t, err, message)
		var failed *QueryError
		assert.ErrorAs(t, err, &failed)
	}
	found, err := LookupSQL[int, string](db, query)(t.Context(), []int{1})
	require.NoError(t, err, "the database is of use behind all of that")
	assert.Equal(t, map[int]string{1: "one"}, found)
	assert.Zero(t, db.Stats().InUse)
}

// A lookup that the server is at work for is given up with its context.
func TestPostgresLookupGivenUp(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (k int8)", "INSERT INTO t VALUES (1)")
	find := LookupSQL[int, string](db, "SELECT k, pg_sleep(3600)::text FROM t WHERE k IN (?)")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	time.AfterFunc(50*time.Millisecond, func() { cancel(errBoom) })
	_, err := find(ctx, []int{1})
	require.Equal(t, errBoom, err)
	assert.Zero(t, db.Stats().InUse)
}

// A join with a table is the plain loop, alone and in a pool whose workers ask at once.
func TestPostgresJoin(t *testing.T) {
	const rows = 300
	db := pgtest.DB(t, "CREATE TABLE t (id int8 PRIMARY KEY, square int8)",
		fmt.Sprintf("INSERT INTO t SELECT n, n::int8 * n FROM generate_series(1, %d) n", rows))
	self := func(v int) int { return v }
	rapid.Check(t, func(r *rapid.T) {
		from, n := rapid.IntRange(-50, rows).Draw(r, "from"), rapid.IntRange(0, 400).Draw(r, "n")
		cache, batch := rapid.IntRange(1, 500).Draw(r, "cache"), rapid.IntRange(1, 100).Draw(r, "batch")
		lookup := stage.LookupBatch(LookupSQL[int, int64](db, "SELECT id, square FROM t WHERE id IN (?)"), cache)
		want := []stage.Pair[int, int64]{}
		for v := max(from, 1); v < min(from+n, rows+1); v++ {
			want = append(want, stage.Pair[int, int64]{First: v, Second: int64(v) * int64(v)})
		}
		got, err := stage.JoinBatch(Range(from, from+n), batch, self, lookup).Collect(r.Context())
		require.NoError(r, err)
		require.Equal(r, want, append([]stage.Pair[int, int64]{}, got...))
		p := pool.New(rapid.IntRange(1, 4).Draw(r, "workers"))
		got, err = pool.MapChunks(p, Range(from, from+n), stage.MatchingBatch(self, lookup), pool.ChunkSize(batch)).Collect(r.Context())
		p.Close()
		require.NoError(r, errors.Join(err, p.Wait()))
		require.Equal(r, want, append([]stage.Pair[int, int64]{}, got...))
		require.Zero(r, db.Stats().InUse)
	})
}
