package source_test

import (
	"context"
	"database/sql"
	"fmt"

	_ "modernc.org/sqlite"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Departure is a row of the table of the examples.
type Departure struct {
	ID     int64  `db:"id"`
	Origin string `db:"origin"`
	Delay  *int   `db:"delay"` // nil is NULL
}

// departures makes a database in memory with a table of five flights.
func departures() *sql.DB {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(1) // each connection would have a database of its own
	_, err = db.ExecContext(context.Background(), `
		CREATE TABLE departures (id INTEGER PRIMARY KEY, origin TEXT, delay INTEGER);
		INSERT INTO departures VALUES (1, 'ABQ', 14), (2, 'PHX', -3), (3, 'ABQ', NULL), (5, 'LAS', 90), (8, 'PHX', 2)`)
	if err != nil {
		panic(err)
	}
	return db
}

func ExampleQuery() {
	db := departures()
	defer db.Close()
	late := source.Query[Departure](db, "SELECT id, origin, delay FROM departures WHERE delay > ? OR delay IS NULL", source.Args(10))
	for d, err := range late.All(context.Background()) {
		switch {
		case err != nil:
			fmt.Println(err)
		case d.Delay == nil:
			fmt.Println(d.ID, d.Origin, "cancelled")
		default:
			fmt.Println(d.ID, d.Origin, *d.Delay)
		}
	}
	// Output:
	// 1 ABQ 14
	// 3 ABQ cancelled
	// 5 LAS 90
}

// One column needs no struct. A value that does not fit is an error of its row.
func ExampleQuery_scalars() {
	db := departures()
	defer db.Close()
	for delay, err := range source.Query[int](db, "SELECT delay FROM departures").All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(delay)
	}
	// Output:
	// 14
	// -3
	// source: item 2: query "SELECT delay FROM departures": row 3: sql: Scan error on column index 0, name "delay": converting NULL to int is unsupported
	// 90
	// 2
}

// With a key, the table may be changed while it is read, through the only
// connection, and a later run goes on where this one stopped.
func ExampleKey() {
	db := departures()
	defer db.Close()
	ctx := context.Background()
	ids := func(opts ...source.QueryOption) stage.Stream[int64] {
		return source.Query[int64](db, "SELECT id FROM departures", append(opts, source.Key("id"), source.PageRows(2))...)
	}

	in, err := ids().Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	var c stage.Chunk[int64]
	for range 3 {
		if err := in.Pull(ctx, &c, stage.Limit{Items: 1}); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("%v begins behind key %q\n", c.Items, c.Tokens[0].At.Key)
	}
	fmt.Println(in.Close())

	if _, err := db.ExecContext(ctx, "DELETE FROM departures WHERE id < 4"); err != nil {
		fmt.Println(err)
	}
	rest, err := ids(source.After(c.Tokens[0].At)).Collect(ctx)
	fmt.Println(rest, err)
	// Output:
	// [1] begins behind key ""
	// [2] begins behind key "[1]"
	// [3] begins behind key "[2]"
	// <nil>
	// [5 8] <nil>
}

// A driver that is wrapped is not recognised.
func ExampleDialect() {
	db := departures()
	defer db.Close()
	n, err := source.Query[Departure](db, "SELECT id, origin, delay FROM departures", source.Key("origin", "id"), source.Dialect("sqlite")).Count(context.Background())
	fmt.Println(n, err)
	// Output: 5 <nil>
}

// A table that is too large for memory joins a stream, with one query for a chunk.
func ExampleLookupSQL() {
	db := departures()
	defer db.Close()
	byID := stage.LookupBatch(source.LookupSQL[int64, Departure](db, "SELECT id AS key, * FROM departures WHERE id IN (?)"), 1000)
	ids := source.Of[int64](8, 4, 1)
	for p, err := range stage.LeftJoinBatch(ids, 100, func(id int64) int64 { return id }, byID).All(context.Background()) {
		fmt.Println(p.First, p.Second.Value.Origin, p.Second.OK, err)
	}
	// Output:
	// 8 PHX true <nil>
	// 4  false <nil>
	// 1 ABQ true <nil>
}
