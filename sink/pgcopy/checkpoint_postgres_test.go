//go:build postgres

package pgcopy

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/pgtest"
	pp "github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// tableOn is a store behind a pool.
func tableOn(t *testing.T, pool *pgxpool.Pool) *checkpoint.Table {
	t.Helper()
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return checkpoint.NewTable(db, "checkpoints", "job")
}

// commits spoils the commits of transactions.
type commits struct {
	*pgxpool.Pool

	spoil func(tx pgx.Tx) error // instead of the commit
}

func (c commits) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := c.Pool.Begin(ctx)
	return spoiled{tx, c.spoil}, err
}

type spoiled struct {
	pgx.Tx

	spoil func(tx pgx.Tx) error
}

func (s spoiled) Commit(context.Context) error { return s.spoil(s.Tx) }

// Runs that fail at an item, lose their connection, or their commits or only the
// replies to them, and go on, write each row once.
func TestExactlyOnce(t *testing.T) {
	const n = 40
	for name, failing := range map[string]struct {
		atItem func(ctx context.Context, pool *pgxpool.Pool) error
		commit func(nth int, tx pgx.Tx) error
	}{
		"an item": {atItem: func(context.Context, *pgxpool.Pool) error { return errBoom }},
		"connections": {atItem: func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := pool.Exec(ctx, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
				WHERE pid <> pg_backend_pid() AND application_name = current_setting('application_name')`)
			return err
		}},
		"every third commit": {commit: func(nth int, tx pgx.Tx) error {
			if nth%3 == 0 {
				return errBoom
			}
			return tx.Commit(context.Background())
		}},
		"every second reply": {commit: func(nth int, tx pgx.Tx) error {
			if err := tx.Commit(context.Background()); err != nil || nth%2 == 0 {
				return err
			}
			return errBoom
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pool := connect(t, "CREATE TABLE t (n int8 PRIMARY KEY)")
			var db Beginner = pool
			if failing.commit != nil {
				nth := 0
				db = commits{pool, func(tx pgx.Tx) error { nth++; return failing.commit(nth, tx) }}
			}
			runs := 0
			for ; ; runs++ {
				require.Less(t, runs, 100)
				came := 0
				items := stage.Map(oneByOne(n), func(ctx context.Context, v int) (small, error) {
					if came++; came == 10 && failing.atItem != nil {
						return small{v}, failing.atItem(ctx, pool)
					}
					return small{v}, nil
				})
				every := time.Duration(1)
				if name == "connections" && runs == 0 {
					every = time.Hour // there is a COPY under way
				}
				sum, err := stage.Run(t.Context(), items, Sink[small](db, "t", CommitEvery(3)), stage.Checkpoint(tableOn(t, pool), every))
				if err == nil {
					assert.Equal(t, stage.ExactlyOnce, sum.Guarantee)
					break
				}
			}
			if name == "every second reply" {
				assert.Zero(t, runs, "a commit whose reply was lost is found")
			} else {
				assert.Positive(t, runs)
			}
			assert.Equal(t, []int{n}, rows[int](t, pool, "SELECT count(*) FROM t"))
		})
	}
}

// oneByOne are numbers in chunks of one.
func oneByOne(n int) stage.Stream[int] {
	return pp.Imap(nil, source.Range(0, n), stage.Pure(func(v int) int { return v }), pp.ChunkSize(1), pp.InFlight(1))
}

// With the checkpoint elsewhere rows come at least once, and those of a checkpoint are
// committed with it.
func TestAtLeastOnce(t *testing.T) {
	pool, other := connect(t, "CREATE TABLE t (n int8)"), connect(t)
	for name, store := range map[string]checkpoint.Store{
		"a file": checkpoint.File(filepath.Join(t.TempDir(), "job")), "another schema": tableOn(t, other),
	} {
		pgxExec(t, pool, "TRUNCATE t")
		for fails := true; ; fails = false {
			came := 0
			items := stage.Map(oneByOne(20), func(_ context.Context, v int) (small, error) {
				if came++; came == 10 && fails {
					return small{}, errBoom
				}
				return small{v}, nil
			})
			sum, err := stage.Run(t.Context(), items, Sink[small](pool, "t"), stage.Checkpoint(store, 1))
			assert.Equal(t, stage.AtLeastOnce, sum.Guarantee, name)
			if err == nil {
				require.NotNil(t, sum.Resumed, name)
				assert.Positive(t, sum.Resumed.Written, name)
				break
			}
		}
		assert.Equal(t, []int{20}, rows[int](t, pool, "SELECT count(DISTINCT n) FROM t"), name)
	}
}

func pgxExec(t *testing.T, pool *pgxpool.Pool, statement string) {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement)
	require.NoError(t, err)
}

// The caller could undo what a checkpoint speaks of.
func TestNestedTransactionsAreRefused(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (n int8)")
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = stage.Run(t.Context(), source.Slice(smalls(0, 3)), Sink[small](tx, "t"), stage.Checkpoint(tableOn(t, pool), 0))
	require.ErrorIs(t, err, errNested)
	require.NoError(t, tx.Rollback(t.Context()))
}

// A run that has been fenced out leaves no row.
func TestFencedOut(t *testing.T) {
	pool := connect(t, "CREATE TABLE t (n int8)")
	items := stage.Map(oneByOne(10), func(ctx context.Context, v int) (small, error) {
		if v == 5 {
			young := tableOn(t, pool)
			if err := young.Open(ctx); err != nil {
				return small{}, err
			}
		}
		return small{v}, nil
	})
	_, err := stage.Run(t.Context(), items, Sink[small](pool, "t"), stage.Checkpoint(tableOn(t, pool), 0))
	require.ErrorIs(t, err, checkpoint.ErrFenced)
	assert.Equal(t, []int{0}, rows[int](t, pool, "SELECT count(*) FROM t"))
}

// A table is in the database of the data if it is the very same table.
func TestInDatabaseOf(t *testing.T) {
	pool := connect(t)
	table := tableOn(t, pool)
	conn, err := pgx.ConnectConfig(t.Context(), pgtest.Config(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = table.InDatabaseOf(t.Context(), transaction{tx})
	require.ErrorIs(t, err, checkpoint.ErrClosed)
	require.NoError(t, table.Open(t.Context()))
	there, err := table.InDatabaseOf(t.Context(), transaction{tx})
	require.NoError(t, err)
	assert.False(t, there, "in another schema")
	require.NoError(t, tx.Rollback(t.Context()))
	pgxExec(t, pool, "DROP TABLE checkpoints")
	tx, err = pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = table.InDatabaseOf(t.Context(), transaction{tx})
	require.ErrorContains(t, err, "it is gone")
	require.NoError(t, tx.Rollback(t.Context()))
}
