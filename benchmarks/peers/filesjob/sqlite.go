package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// batch is how many rows a statement inserts: what sink.SQL does by default with
// seven columns.
const batch = 500

const columns = 7

// csvToSQLiteByHand is what examples/flights does, in one loop: it checks every
// row, adds two columns, counts the flights of each route and inserts in batches, into a file that it replaces.
func csvToSQLiteByHand(ctx context.Context, t task) (err error) {
	file, err := os.Open(t.in[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	decoder, err := flightDecoder(file)
	if err != nil {
		return err
	}
	db, err := openSQLite(t.out + "?_pragma=journal_mode(MEMORY)&_pragma=synchronous(OFF)&_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `CREATE TABLE flights (date TEXT NOT NULL, delay INTEGER NOT NULL, distance INTEGER NOT NULL,
		origin TEXT NOT NULL, destination TEXT NOT NULL, haul TEXT NOT NULL, punctuality TEXT NOT NULL)`)
	if err != nil {
		return err
	}
	return insertAll(ctx, db, func() (flight, error) {
		var f flight
		return f, decoder.Decode(&f)
	})
}

// insertAll inserts the flights that keep to the rules, a transaction a batch.
func insertAll(ctx context.Context, db *sql.DB, next func() (flight, error)) error {
	full, err := db.PrepareContext(ctx, insertion(batch))
	if err != nil {
		return err
	}
	defer full.Close() //nolint:errcheck // closing the database tells
	values := make([]any, 0, columns*batch)
	flush := func(statement *sql.Stmt) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		//nolint:sqlclosecheck // the transaction's end closes it
		if _, err := tx.StmtContext(ctx, statement).ExecContext(ctx, values...); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		values = values[:0]
		return tx.Commit()
	}
	before := time.Now().UTC().Add(24 * time.Hour)
	routes := map[[2]string]*sums{}
	for {
		f, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !valid(f, before) {
			continue
		}
		on := routes[[2]string{f.Origin, f.Destination}]
		if on == nil {
			on = &sums{}
			routes[[2]string{f.Origin, f.Destination}] = on
		}
		on.add(f.Delay, f.Distance)
		values = append(values, f.Date, f.Delay, f.Distance, f.Origin, f.Destination, haul(f.Distance), punctuality(f.Delay))
		if len(values) == cap(values) {
			if err := flush(full); err != nil {
				return err
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	rest, err := db.PrepareContext(ctx, insertion(len(values)/columns))
	if err != nil {
		return err
	}
	defer rest.Close() //nolint:errcheck // closing the database tells
	return flush(rest)
}

func insertion(rows int) string {
	return "INSERT INTO flights VALUES " + strings.Repeat("(?,?,?,?,?,?,?),", rows-1) + "(?,?,?,?,?,?,?)"
}

func openSQLite(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// valid says whether a flight keeps to the rules of examples/flights.
func valid(f flight, before time.Time) bool {
	date, err := time.Parse("2006-01-02 15:04", f.Date)
	return err == nil && date.Before(before) && date.Year() >= 1988 && f.Delay >= -120 && f.Delay <= 24*60 &&
		f.Distance >= 1 && f.Distance <= 6000 && airport(f.Origin) && airport(f.Destination) && f.Origin != f.Destination
}

func airport(s string) bool {
	return len(s) == 3 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s[2] >= 'A' && s[2] <= 'Z'
}

func haul(miles int) string {
	switch {
	case miles < 500:
		return "short"
	case miles < 1500:
		return "medium"
	default:
		return "long"
	}
}

func punctuality(minutes int) string {
	switch {
	case minutes < 0:
		return "early"
	case minutes < 15:
		return "on time"
	case minutes < 60:
		return "late"
	default:
		return "very late"
	}
}

// lookSQLite prints what the table of flights holds.
func lookSQLite(ctx context.Context, t task) (err error) {
	db, err := openSQLite(t.in[0] + "?mode=ro")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var rows, delay, distance, words int
	err = db.QueryRowContext(ctx, "SELECT count(*), sum(delay), sum(distance), sum(length(haul)+length(punctuality)) FROM flights").
		Scan(&rows, &delay, &distance, &words)
	if err != nil {
		return err
	}
	return printLines(fmt.Sprintf("%d,%d,%d,%d", rows, delay, distance, words))
}
