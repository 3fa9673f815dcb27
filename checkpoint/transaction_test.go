package checkpoint

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noTransaction fails whatever is asked of it.
type noTransaction struct{}

func (noTransaction) Execute(context.Context, string, ...any) (int64, error) { return 0, sql.ErrTxDone }

func (noTransaction) ReadRow(context.Context, []any, string, ...any) error { return sql.ErrTxDone }

// SQLite has no transactions of PostgreSQL.
func TestInDatabaseOf(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "c.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	table := NewTable(db, "c", "job")
	_, err = table.InDatabaseOf(t.Context(), noTransaction{})
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, table.SaveOn(t.Context(), noTransaction{}, sample(1)), ErrClosed)
	require.NoError(t, table.Open(t.Context()))
	there, err := table.InDatabaseOf(t.Context(), noTransaction{})
	require.NoError(t, err)
	assert.False(t, there)
	err = table.SaveOn(t.Context(), noTransaction{}, sample(1))
	require.ErrorIs(t, err, sql.ErrTxDone)
	require.ErrorContains(t, err, "saving epoch 1")
}
