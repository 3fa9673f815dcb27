package killmatrix

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
)

var fileKinds = []string{"whole", "append", "whole-gzip", "append-gzip"}

// long says whether every operation is killed, rather than some of them.
func long() bool { return os.Getenv("PENSTOCK_KILL") == "long" }

// seeded is a source of chances whose seed is in the log of a failure.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PENSTOCK_KILL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		seed = n
	}
	t.Logf("PENSTOCK_KILL_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// how is how a child is run and ended.
type how struct {
	after   time.Duration     // it is killed after this, if it is not 0
	under   []string          // the command that runs it, or nothing
	started func(*os.Process) // is told of it, unless nil
	fails   bool              // it may fail: that counts as not done
}

// do runs a job in a child, which the parent kills after a time if it is to. It
// reports whether it came to its end, and how many operations it needed then.
func do(t *testing.T, j job, killAfter time.Duration) (done bool, ops int) {
	t.Helper()
	done, ops, _ = doAs(t, j, how{after: killAfter})
	return done, ops
}

// doAs is do, and says what the child that failed has said.
func doAs(t *testing.T, j job, as how) (done bool, ops int, failure string) {
	t.Helper()
	cmd := j.command(t, as.under...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	if as.started != nil {
		as.started(cmd.Process)
	}
	if as.after > 0 {
		timer := time.AfterFunc(as.after, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	err := cmd.Wait()
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case !failed:
		require.NoError(t, err)
		ops, err = strconv.Atoi(strings.TrimSpace(out.String()))
		require.NoError(t, err)
		return true, ops, ""
	case j.finished(t): // it was killed behind its end
		return true, 0, ""
	case exit.Exited() && !as.fails:
		require.Fail(t, "a run failed that was to be killed or to end well", "%+v: %s", j, errs.String())
	}
	return false, 0, errs.String()
}

// command is a child that does the job, run by another command if there is one.
func (j job) command(t *testing.T, under ...string) *exec.Cmd {
	t.Helper()
	todo, err := json.Marshal(j)
	require.NoError(t, err)
	args := slices.Concat(under, []string{os.Args[0], "-test.run=^$"})
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+string(todo))
	return cmd
}

// finished reports whether the job's checkpoint says that it has ended.
func (j job) finished(t *testing.T) bool {
	t.Helper()
	var state checkpoint.State
	switch j.Kind {
	case "sqlite", "postgres":
		state = j.savedState(t)
	default:
		store := checkpoint.File(filepath.Join(j.Dir, "job.checkpoint"))
		require.NoError(t, store.Open(t.Context()))
		var err error
		state, _, err = store.Load(t.Context())
		require.NoError(t, errors.Join(err, store.Close(t.Context())))
	}
	return state.Finished
}

// savedState is what the table of checkpoints holds, once whoever is about to save
// has done so. Opening it as a store would fence a run out.
func (j job) savedState(t *testing.T) (state checkpoint.State) {
	t.Helper()
	db, err := j.database()
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var text sql.NullString
	err = db.QueryRowContext(t.Context(), "UPDATE checkpoints SET epoch = epoch RETURNING state").Scan(&text)
	if noTable(err) || errors.Is(err, sql.ErrNoRows) {
		return state // none yet
	}
	require.NoError(t, err) // who takes it for none would begin a finished job anew
	if !text.Valid {
		return state
	}
	state, err = checkpoint.Decode([]byte(text.String))
	require.NoError(t, err)
	return state
}

// noTable reports whether the failure is that a table is not there yet: as PostgreSQL
// says it, and SQLite.
func noTable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "42P01"
	}
	return err != nil && strings.Contains(err.Error(), "no such table")
}

// begin makes a folder with the input of a job.
func begin(t *testing.T, kind string, n int) job {
	t.Helper()
	j := job{Dir: t.TempDir(), Kind: kind, Chunk: 3, Workers: 2, Every: 1}
	require.NoError(t, writeInput(j.input(), n))
	return j
}

// check checks that each transfer was written once, whole, in order if it was to
// be, and that nothing else is left.
func check(t *testing.T, j job, n int) {
	t.Helper()
	got := j.written(t)
	if j.Unordered {
		slices.SortFunc(got, func(a, b transfer) int { return int(a.ID - b.ID) })
	}
	require.Equal(t, n, len(got), "transfers") //nolint:testifylint // Len prints them all
	var sum int64
	for i, tr := range got {
		require.Equal(t, newTransfer(int64(i)), tr)
		sum += tr.Amount
	}
	require.Zero(t, sum)
	var rest []string
	entries, err := os.ReadDir(j.Dir)
	require.NoError(t, err)
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "in.ndjson", name == filepath.Base(j.output()), strings.HasPrefix(name, "job.checkpoint"):
		default:
			rest = append(rest, name)
		}
	}
	assert.Empty(t, rest, "what a run leaves behind")
}

// written are the transfers that the sink has.
func (j job) written(t *testing.T) (all []transfer) {
	t.Helper()
	switch j.Kind {
	case "sqlite", "postgres":
		return j.rows(t)
	}
	return readLines(t, j.output())
}

