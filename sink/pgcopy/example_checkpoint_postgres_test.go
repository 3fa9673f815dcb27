//go:build postgres

package pgcopy_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/sink/pgcopy"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Rows and the checkpoint that speaks of them are saved in one transaction.
func ExampleSink_checkpoint() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("PENSTOCK_TEST_POSTGRES"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE TABLE example_flights (origin text, delay int)"); err != nil {
		fmt.Println(err)
		return
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()

	late := 14
	flights := source.Of(Flight{"ABQ", &late}, Flight{"PHX", nil})
	sum, err := stage.Run(ctx, flights, pgcopy.Sink[Flight](pool, "example_flights"),
		stage.Checkpoint(checkpoint.NewTable(db, "example_checkpoints", "flights"), 0))
	fmt.Println(sum.Written, sum.Guarantee, err)

	_, err = pool.Exec(ctx, "DROP TABLE example_flights, example_checkpoints")
	fmt.Println(err)
	// Output:
	// 2 exactly once <nil>
	// <nil>
}
