//go:build postgres

package sink

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/pgtest"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Runs that fail at each item in turn, and go on, write each row once; so does one
// whose connection is ended while its transaction is open.
func TestPostgresExactlyOnce(t *testing.T) {
	const n = 40
	for _, kills := range []bool{false, true} {
		db := pgtest.DB(t, "CREATE TABLE t (n int8 PRIMARY KEY)")
		for at := 1; ; at++ {
			require.Less(t, at, 1000)
			came := 0
			rows := stage.Map(source.Range(0, n), func(ctx context.Context, v int) (small, error) {
				if came++; came == 10 {
					if !kills {
						return small{}, errBoom
					}
					_, err := db.ExecContext(ctx, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
						WHERE pid <> pg_backend_pid() AND application_name = current_setting('application_name')`)
					return small{v}, err
				}
				return small{v}, nil
			})
			sum, err := stage.Run(t.Context(), rows, SQL[small](db, "t", BatchRows(4)),
				stage.Checkpoint(checkpoint.NewTable(db, "checkpoints", "job"), 1))
			if err == nil {
				assert.Equal(t, stage.ExactlyOnce, sum.Guarantee)
				break
			}
		}
		assert.Equal(t, n, count(t, db, "t"))
	}
}
