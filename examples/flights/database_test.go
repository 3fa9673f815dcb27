package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/examples/internal/letters"
)

// makeSQL opens a database that need not exist.
func makeSQL(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", uri(path, nil))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// filled is a database with a row and a dead-letter file that are not swapped in.
func filled(t *testing.T, out string) *database {
	t.Helper()
	d, err := openDatabase(t.Context(), out)
	require.NoError(t, err)
	_, err = d.db.ExecContext(t.Context(), "INSERT INTO flights VALUES ('2001-01-01 05:00', 1, 337, 'SFO', 'LAX', 'short', 'on time')")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(d.newRejected(), []byte("{}\n"), 0o600))
	return d
}

// Whatever keeps the swap from being done, what was there stays.
func TestSwapFails(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context //nolint:containedctx // one of a case
		rows int64
		set  func(*testing.T, *database)
		want string
	}{
		{"interrupted", cancelled, 1, nil, "context canceled"},
		{"rows are missing", t.Context(), 2, nil, "got 1 rows of 2"},
		{"no dead letters", t.Context(), 1, func(t *testing.T, d *database) {
			t.Helper()
			require.NoError(t, os.Remove(d.newRejected()))
		}, "no such file"},
		{"an output that came meanwhile", t.Context(), 1, func(t *testing.T, d *database) {
			t.Helper()
			require.NoError(t, os.Mkdir(letters.File(d.target), 0o700))
			t.Cleanup(func() { require.NoError(t, os.Remove(letters.File(d.target))) })
		}, "file exists"},
	} {
		for _, fresh := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				folder := t.TempDir()
				out := filepath.Join(folder, "flights.db")
				var names []string
				if !fresh {
					d := filled(t, out)
					require.NoError(t, d.swap(t.Context(), 1))
					require.NoError(t, d.close())
					require.NoError(t, os.Remove(letters.File(out)))
					names = []string{"flights.db"}
				}
				d := filled(t, out)
				if c.set != nil {
					c.set(t, d)
				}
				require.ErrorContains(t, d.swap(c.ctx, c.rows), c.want)
				require.NoError(t, d.close())
				if !fresh {
					assert.Len(t, stored(t, out), 1)
				}
				if c.set == nil {
					assert.Equal(t, names, files(t, folder))
				}
			})
		}
	}
}

// Two runs at once do not mix: each swaps in its own.
func TestTwoAtOnce(t *testing.T) {
	out := filepath.Join(t.TempDir(), "flights.db")
	a, b := filled(t, out), filled(t, out)
	require.NoError(t, a.swap(t.Context(), 1))
	require.NoError(t, b.swap(t.Context(), 1))
	require.NoError(t, a.close())
	require.NoError(t, b.close())
	assert.Len(t, stored(t, out), 1)
}

// Who has the database locked is met before the work, and once more after it.
func TestLocked(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = 0
	folder, j, before := small(t)
	names := files(t, folder)
	other := makeSQL(t, j.out)
	other.SetMaxOpenConns(1)

	_, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	res, err := j.run(t.Context(), func(Flight) {})
	require.ErrorContains(t, err, "flights.db: database is locked")
	assert.Zero(t, res.Read)
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)

	locked := false
	res, err = j.run(t.Context(), func(Flight) {
		if !locked {
			_, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
			require.NoError(t, err)
			locked = true
		}
	})
	require.ErrorContains(t, err, "flights.db: database is locked")
	assert.EqualValues(t, 20, res.Written)
	assert.False(t, res.swapped)
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	assert.Equal(t, before, stored(t, j.out))
	assert.Equal(t, names, files(t, folder))
}
