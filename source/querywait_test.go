package source

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// slow is a driver whose result is what a channel delivers, until that is closed.
type slow struct {
	rows   chan int64
	asked  atomic.Int64 // calls of Next
	closed atomic.Int64 // results
	ctx    context.Context
}

func (s *slow) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s *slow) Driver() driver.Driver                        { return nil }
func (s *slow) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (s *slow) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (s *slow) Close() error                                 { return nil }

func (s *slow) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	s.ctx = ctx
	return slowRows{s}, nil
}

type slowRows struct{ *slow }

func (r slowRows) Columns() []string { return []string{"n"} }

func (r slowRows) Close() error {
	r.closed.Add(1)
	return nil
}

func (r slowRows) Next(dest []driver.Value) error {
	r.asked.Add(1)
	select {
	case n, ok := <-r.rows:
		if !ok {
			return io.EOF
		}
		if n < 0 {
			return errBoom
		}
		dest[0] = n
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// slowly runs a test with an opened query of a slow driver.
func slowly(t *testing.T, rows int, fn func(t *testing.T, s *slow, p stage.Puller[int])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{rows: make(chan int64, rows)}
		db := sql.OpenDB(s)
		defer func() { require.NoError(t, db.Close()) }()
		p, err := Query[int](db, "q").Open(t.Context())
		require.NoError(t, err)
		fn(t, s, p)
		require.NoError(t, p.Close())
		assert.EqualValues(t, 1, s.closed.Load())
		assert.Zero(t, db.Stats().InUse)
	})
}

func TestQueryReadsNothingAhead(t *testing.T) {
	slowly(t, 9, func(t *testing.T, s *slow, p stage.Puller[int]) { //nolint:thelper // the test itself
		for n := range int64(9) {
			s.rows <- n
		}
		var c stage.Chunk[int]
		for i, want := range [][]int{{0, 1, 2}, {3}, {4, 5}} {
			require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: len(want)}))
			require.Equal(t, want, c.Items)
			synctest.Wait()
			assert.Equal(t, []int64{3, 4, 6}[i], s.asked.Load())
		}
	})
}

func TestQueryHandsOnWhatItHas(t *testing.T) {
	slowly(t, 9, func(t *testing.T, s *slow, p stage.Puller[int]) { //nolint:thelper // the test itself
		var c stage.Chunk[int]
		s.rows <- 1
		s.rows <- 2
		start := time.Now()
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 5}))
		assert.Equal(t, []int{1, 2}, c.Items)
		assert.Equal(t, patience, time.Since(start))

		// The row that is on its way comes first, and no other is asked for.
		s.rows <- 3
		s.rows <- 4
		synctest.Wait()
		assert.EqualValues(t, 3, s.asked.Load())
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 5}))
		assert.Equal(t, []int{3}, c.Items)

		// A pull that finds nothing waits for one row only.
		go func() {
			time.Sleep(time.Hour)
			s.rows <- 5
			s.rows <- 6
			close(s.rows)
		}()
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 1}))
		assert.Equal(t, []int{4}, c.Items)
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 5}))
		assert.Equal(t, []int{5}, c.Items)
		require.Equal(t, io.EOF, p.Pull(t.Context(), &c, stage.Limit{Items: 5}))
		assert.Equal(t, []int{6}, c.Items)
		require.Equal(t, io.EOF, p.Pull(t.Context(), &c, stage.Limit{Items: 5}))
	})
}

func TestQueryInterruptedPullLosesNothing(t *testing.T) {
	slowly(t, 9, func(t *testing.T, s *slow, p stage.Puller[int]) { //nolint:thelper // the test itself
		var c stage.Chunk[int]
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Minute)
			cancel(errBoom)
		}()
		require.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{Items: 5}), errBoom)
		require.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{Items: 5}), errBoom)
		s.rows <- 1
		s.rows <- 2
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 5}))
		assert.Equal(t, []int{1}, c.Items)
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 1}))
		assert.Equal(t, []int{2}, c.Items)
		s.rows <- -1
		err := p.Pull(t.Context(), &c, stage.Limit{Items: 5})
		require.ErrorIs(t, err, errBoom)
		require.EqualError(t, err, `source: query "q": row 3: boom`)
	})
}

func TestQueryClosedWhileTheDriverWaits(t *testing.T) {
	slowly(t, 9, func(t *testing.T, s *slow, p stage.Puller[int]) { //nolint:thelper // the test itself
		var c stage.Chunk[int]
		s.rows <- 1
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 5}))
		synctest.Wait()
		assert.EqualValues(t, 2, s.asked.Load(), "a row is on its way")
	})
}

func TestQueryOfSQLiteIsInterrupted(t *testing.T) {
	db := database(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	// The second row never comes.
	s := Query[int](db, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i = 1")
	var got []int
	var err error
	for n, e := range s.All(ctx) {
		if e != nil {
			err = e
			break
		}
		got = append(got, n)
		cancel(errBoom)
	}
	require.ErrorIs(t, err, errBoom)
	assert.Equal(t, []int{1}, got)
	for n, e := range s.All(t.Context()) {
		require.NoError(t, e)
		assert.Equal(t, 1, n)
		break // while the driver looks for the next row
	}
	assert.Zero(t, db.Stats().InUse)
}
