//go:build postgres

package checkpoint

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/pgtest"
)

func TestTablePostgres(t *testing.T) {
	tableTests(t, func(t *testing.T) *sql.DB {
		t.Helper()
		return pgtest.DB(t)
	})
}

// waiting waits until a statement on the table waits for a lock.
func waiting(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n := 0; n == 0; {
		require.NoError(t, db.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE wait_event_type = 'Lock' AND query LIKE '%"waits"%' AND pid <> pg_backend_pid()`).Scan(&n))
	}
}

// A run that takes over, and one that verifies, wait for the transaction that has
// saved and not ended.
func TestTablePostgresWaits(t *testing.T) {
	db, ctx := pgtest.DB(t), t.Context()
	old, young := NewTable(db, "waits", "job"), NewTable(db, "waits", "job")
	require.NoError(t, old.Open(ctx))
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"verify", func() error {
			ok, err := old.Verify(ctx, 1)
			assert.True(t, ok)
			return err
		}},
		{"open", func() error { return young.Open(ctx) }},
	} {
		epoch := map[string]uint64{"verify": 1, "open": 2}[c.what]
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		require.NoError(t, old.SaveIn(ctx, tx, sample(epoch)))
		done := make(chan error)
		go func() { done <- c.do() }()
		waiting(t, db)
		select {
		case err := <-done:
			t.Fatal(c.what, "did not wait:", err)
		default:
		}
		require.NoError(t, tx.Commit())
		require.NoError(t, <-done)
	}
	s, ok, err := young.Load(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	assert.EqualValues(t, 2, s.Epoch)

	// The other way round: the fence goes up while a transaction is about to save.
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	require.NoError(t, err)
	require.NoError(t, old.Open(ctx))
	require.ErrorIs(t, young.SaveIn(ctx, tx, sample(3)), ErrFenced)
	require.NoError(t, tx.Rollback())
}

// The server drops the connection in the middle of the transaction: the save is
// not there, and Verify says so.
func TestTablePostgresConnectionLost(t *testing.T) {
	db, ctx := pgtest.DB(t), t.Context()
	c := NewTable(db, "c", "job")
	require.NoError(t, c.Open(ctx))
	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, c.SaveIn(ctx, tx, sample(1)))
	var pid int
	require.NoError(t, tx.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid))
	var gone bool
	require.NoError(t, db.QueryRowContext(ctx, "SELECT pg_terminate_backend($1, 60000)", pid).Scan(&gone))
	require.True(t, gone)
	require.Error(t, tx.Commit())
	ok, err := c.Verify(ctx, 1)
	require.NoError(t, err)
	assert.False(t, ok)
	require.NoError(t, c.Save(ctx, sample(1)))
	ok, err = c.Verify(ctx, 1)
	require.NoError(t, err)
	assert.True(t, ok)
}
