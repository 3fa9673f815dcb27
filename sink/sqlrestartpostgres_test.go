//go:build postgres

package sink

import (
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/pgtest"
	"github.com/penstock-go/penstock/stage"
)

// The server crashes and comes back before it has a COMMIT, while it has it, and
// behind it: in the end each row is there once.
func TestPostgresRestartsAtACommit(t *testing.T) {
	const n = 25
	server := pgtest.NewServer(t)
	for name, c := range map[string]func(restart func(), meanwhile func(func())) (before, after func(pgtest.Round)){
		"before": func(restart func(), _ func(func())) (before, after func(pgtest.Round)) {
			return func(pgtest.Round) { restart() }, nil
		},
		"meanwhile": func(restart func(), meanwhile func(func())) (before, after func(pgtest.Round)) {
			return func(pgtest.Round) { meanwhile(restart) }, nil
		},
		"behind": func(restart func(), _ func(func())) (before, after func(pgtest.Round)) {
			return nil, func(pgtest.Round) { restart() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := server.Config(t)
			pgtest.Execute(t, config, "DROP TABLE IF EXISTS t, checkpoints", "CREATE TABLE t (n int8)")
			proxy := pgtest.NewProxy(t, config)
			job := func() error {
				db := stdlib.OpenDB(*proxy.Config())
				defer func() { require.NoError(t, db.Close()) }()
				_, err := stage.Run(t.Context(), rowsOf(0, n), SQL[small](db, "t", BatchRows(4)),
					stage.Checkpoint(checkpoint.NewTable(db, "checkpoints", "job"), 1))
				return err
			}
			var restarting sync.WaitGroup
			commits := 0
			at := func(do func(pgtest.Round)) func(pgtest.Round) bool {
				if do == nil {
					return nil
				}
				return func(r pgtest.Round) bool {
					if r.Commits() {
						if commits++; commits == 2 {
							do(r)
						}
					}
					return false // the server has cut it off
				}
			}
			before, after := c(func() { assert.NoError(t, server.Restart()) }, func(do func()) { restarting.Go(do) })
			proxy.Hook(at(before), at(after))
			err := job()
			restarting.Wait()
			proxy.Hook(nil, nil)
			require.GreaterOrEqual(t, commits, 2)
			if err != nil {
				require.NoError(t, job())
			} else {
				t.Log("the run went on by itself")
			}
			db := stdlib.OpenDB(*config)
			defer func() { require.NoError(t, db.Close()) }()
			require.Equal(t, rowsOnce(n), numbers(t, db))
		})
	}
}