func readLines(t *testing.T, path string) (all []transfer) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		r, err = gzip.NewReader(file)
		require.NoError(t, err)
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var tr transfer
		require.NoError(t, json.Unmarshal(lines.Bytes(), &tr), "%s: %q", path, lines.Text())
		all = append(all, tr)
	}
	require.NoError(t, lines.Err())
	return all
}

func (j job) rows(t *testing.T) (all []transfer) {
	t.Helper()
	db, err := j.database()
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), "SELECT id, amount, sum FROM transfers ORDER BY place")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var tr transfer
		require.NoError(t, rows.Scan(&tr.ID, &tr.Amount, &tr.Sum))
		all = append(all, tr)
	}
	require.NoError(t, rows.Err())
	return all
}

// A small job is killed at each of its file operations, before it or in the middle
// of a write, and goes on with another chunk size and other workers.
func TestKilledAtEveryFileOperation(t *testing.T) {
	t.Parallel()
	const n = 40
	for _, kind := range fileKinds {
		for _, unordered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/unordered=%t", kind, unordered), func(t *testing.T) {
				t.Parallel()
				chance := seeded(t)
				j := begin(t, kind, n)
				j.Unordered = unordered
				_, ops := do(t, j, 0)
				check(t, j, n)
				require.Greater(t, ops, 20)
				step := 1
				if !long() {
					step = 1 + ops/8 // some of them, others each time
				}
				for at := 1 + chance.IntN(step); at <= ops; at += step {
					j := begin(t, kind, n)
					j.Unordered, j.KillAt, j.Torn = unordered, at, chance.IntN(2) == 0
					done, _ := do(t, j, 0)
					for again := 0; !done; again++ { // killed once more on the way, at times
						require.Less(t, again, 20, "killed at operation %d", at)
						j.Chunk, j.Workers, j.KillAt = 1+chance.IntN(9), 1+chance.IntN(4), 0
						if again == 0 && chance.IntN(3) == 0 {
							j.KillAt = 1 + chance.IntN(ops)
						}
						done, _ = do(t, j, 0)
					}
					check(t, j, n)
				}
			})
		}
	}
}

// A job into SQLite is killed at items, where its transactions are open.
func TestKilledAtItems(t *testing.T) {
	t.Parallel()
	for _, kind := range append([]string{"sqlite"}, fileKinds...) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			killedAtItems(t, begin(t, kind, itemsJob))
		})
	}
}

// itemsJob is how many transfers a job has that is killed at items.
const itemsJob = 60

func killedAtItems(t *testing.T, j job) {
	t.Helper()
	chance := seeded(t)
	mixes := j.Kind == "sqlite" || j.Kind == "postgres" // rows have no order
	runs := 0
	for ; ; runs++ {
		require.Less(t, runs, 500)
		j.Chunk, j.Workers, j.Unordered = 1+chance.IntN(9), 1+chance.IntN(4), mixes && chance.IntN(2) == 0
		j.Every = time.Duration(1 + chance.IntN(2)*int(time.Hour)) // the last run may take none on the way
		j.KillItem = 2 + chance.IntN(20)
		if runs > 20 {
			j.Every = 1
		}
		if done, _ := do(t, j, 0); done {
			break
		}
	}
	j.Unordered = mixes
	check(t, j, itemsJob)
	require.Positive(t, runs)
}

// With the checkpoint elsewhere than the rows, each comes at least once.
func TestRowsWithTheCheckpointElsewhere(t *testing.T) {
	const n = 60
	chance := seeded(t)
	j := begin(t, "sqlite and a file", n)
	for runs := 0; ; runs++ {
		require.Less(t, runs, 500)
		j.Chunk, j.KillItem = 1+chance.IntN(9), 2+chance.IntN(20)
		if done, _ := do(t, j, 0); done {
			break
		}
	}
	seen := map[int64]bool{}
	for _, tr := range j.rows(t) {
		require.Equal(t, newTransfer(tr.ID), tr)
		seen[tr.ID] = true
	}
	assert.Equal(t, n, len(seen)) //nolint:testifylint // Len prints them all
}

// A longer job is killed at moments that nobody chose.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, kind := range append([]string{"sqlite"}, fileKinds...) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			killedAtAnyMoment(t, begin(t, kind, longerJob()))
		})
	}
}

// longerJob is how many transfers a job has that is killed at any moment.
func longerJob() int {
	if long() {
		return 20_000
	}
	return 4000
}

func killedAtAnyMoment(t *testing.T, j job) {
	t.Helper()
	kills := 4
	if long() {
		kills = 25
	}
	chance := seeded(t)
	j.Unordered = chance.IntN(2) == 0
	j.Every = 5 * time.Millisecond
	j.Pause = 100 * time.Microsecond // so that there is a run to kill
	kill, done := 0, false
	for ; !done; kill++ {
		j.Chunk, j.Workers = chance.IntN(200), 1+chance.IntN(4)
		after := time.Duration(20+chance.IntN(100)) * time.Millisecond
		if kill == kills {
			after = 0
		}
		done, _ = do(t, j, after)
	}
	require.Greater(t, kill, 1, "it was never killed")
	check(t, j, longerJob())
}
