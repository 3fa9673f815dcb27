package pgcopy_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/penstock-go/penstock/sink/pgcopy"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Flight is a row of the table flights.
type Flight struct {
	Origin string `db:"origin"`
	Delay  *int   `db:"delay"` // nil is NULL
}

// The whole file, or nothing: one transaction.
func ExampleSink() { //nolint:testableexamples // needs a server; example_postgres_test.go has one that runs
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	flights := source.NDJSON[Flight]("flights-*.ndjson.zst")
	sum, err := stage.Run(ctx, flights, pgcopy.Sink[Flight](pool, "public.flights"))
	fmt.Println(sum.Written, err)
}

// A million rows at a time: what was committed stays when a run fails.
func ExampleCommitEvery() { //nolint:testableexamples // as ExampleSink
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	flights := source.NDJSON[Flight]("flights-*.ndjson.zst")
	sum, err := stage.Run(ctx, flights, pgcopy.Sink[Flight](pool, "flights", pgcopy.CommitEvery(1_000_000)))
	fmt.Println(sum.Written, err)
}
