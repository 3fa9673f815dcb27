package sink_test

import (
	"context"
	"database/sql"
	"fmt"

	_ "modernc.org/sqlite"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// insert writes ten flights to a database in memory and counts its rows. The
// database is SQLite, which takes the notations of others too.
func insert(opts ...sink.SQLOption) (rows int, err error) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection would have a database of its own
	if _, err = db.ExecContext(ctx, "CREATE TABLE flights (origin TEXT, delay INTEGER)"); err != nil {
		return 0, err
	}
	flights := stage.Map(source.Range(0, 10), stage.Pure(func(n int) Flight { return Flight{Origin: "ABQ", Delay: n} }))
	if _, err = stage.Run(ctx, flights, sink.SQL[Flight](db, "flights", opts...)); err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM flights").Scan(&rows)
	return rows, err
}

// Ten rows are three transactions, of four, four and two rows.
func ExampleBatchRows() {
	fmt.Println(insert(sink.BatchRows(4)))
	// Output: 10 <nil>
}

// With at most 6 values, a statement inserts 3 rows of 2 columns.
func ExampleMaxVariables() {
	fmt.Println(insert(sink.MaxVariables(6)))
	// Output: 10 <nil>
}

// PostgreSQL: INSERT INTO "flights" ("origin", "delay") VALUES ($1, $2), ...
func ExampleDollar() {
	fmt.Println(insert(sink.Dollar(), sink.MaxVariables(65535)))
	// Output: 10 <nil>
}

// MySQL: INSERT INTO `flights` (`origin`, `delay`) VALUES (?, ?), ...
func ExampleBackquote() {
	fmt.Println(insert(sink.Backquote(), sink.MaxVariables(65535)))
	// Output: 10 <nil>
}
