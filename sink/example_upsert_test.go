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

// Stock is a row whose key is the item.
type Stock struct {
	Item  string `db:"item"`
	Count int    `db:"count"`
}

// A second run replaces the rows that it brings anew. The driver would be
// recognised; one that is wrapped is not, and the database must be named.
func ExampleUpsert() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection would have a database of its own
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, "CREATE TABLE stock (item TEXT PRIMARY KEY, count INTEGER)"); err != nil {
		fmt.Println(err)
		return
	}

	table := sink.SQL[Stock](db, "stock", sink.Upsert("item"), sink.Dialect("sqlite"))
	for _, stock := range [][]Stock{{{"nuts", 5}, {"bolts", 7}}, {{"bolts", 6}, {"screws", 9}}} {
		if _, err := stage.Run(ctx, source.Slice(stock), table); err != nil {
			fmt.Println(err)
		}
	}

	var rows, count int
	err = db.QueryRowContext(ctx, "SELECT count(*), sum(count) FROM stock").Scan(&rows, &count)
	fmt.Println(rows, count, err)
	// Output: 3 20 <nil>
}
