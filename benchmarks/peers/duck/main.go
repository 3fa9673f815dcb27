//go:build duckdb

// Command duck runs SQL statements in DuckDB, in a process of its own with two
// threads, and prints the rows of the last one as CSV. It needs cgo, so it is
// behind a build tag:
//
//	go run -tags duckdb ./duck "SELECT 1"
package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	_ "github.com/duckdb/duckdb-go/v2" // the driver "duckdb"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "duck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, statements []string) (err error) {
	if len(statements) == 0 {
		return errors.New("want SQL statements")
	}
	db, err := sql.Open("duckdb", "?threads=2")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, s := range statements[:len(statements)-1] {
		if _, err := db.ExecContext(ctx, s); err != nil { //nolint:gosec // to run statements is its purpose
			return err
		}
	}
	rows, err := db.QueryContext(ctx, statements[len(statements)-1]) //nolint:gosec // the same
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	return printRows(rows)
}

func printRows(rows *sql.Rows) error {
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	w := bufio.NewWriter(os.Stdout)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			if i > 0 {
				w.WriteByte(',') //nolint:errcheck,gosec // Flush tells
			}
			fmt.Fprint(w, v) //nolint:errcheck // the same
		}
		w.WriteByte('\n') //nolint:errcheck,gosec // the same
	}
	return errors.Join(rows.Err(), w.Flush())
}
