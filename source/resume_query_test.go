package source

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

func TestQueryResumes(t *testing.T) {
	db := numbered(t, 30)
	for _, rows := range []int{1, 7, 100} {
		s := Query[square](db, "SELECT id, square FROM t WHERE square <> ?", Args(49), Key("id"), PageRows(rows))
		for _, max := range []stage.Limit{{}, {Items: 1}, {Items: 4}} {
			resumes(t, s, stage.Limit{Items: 1}, max)
			resumes(t, s, stage.Limit{Items: 4}, max)
		}
	}
	// Behind another place, and with a row that does not fit.
	execute(t, db, "UPDATE t SET square = 'none' WHERE id = 9")
	after := After(stage.Position{Key: "[3]", Record: 3})
	resumes(t, Query[square](db, "SELECT id, square FROM t", Key("id"), PageRows(3), after), stage.Limit{Items: 2}, stage.Limit{Items: 1})
}

func TestQueryRunsThatCrash(t *testing.T) {
	db := numbered(t, 30)
	s := tiny(Query[square](db, "SELECT id, square FROM t", Key("id"), PageRows(4)))
	var store inMemory
	var got []square
	for {
		err := crashedRun(t.Context(), s, &store, &got, 4)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errCrash)
	}
	require.Equal(t, all(t, Query[square](db, "SELECT id, square FROM t ORDER BY id"), stage.Limit{}), got)
}

func TestQueryFingerprints(t *testing.T) {
	db := numbered(t, 3)
	of := func(query string, opts ...QueryOption) string {
		return printOf(t, Query[square](db, query, append(opts, Key("id"))...))
	}
	const query = "SELECT id, square FROM t WHERE square <> ?"
	was := of(query, Args(1))
	require.JSONEq(t, `{"query":"SELECT id, square FROM t WHERE square <> ?","args":["1"],"key":["id"],"dialect":"sqlite"}`, was)
	require.Equal(t, was, of(query, Args(int64(1)), PageRows(7)))
	require.NotEqual(t, was, of(query, Args(2)))
	require.NotEqual(t, was, of(query, Args("1")))
	require.NotEqual(t, was, of(query+" AND id > 0", Args(1)))
	require.NotEqual(t, was, of(query, Args(1), After(stage.Position{Key: "[1]", Record: 1})))
	require.Equal(t, `n=NULL`, argText(sql.Named("n", nil)))
	require.JSONEq(t, `{"time":"2001-02-03T00:00:00Z"}`, argText(time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC)))
	require.Equal(t, `[]int [1]`, argText([]int{1}))

	var got []square
	err := crashedRun(t.Context(), Query[square](db, "SELECT id, square FROM t"), &inMemory{}, &got, 9)
	require.ErrorIs(t, err, ErrNoResume)
	require.ErrorContains(t, err, `Query: source: query "SELECT id, square FROM t": `)
	require.ErrorContains(t, err, "name a key with source.Key")
}

func TestQuerySeekRefuses(t *testing.T) {
	db := numbered(t, 3)
	for _, at := range []stage.Position{
		{Record: 1}, {Record: 1, Key: "[1"}, {Record: 1, Key: "[1,2]"}, {Record: 2, Key: "[1]"}, {Record: 1, Key: "[1]", Part: 1},
	} {
		_, err := sought(t, Query[square](db, "SELECT id, square FROM t", Key("id")), at, 1)
		require.ErrorContains(t, err, "is no place to go on from", "%+v", at)
	}
}
