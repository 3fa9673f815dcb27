package killmatrix

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// transfer is a record of the job: amounts come in pairs that sum to 0.
type transfer struct {
	ID     int64  `db:"id"     json:"id"`
	Amount int64  `db:"amount" json:"amount"`
	Sum    uint32 `db:"sum"    json:"sum"` // of what is above
}

func newTransfer(id int64) transfer {
	t := transfer{ID: id, Amount: (id/2*7919)%1000 + 1}
	if id%2 == 1 {
		t.Amount = -t.Amount
	}
	t.Sum = t.hash()
	return t
}

func (t transfer) hash() uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%d %d", t.ID, t.Amount))
}

// writeInput writes n transfers, a line each.
func writeInput(path string, n int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(file)
	for id := range n {
		if err := enc.Encode(newTransfer(int64(id))); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return file.Close()
}

// job is what one child does, as the parent tells it in the environment.
type job struct {
	Dir       string        `json:"dir"`
	Kind      string        `json:"kind"` // of sink
	URL       string        `json:"url"`  // of the database of "postgres"
	Past      string        `json:"-"`    // the same for who looks, not through a proxy
	Unordered bool          `json:"unordered"`
	Chunk     int           `json:"chunk"`
	Workers   int           `json:"workers"`
	Every     time.Duration `json:"every"`
	KillAt    int           `json:"kill_at"`   // file operation; 0: none
	Torn      bool          `json:"torn"`      // a write is done by half first
	KillItem  int           `json:"kill_item"` // or before so many items have passed
	HoldItem  int           `json:"hold_item"` // it waits for its input to end before so many items have passed
	Pause     time.Duration `json:"pause"`     // before each item, so that a kill meets a run
}

func (j job) input() string { return filepath.Join(j.Dir, "in.ndjson") }
func (j job) output() string {
	switch j.Kind {
	case "sqlite", "sqlite and a file":
		return filepath.Join(j.Dir, "out.db")
	case "whole-gzip", "append-gzip":
		return filepath.Join(j.Dir, "out.ndjson.gz")
	}
	return filepath.Join(j.Dir, "out.ndjson")
}

// run runs the job, or goes on with it, and returns how many file operations there
// were.
func (j job) run(ctx context.Context) (ops int, err error) {
	faults := &fsystest.Faults{FS: fsys.OS{}}
	if j.KillAt > 0 {
		faults.Before = fsystest.KillAt(j.KillAt, j.Torn)
	}
	ctx = fsys.With(ctx, faults)
	p := pool.New(j.Workers)
	defer p.Close()
	opts := []pool.Option{pool.ChunkSize(j.Chunk), pool.Name("check")}
	if j.Unordered {
		opts = append(opts, pool.Unordered())
	}
	seen := 0
	transfers := pool.Imap(p, source.NDJSON[transfer](j.input(), source.BlockSize(512)),
		func(_ context.Context, t transfer) (transfer, error) {
			if t.Sum != t.hash() {
				return t, fmt.Errorf("transfer %d is torn", t.ID)
			}
			time.Sleep(j.Pause)
			return t, nil
		}, opts...).
		Tap(func(transfer) {
			switch seen++; seen {
			case j.KillItem:
				killSelf()
			case j.HoldItem:
				wait()
			}
		})
	s, store, done, err := j.sink(ctx)
	if err != nil {
		return 0, err
	}
	_, err = stage.Run(ctx, transfers, s, stage.Checkpoint(store, j.Every))
	return faults.Count(), errors.Join(err, done())
}

// sink is the job's sink, with the store that goes with it.
func (j job) sink(ctx context.Context) (s stage.Sink[transfer], store checkpoint.Store, done func() error, err error) {
	store, done = checkpoint.File(filepath.Join(j.Dir, "job.checkpoint")), func() error { return nil }
	switch j.Kind {
	case "whole", "whole-gzip":
		return sink.NDJSON[transfer](j.output()), store, done, nil
	case "append", "append-gzip":
		return sink.NDJSON[transfer](j.output(), sink.Append()), store, done, nil
	case "sqlite", "postgres", "sqlite and a file":
		db, err := j.database()
		if err != nil {
			return nil, nil, nil, err
		}
		if _, err := db.ExecContext(ctx, j.table()); err != nil {
			return nil, nil, nil, errors.Join(err, db.Close())
		}
		if j.Kind == "sqlite and a file" {
			return sink.SQL[transfer](db, "transfers", sink.BatchRows(7)), store, db.Close, nil
		}
		return sink.SQL[transfer](db, "transfers", sink.BatchRows(7)), checkpoint.NewTable(db, "checkpoints", "job"), db.Close, nil
	}
	if s := j.parts(); s != nil {
		return s, store, done, nil
	}
	return nil, nil, nil, fmt.Errorf("no kind of sink %q", j.Kind)
}

// database opens the job's database.
func (j job) database() (*sql.DB, error) {
	if j.Kind == "postgres" {
		return sql.Open("pgx", cmp.Or(j.Past, j.URL))
	}
	return sql.Open("sqlite", "file:"+j.output()+"?_pragma=busy_timeout(5000)")
}

// table makes the table of the transfers, which knows the order in which they came.
func (j job) table() string {
	place := "INTEGER"
	if j.Kind == "postgres" {
		place = "BIGSERIAL"
	}
	return "CREATE TABLE IF NOT EXISTS transfers (id BIGINT, amount BIGINT, sum BIGINT, place " + place + " PRIMARY KEY)"
}
