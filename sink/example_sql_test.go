package sink_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleSQL() {
	dir, remove := folder()
	defer remove()
	db, err := sql.Open("sqlite", filepath.Join(dir, "flights.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, "CREATE TABLE flights (origin TEXT, delay INTEGER)"); err != nil {
		fmt.Println(err)
		return
	}

	flights := source.Of(Flight{"ABQ", 14}, Flight{"PHX", -3}, Flight{"ABQ", 6})
	_, err = stage.Run(ctx, flights, sink.SQL[Flight](db, "flights", sink.BatchRows(1000)))
	fmt.Println(err)

	var delay float64
	err = db.QueryRowContext(ctx, "SELECT avg(delay) FROM flights WHERE origin = 'ABQ'").Scan(&delay)
	fmt.Println(delay, err)
	// Output:
	// <nil>
	// 10 <nil>
}
