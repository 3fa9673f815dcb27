package sink_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// The rows and the checkpoint are in one transaction: each row is there once,
// however often the job had to be started.
func ExampleSQL_exactlyOnce() {
	dir, remove := folder()
	defer remove()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "out.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, "CREATE TABLE squares (n INTEGER, square INTEGER)"); err != nil {
		fmt.Println(err)
		return
	}

	type row struct {
		N      int `db:"n"`
		Square int `db:"square"`
	}
	job := func(breaks int) {
		rows := stage.Map(source.Range(0, 100), func(_ context.Context, n int) (row, error) {
			if n == breaks {
				return row{}, errors.New("out of luck")
			}
			return row{n, n * n}, nil
		})
		sum, err := stage.Run(ctx, rows, sink.SQL[row](db, "squares"),
			stage.Checkpoint(checkpoint.NewTable(db, "checkpoints", "squares"), 1))
		fmt.Println(sum.Guarantee, err)
	}
	job(60)
	job(-1)
	var n, sum int
	err = db.QueryRowContext(ctx, "SELECT count(*), sum(square) FROM squares").Scan(&n, &sum)
	fmt.Println(n, sum, err)
	// Output:
	// exactly once Map: item 60: out of luck
	// exactly once <nil>
	// 100 328350 <nil>
}
