//go:build postgres

package source

import (
	"context"
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

func TestPostgresQueryProperty(t *testing.T) {
	const rows = 57
	db := pgtest.DB(t, "CREATE TABLE t (id int8 PRIMARY KEY, square int8)",
		fmt.Sprintf("INSERT INTO t SELECT n, n * n FROM generate_series(1, %d) n", rows))
	rapid.Check(t, func(r *rapid.T) {
		from := rapid.Int64Range(0, rows).Draw(r, "from")
		opts := []QueryOption{Args(from)}
		if page := rapid.IntRange(0, rows+1).Draw(r, "page"); page > 0 {
			opts = append(opts, Key("id"), PageRows(page))
		}
		s := Query[square](db, "SELECT square, id FROM t WHERE id > $1", opts...)
		want := squares(from+1, rows)
		require.Equal(r, want, all(r, s, stage.Limit{Items: rapid.IntRange(0, rows+1).Draw(r, "items")}))

		p := pool.New(rapid.IntRange(1, 3).Draw(r, "workers"))
		defer p.Close()
		opt := pool.ChunkSize(rapid.IntRange(0, 20).Draw(r, "chunk"))
		got, err := pool.ImapUnordered(p, s, stage.Pure(func(s square) square { return s }), opt).Collect(t.Context())
		require.NoError(r, err)
		require.ElementsMatch(r, want, got)
		require.Zero(r, db.Stats().InUse)
	})
}

func TestPostgresQueryKeysOfManyTypes(t *testing.T) {
	db := pgtest.DB(t, `CREATE TABLE t AS SELECT n::int8, n::int2 AS i2, n / 3.0::float4 AS f4, n / 3.0::float8 AS f8, n / 3.0 AS num,
		chr(200 + n::int) AS s, decode(lpad(to_hex(n), 2, '0'), 'hex') AS raw, '2001-02-03'::timestamptz + n * interval '1 microsecond' AS at,
		'2001-02-03'::timestamp + n * interval '1 microsecond' AS ts, '2001-02-03'::date + n::int AS day,
		lpad(n::text, 32, '0')::uuid AS id, n % 2 = 0 AS even FROM generate_series(1, 20) n`)
	for page, key := range [][]string{{"n"}, {"i2"}, {"f4"}, {"f8"}, {"num"}, {"s"}, {"raw"}, {"at"}, {"ts"}, {"day"}, {"id"}, {"even", "n"}} {
		const query = "SELECT n, i2, f4, f8, num, s, raw, at, ts, day, id, even FROM t -- all"
		type item struct {
			N  int       `db:"n"`
			At time.Time `db:"at"`
		}
		r := read(t, Query[item](db, query, Key(key...), PageRows(page+1)), stage.Limit{Items: 1})
		require.NoError(t, r.err, key)
		require.Len(t, r.items, 20, key)
		for i := range r.items {
			rest := all(t, Query[item](db, query, Key(key...), After(r.places[i])), stage.Limit{})
			require.Equal(t, r.items[i:], rest, key)
		}
	}
}

func TestPostgresQueryErrors(t *testing.T) {
	db := pgtest.DB(t, "CREATE TABLE t (id int8, square int8)", "INSERT INTO t VALUES (1, 1), (2, NULL), (3, 9), (NULL, 16), (5, 25)")
	const query = "SELECT id, square FROM t"
	r := read(t, Query[square](db, query), stage.Limit{})
	require.NoError(t, r.err)
	assert.Equal(t, "ieiei", r.order)
	require.ErrorContains(t, r.errs[0], `source: item 1: query "SELECT id, square FROM t": row 2: sql: Scan error on column index 1, name "square"`)
	for s, want := range map[*stage.Stream[square]]string{
		new(Query[square](db, query, Key("id"))):                            errNullKey.Error(),
		new(Query[square](db, query, Key(`id" OR true; DROP TABLE t; --`))): "does not exist",
		new(Query[square](db, "SELECT id FROM nowhere")):                    `relation "nowhere" does not exist`,
	} {
		_, err := s.Open(t.Context())
		require.ErrorContains(t, err, want)
		assert.Zero(t, db.Stats().InUse)
	}
	r = read(t, Query[square](db, "SELECT n AS id, 10 / (5 - n) AS square FROM generate_series(1, 9) n"), stage.Limit{Items: 2})
	require.ErrorContains(t, r.err, `row 5: ERROR: division by zero`)
	assert.Len(t, r.items, 4)
}

// A backend that dies fails the stream, after the rows that had come.
func TestPostgresQueryConnectionLost(t *testing.T) {
	db := pgtest.DB(t)
	s := Query[int64](db, "SELECT CASE WHEN n = 50000 THEN pg_terminate_backend(pg_backend_pid())::int ELSE n END FROM generate_series(1, 100000) n")
	r := read(t, s, stage.Limit{Items: 1000})
	require.ErrorContains(t, r.err, "terminating connection")
	require.ErrorContains(t, r.err, fmt.Sprintf(": row %d: ", len(r.items)+1))
	for i, n := range r.items[:min(len(r.items), 49_999)] {
		require.EqualValues(t, i+1, n)
	}
	assert.Zero(t, db.Stats().InUse)
}

// A query that is left while the server is at work is not waited for.
func TestPostgresQueryLeftEarly(t *testing.T) {
	db := pgtest.DB(t)
	// The server sends what it has when that is more than 8 KiB.
	s := Query[string](db, "SELECT repeat('x', 20000) || pg_sleep(CASE WHEN n = 4 THEN 3600 ELSE 0 END)::text FROM generate_series(1, 9) n")
	for text, err := range s.All(t.Context()) {
		require.NoError(t, err)
		assert.Len(t, text, 20_000)
		break
	}
	assert.Zero(t, db.Stats().InUse)

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	n := 0
	var end error
	for _, err := range s.All(ctx) {
		if end = err; err == nil {
			n++
			cancel(errBoom)
		}
	}
	require.ErrorIs(t, end, errBoom)
	assert.Positive(t, n)
	assert.Zero(t, db.Stats().InUse)
}
