//go:build postgres

package sink

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/pgtest"
	"github.com/penstock-go/penstock/stage"
)

// proxied is a database with an empty table t, and the proxy that its connections go
// through.
func proxied(t *testing.T) (*sql.DB, *pgtest.Proxy) {
	t.Helper()
	config := pgtest.Config(t)
	pgtest.Execute(t, config, "CREATE TABLE t (n int8)")
	proxy := pgtest.NewProxy(t, config)
	db := stdlib.OpenDB(*proxy.Config())
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db, proxy
}

// cutCommit is a hook that cuts the n-th COMMIT off, and counts them.
func cutCommit(n int, seen *int) func(pgtest.Round) bool {
	return func(r pgtest.Round) bool {
		if r.Commits() {
			*seen++
		}
		return r.Commits() && *seen == n
	}
}

// rowsOnce is what t holds of n rows that were written once, in order.
func rowsOnce(n int) (want []int) {
	for i := range n {
		want = append(want, i)
	}
	return want
}

func numbers(t *testing.T, db *sql.DB) (got []int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT n FROM t ORDER BY n")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var n int
		require.NoError(t, rows.Scan(&n))
		got = append(got, n)
	}
	require.NoError(t, rows.Err())
	return got
}

// Whichever COMMIT is cut off, before the server or behind it, the run finds out what
// became of it: each row is there once. Behind it the run does not even fail.
func TestPostgresCommitIsCutOff(t *testing.T) {
	const n = 25
	for _, behind := range []bool{false, true} {
		for at := 1; ; at++ {
			db, proxy := proxied(t)
			job := func() error {
				sum, err := stage.Run(t.Context(), rowsOf(0, n), SQL[small](db, "t", BatchRows(4)),
					stage.Checkpoint(checkpoint.NewTable(db, "checkpoints", "job"), 1))
				if err == nil {
					assert.Equal(t, stage.ExactlyOnce, sum.Guarantee)
				}
				return err
			}
			seen := 0
			if behind {
				proxy.Hook(nil, cutCommit(at, &seen))
			} else {
				proxy.Hook(cutCommit(at, &seen), nil)
			}
			err := job()
			proxy.Hook(nil, nil)
			if seen < at {
				require.NoError(t, err)
				require.Greater(t, at, 5, "nothing was cut")
				break
			}
			require.Equal(t, behind, err == nil, "%v", err)
			if err != nil {
				require.NoError(t, job(), "commit %d", at)
			}
			require.Equal(t, rowsOnce(n), numbers(t, db), "behind the server: %t, commit %d", behind, at)
		}
	}
}

// Without asking the table what became of a COMMIT, rows get lost.
func TestPostgresCommitIsCutOffAndNobodyAsks(t *testing.T) {
	const n = 25
	believes := sqlOption(func(s *sqlSink) { s.without = sqlLack{verify: true} })
	db, proxy := proxied(t)
	seen := 0
	proxy.Hook(cutCommit(2, &seen), nil)
	_, err := stage.Run(t.Context(), rowsOf(0, n), SQL[small](db, "t", BatchRows(4), believes),
		stage.Checkpoint(checkpoint.NewTable(db, "checkpoints", "job"), 1))
	require.NoError(t, err)
	proxy.Hook(nil, nil)
	assert.Less(t, len(numbers(t, db)), n, "all rows are there, though a commit was not")
}

// With the checkpoint in another place than the rows, a commit whose reply is lost
// writes rows twice.
func TestPostgresCommitIsCutOffFromAnotherStore(t *testing.T) {
	const n = 25
	db, proxy := proxied(t)
	store := checkpoint.File(filepath.Join(t.TempDir(), "job"))
	job := func() error {
		sum, err := stage.Run(t.Context(), rowsOf(0, n), SQL[small](db, "t", BatchRows(4)), stage.Checkpoint(store, 1))
		if err == nil {
			assert.Equal(t, stage.AtLeastOnce, sum.Guarantee)
		}
		return err
	}
	seen := 0
	proxy.Hook(nil, cutCommit(2, &seen))
	require.Error(t, job())
	proxy.Hook(nil, nil)
	require.NoError(t, job())
	got := numbers(t, db)
	assert.Subset(t, got, rowsOnce(n), "each row came at least once")
	assert.Greater(t, len(got), n, "no row came twice")
}
