package source

import (
	"database/sql"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

// A run can be taken up at every chunk, with other chunks and pages.
func TestQueryAfterProperty(t *testing.T) {
	const rows = 40
	db := numbered(t, rows)
	rapid.Check(t, func(r *rapid.T) {
		size := func(what string) int { return rapid.IntRange(1, rows+1).Draw(r, what) }
		query := func(opts ...QueryOption) stage.Stream[square] {
			return Query[square](db, "SELECT id, square FROM t WHERE square <> ?", append(opts, Args(49), Key("id"), PageRows(size("page")))...)
		}
		want := all(r, query(), stage.Limit{})
		require.Len(r, want, rows-1)
		ctx := t.Context()
		p, err := query().Open(ctx)
		require.NoError(r, err)
		defer func() { require.NoError(r, p.Close()) }()
		var c stage.Chunk[square]
		seen := 0
		for range rapid.IntRange(1, 5).Draw(r, "chunks") {
			err := p.Pull(ctx, &c, stage.Limit{Items: size("items")})
			if err != io.EOF {
				require.NoError(r, err)
			}
			if err == io.EOF && len(c.Items) == 0 {
				break
			}
			require.Len(r, c.Tokens, 1)
			at := c.Tokens[0].At
			require.EqualValues(r, seen, at.Record)
			rest := read(r, query(After(at)), stage.Limit{Items: size("rest")})
			require.NoError(r, rest.err)
			require.Equal(r, want[seen:], rest.items)
			require.EqualValues(r, seen, rest.places[0].Record)
			seen += len(c.Items)
			if err == io.EOF {
				break
			}
		}
	})
}

func TestQueryKeysOfManyTypes(t *testing.T) {
	db := database(t, "CREATE TABLE t (i, f REAL, s TEXT, b BLOB, d DATETIME, y BOOLEAN, n INTEGER PRIMARY KEY)")
	for i := range 20 {
		bytes := []byte{byte(i), 0}
		if i == 0 {
			bytes = []byte{}
		}
		_, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", math.MaxInt64-i, float64(i)/3,
			fmt.Sprintf("%02d\xff\x00", i), bytes, fmt.Sprintf("2001-01-%02d 01:02:03", i+1), i%2 == 0, i)
		require.NoError(t, err)
	}
	type item struct {
		N int       `db:"n"`
		D time.Time `db:"d"`
	}
	for page, key := range [][]string{{"b"}, {"i"}, {"f"}, {"s"}, {"d"}, {"n"}, {"y", "n"}, {"y", "s", "f"}} {
		page++
		s := Query[item](db, "SELECT n, d, i, f, s, b, y FROM t", Key(key...), PageRows(page))
		r := read(t, s, stage.Limit{Items: 1}) // so that each row's place is a chunk's
		require.NoError(t, r.err, key)
		seen := make(map[int]bool)
		for i, it := range r.items {
			seen[it.N] = true
			assert.Equal(t, it.N+1, it.D.Day())
			rest := all(t, Query[item](db, "SELECT n, d, i, f, s, b, y FROM t", Key(key...), After(r.places[i])), stage.Limit{})
			require.Equal(t, r.items[i:], rest, key)
		}
		assert.Len(t, seen, 20, key)
		assert.Len(t, r.items, 20, key)
	}
}

func TestQueryKeyErrors(t *testing.T) {
	db := database(t, "CREATE TABLE t (id, square DEFAULT 0)", "INSERT INTO t (id) VALUES (1), (2), (3), (3), (4)",
		"CREATE TABLE u (id, square DEFAULT 0)", "INSERT INTO u (id) VALUES (1), (NULL), (2)")
	for page := 1; page < 7; page++ { // inside of a page and at its border
		r := read(t, Query[square](db, "SELECT id, square FROM t", Key("id"), PageRows(page)), stage.Limit{})
		require.ErrorIs(t, r.err, errSameKey)
		require.EqualError(t, r.err, `source: query "SELECT id, square FROM t": row 4: `+errSameKey.Error())
		assert.Len(t, r.items, 3)
	}
	for _, c := range []struct {
		s    stage.Stream[square]
		want string
	}{
		{Query[square](db, "SELECT id, square FROM u", Key("id")), `source: query "SELECT id, square FROM u": the key is NULL, and so has no place in the order`},
		{Query[square](db, "SELECT id, square FROM t", Key("nokey")), "no such column: q.nokey"},
		{Query[square](db, "SELECT id, square FROM t", Key("n\x00k")), `column name "n\x00k" holds a NUL byte`},
		{Query[square](db, "SELECT id, square FROM t", Key("id) OR 1=1; --")), "no such column"},
		{Query[square](db, "SELECT id FROM t", Key("id")), `missing column "square"; there are "id"`},
		{Query[square](db, "SELECT id, square FROM t", Key("id"), After(stage.Position{Key: "x"})), `After: key "x": not a key of a query`},
		{Query[square](db, "SELECT id, square FROM t", Key("id"), After(stage.Position{Key: "[1,2]"})), `After: key "[1,2]": it has 2 values, want 1`},
		{Query[square](db, "SELECT id, square FROM t", Key("id"), After(stage.Position{Record: 1})), `After: a position at record 1 without a key`},
	} {
		_, err := c.s.Open(t.Context())
		require.ErrorContains(t, err, c.want)
	}
	wrapped := sql.OpenDB(&slow{})
	_, err := Query[int](wrapped, "q", Key("n")).Open(t.Context())
	require.EqualError(t, err, `source: query "q": Key: it is not known what database the driver is for: name it with source.Dialect`)
	require.NoError(t, wrapped.Close())
}

// Between pages the query has no connection, and rows that it is yet to come to
// may be written.
func TestQueryPagesHoldNothing(t *testing.T) {
	db := numbered(t, 5)
	db.SetMaxOpenConns(1)
	var got []square
	for s, err := range Query[square](db, "SELECT id, square FROM t", Key("id"), PageRows(2)).All(t.Context()) {
		require.NoError(t, err)
		got = append(got, s)
		if s.ID < 5 {
			execute(t, db, fmt.Sprintf("INSERT INTO t VALUES (%d, %d)", s.ID+10, (s.ID+10)*(s.ID+10)), fmt.Sprintf("DELETE FROM t WHERE id = %d", s.ID))
		}
		if len(got) == 8 {
			break
		}
	}
	assert.Equal(t, append(squares(1, 5), squares(11, 13)...), got)
	assert.Zero(t, db.Stats().InUse)
}

func FuzzQueryKey(f *testing.F) {
	for _, key := range [][]any{
		{int64(math.MinInt64)}, {"a\"b", "\xff"}, {[]byte{0, 1}, true}, {math.Inf(1), 0.1}, {time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)},
	} {
		text := encodeKey(key)
		got, err := decodeKey(text)
		require.NoError(f, err)
		require.Equal(f, key, got)
		f.Add(text)
	}
	for _, text := range []string{"", "[]", "[1.5]", "[null]", `[{"float":"x"}]`, `[{"float":"1","text":""}]`, "[1] 2", `[{"time":1}]`, `[[1]]`, `{"a":1}`, "[99999999999999999999]"} {
		_, err := decodeKey(text)
		require.ErrorIs(f, err, errKey, text)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := decodeKey(text)
		if err != nil {
			require.ErrorIs(t, err, errKey)
			return
		}
		again, err := decodeKey(encodeKey(key))
		require.NoError(t, err)
		require.Equal(t, encodeKey(key), encodeKey(again))
	})
}
