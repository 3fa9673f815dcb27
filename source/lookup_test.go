package source

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

const squaresOf = "SELECT id AS k, id, square FROM t WHERE id IN (?);"

// The rows of all keys that there are come, whatever the number of keys and the database's
// limit.
func TestLookupSQLProperty(t *testing.T) {
	const rows = 2000
	db := numbered(t, rows)
	for name, opts := range map[string][]QueryOption{"sqlite": nil, "dollars": {Dialect("postgres")}, "unknown": {unknownDialect()}} {
		t.Run(name, func(t *testing.T) {
			find := LookupSQL[int64, square](db, squaresOf, opts...)
			rapid.Check(t, func(r *rapid.T) {
				n := rapid.SampledFrom([]int{0, 1, 2, 3, 5, 998, 999, 1000, 1500}).Draw(r, "n")
				keys := make([]int64, n)
				want := map[int64]square{}
				from := rapid.Int64Range(-5, rows).Draw(r, "from")
				for i := range keys {
					k := from + int64(i)
					if keys[i] = k; k >= 1 && k <= rows {
						want[k] = square{k, k * k}
					}
				}
				got, err := find(r.Context(), keys)
				require.NoError(r, err)
				assert.Equal(r, want, got)
			})
		})
	}
}

func unknownDialect() QueryOption { return queryOption(func(q *queryPlan) { q.dialect = nil }) }

// A join with a table, alone and in a pool.
func TestJoinWithATable(t *testing.T) {
	db := numbered(t, 100)
	lookup := stage.LookupBatch(LookupSQL[int, int64](db, "SELECT id, square FROM t WHERE id IN (?)"), 50)
	want := make([]stage.Pair[int, int64], 100)
	for i := range want {
		want[i] = stage.Pair[int, int64]{First: i + 1, Second: int64(i+1) * int64(i+1)}
	}
	self := func(v int) int { return v }
	got, err := stage.JoinBatch(Range(-10, 200), 100, self, lookup).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, got)
	p := pool.New(2)
	defer p.Close()
	got, err = pool.MapChunks(p, Range(-10, 200), stage.MatchingBatch(self, lookup), pool.ChunkSize(7)).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// token scans itself.
type token [4]byte

// Scan implements sql.Scanner.
func (k *token) Scan(src any) error {
	s, ok := src.(string)
	if !ok || len(s) != 4 {
		return fmt.Errorf("%v is no token", src)
	}
	if s == "boom" {
		panic("boom")
	}
	copy(k[:], s)
	return nil
}

// code is a key that scans itself and is a value of the database's.
type code string //nolint:recvcheck // as Scanner and Valuer want it

// Scan implements sql.Scanner.
func (c *code) Scan(src any) error {
	*c = code(fmt.Sprint(src))
	return nil
}

// Value implements driver.Valuer.
func (c code) Value() (driver.Value, error) { return string(c), nil }

func TestLookupSQLScanners(t *testing.T) {
	db := database(t, "CREATE TABLE t (k TEXT, v INTEGER)", "INSERT INTO t VALUES ('gate', 1), ('pump', 2)")
	text := LookupSQL[string, sql.Null[int]](db, "SELECT k, v FROM t WHERE k IN (?)")
	found, err := text(t.Context(), []string{"pump", "none"})
	require.NoError(t, err)
	assert.Equal(t, map[string]sql.Null[int]{"pump": {V: 2, Valid: true}}, found)
	tokens, err := LookupSQL[int, token](db, "SELECT v, k FROM t WHERE v IN (?)")(t.Context(), []int{1, 2})
	require.NoError(t, err)
	assert.Equal(t, map[int]token{1: {'g', 'a', 't', 'e'}, 2: {'p', 'u', 'm', 'p'}}, tokens)
	coded, err := LookupSQL[code, int](db, "SELECT k, v FROM t WHERE k IN (?)")(t.Context(), []code{"pump"})
	require.NoError(t, err)
	assert.Equal(t, map[code]int{"pump": 2}, coded)
	first := database(t, "CREATE TABLE t (k TEXT, v INTEGER)", "INSERT INTO t VALUES ('boom', 1)")
	assert.Panics(t, func() {
		_, _ = LookupSQL[int, token](first, "SELECT v, k FROM t WHERE v IN (?)")(t.Context(), []int{1})
	})
	require.NoError(t, first.PingContext(t.Context()), "no connection is kept")
}

func TestLookupSQLFailures(t *testing.T) {
	db := database(t, "CREATE TABLE t (k INTEGER, v TEXT)", "INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, 'a'), (3, 'b')")
	find := LookupSQL[int, string](db, "SELECT k, v FROM t WHERE k IN (?)")
	for message, err := range map[string]error{
		"row 1: ":                  second(find(t.Context(), []int{2})),
		"row 2: key 3 comes twice": second(find(t.Context(), []int{3})),
		"the result has 1 columns, want the key and those of the value": second(
			LookupSQL[int, string](db, "SELECT k FROM t WHERE k IN (?)")(t.Context(), []int{1})),
		`missing column "square"`: second(LookupSQL[int, square](db, "SELECT k, k AS id FROM t WHERE k IN (?)")(t.Context(), []int{1})),
		"no such table":           second(LookupSQL[int, int](db, "SELECT k, v FROM missing WHERE k IN (?)")(t.Context(), []int{1})),
	} {
		assert.ErrorContains(t, err, message)
		assert.ErrorContains(t, err, `source: query "SELECT `)
		var failed *QueryError
		assert.ErrorAs(t, err, &failed)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err := find(ctx, []int{1})
	assert.EqualError(t, err, "enough")
}

func second[A any](_ A, err error) error { return err }

func TestLookupSQLArguments(t *testing.T) {
	db := numbered(t, 1)
	for message, fn := range map[string]func(){
		"penstock: source.LookupSQL: db is nil":                  func() { LookupSQL[int, int](nil, squaresOf) },
		"penstock: source.LookupSQL: query has 0 (?), want one":  func() { LookupSQL[int, int](db, "SELECT 1, 2") },
		"penstock: source.LookupSQL: query has 2 (?), want one":  func() { LookupSQL[int, int](db, "SELECT (?), (?)") },
		"penstock: source.LookupSQL: an option is nil":           func() { LookupSQL[int, int](db, squaresOf, nil) },
		"penstock: source.LookupSQL: its only option is Dialect": func() { LookupSQL[int, int](db, squaresOf, Args(1)) },
		"penstock: source.LookupSQL: K is source.square, want what a column can be scanned into": func() {
			LookupSQL[square, int](db, squaresOf)
		},
		"penstock: source.LookupSQL: V is chan int, want a struct or what a column can be scanned into": func() {
			LookupSQL[int, chan int](db, squaresOf)
		},
	} {
		assert.PanicsWithValue(t, message, fn)
	}
}
