package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/penstock-go/penstock/examples/internal/letters"
)

const (
	table   = "flights"
	columns = `(
	date        TEXT    NOT NULL,
	delay       INTEGER NOT NULL,
	distance    INTEGER NOT NULL,
	origin      TEXT    NOT NULL,
	destination TEXT    NOT NULL,
	haul        TEXT    NOT NULL,
	punctuality TEXT    NOT NULL
)`
)

// patience is how long a run waits for others to unlock the database.
var patience = 5 * time.Second

// database is where a run writes to. The rows first go to a database of its own
// in a temporary folder, which is written as fast as it can be, because a run that
// is cut off drops it. Then swap replaces the table of the target, the database
// that was asked for, in one transaction: nobody who reads it sees half a table,
// and its other tables stay as they are. Where there was no target the temporary
// one becomes it.
type database struct {
	db     *sql.DB
	folder string // the temporary one, beside the target
	target string
	fresh  bool // there was no target
}

// openDatabase makes the temporary database and makes sure that the target can be
// written, if there is one.
func openDatabase(ctx context.Context, out string) (_ *database, err error) {
	d := &database{}
	if d.target, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	for _, file := range []string{d.target, letters.File(d.target)} {
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			d.fresh = d.fresh || file == d.target
		case err != nil:
			return nil, err
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s: not a regular file", file)
		}
	}
	if d.folder, err = os.MkdirTemp(filepath.Dir(d.target), ".flights-*"); err != nil {
		return nil, err
	}
	if err = d.open(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) open(ctx context.Context) (err error) {
	d.db, err = sql.Open("sqlite", uri(d.file(), url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", patience.Milliseconds()),
		"main.journal_mode(MEMORY)", "main.synchronous(OFF)", "main.locking_mode(EXCLUSIVE)", // the target keeps the defaults
	}}))
	if err != nil {
		return err
	}
	d.db.SetMaxOpenConns(1) // what is attached belongs to one connection
	if _, err = d.db.ExecContext(ctx, "CREATE TABLE "+table+columns); err != nil || d.fresh {
		return err
	}
	if err = d.attach(ctx); err != nil {
		return err
	}
	_, err = d.db.ExecContext(ctx, "BEGIN IMMEDIATE; ROLLBACK; DETACH target")
	return d.failed(err)
}

// attach makes the target part of the connection, and the file if there is none.
func (d *database) attach(ctx context.Context) error {
	_, err := d.db.ExecContext(ctx, "ATTACH ? AS target", uri(d.target, nil))
	return d.failed(err)
}

// failed says which database an error is about.
func (d *database) failed(err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", d.target, err)
	}
	return nil
}

// swap puts the new rows, so many of them, and the new dead-letter file in the
// place of the old ones.
func (d *database) swap(ctx context.Context, rows int64) error {
	if _, err := os.Stat(d.target); d.fresh && errors.Is(err, fs.ErrNotExist) {
		return d.give(ctx, rows)
	}
	d.fresh = false // another run was faster
	if err := d.attach(ctx); err != nil {
		return err
	}
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return d.failed(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do, otherwise an error was met before
	// A star on both sides lets SQLite copy whole records.
	done, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS target."+table+ //nolint:unqueryvet // the tables are the same
		"; CREATE TABLE target."+table+columns+
		"; INSERT INTO target."+table+" SELECT * FROM main."+table)
	if err != nil {
		return d.failed(err)
	}
	if n, err := done.RowsAffected(); err != nil || n != rows {
		return d.failed(errors.Join(err, fmt.Errorf("the table got %d rows of %d", n, rows)))
	}
	if err := os.Rename(d.newRejected(), letters.File(d.target)); err != nil {
		return err
	}
	return d.failed(tx.Commit())
}

// give makes the temporary database the target, which there is not yet.
func (d *database) give(ctx context.Context, rows int64) error {
	var n int64
	if err := d.db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		return d.failed(err)
	}
	if n != rows {
		return d.failed(fmt.Errorf("the table got %d rows of %d", n, rows))
	}
	if err := d.db.Close(); err != nil {
		return d.failed(err)
	}
	if err := syncFile(d.file()); err != nil {
		return err
	}
	if err := os.Rename(d.newRejected(), letters.File(d.target)); err != nil {
		return err
	}
	err := os.Link(d.file(), d.target) // where Rename would replace what came meanwhile
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = os.Rename(d.file(), d.target) // not every file system has links
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(d.target))
}

// syncFile makes what is in a file last.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncFolder makes the names in a folder last.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // which does that on its own
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// close drops what is temporary.
func (d *database) close() (err error) {
	if d.db != nil {
		err = d.db.Close()
	}
	return errors.Join(err, os.RemoveAll(d.folder))
}

// file is the temporary database.
func (d *database) file() string { return filepath.Join(d.folder, "new.db") }

// newRejected is the dead-letter file of this run, until swap.
func (d *database) newRejected() string { return filepath.Join(d.folder, "flights-rejected.ndjson") }

// uri names a file to SQLite, by its absolute path, whatever characters that has.
func uri(path string, query url.Values) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return u.String()
}
