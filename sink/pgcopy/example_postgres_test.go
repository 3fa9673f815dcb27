//go:build postgres

package pgcopy_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-go/penstock/sink/pgcopy"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// A table that lives as long as the connection.
func ExampleSink_connection() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("PENSTOCK_TEST_POSTGRES"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE TEMPORARY TABLE flights (origin text, delay int)"); err != nil {
		fmt.Println(err)
		return
	}
	late := 14
	flights := source.Of(Flight{"ABQ", &late}, Flight{"PHX", nil})
	sum, err := stage.Run(ctx, flights, pgcopy.Sink[Flight](conn, "flights"))
	fmt.Println(sum.Written, err)

	var rows, delays int
	err = conn.QueryRow(ctx, "SELECT count(*), count(delay) FROM flights").Scan(&rows, &delays)
	fmt.Println(rows, delays, err)
	// Output:
	// 2 <nil>
	// 2 1 <nil>
}
