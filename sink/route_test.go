package sink_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	library "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var errBoom = errors.New("boom")

// parity is the route of a number.
func parity(v int) string {
	if v%2 == 0 {
		return "even"
	}
	return "odd"
}

// filesOf is what the files of a folder hold, by name.
func filesOf(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(tb, err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(tb, err)
		files[e.Name()] = string(text)
	}
	return files
}

// numbered are sinks of a file for each route.
func numbered(dir string, opts ...sink.FileOption) func(string) stage.Sink[int] {
	return func(route string) stage.Sink[int] {
		return sink.NDJSON[int](filepath.Join(dir, route+".ndjson"), opts...)
	}
}

// Whatever the chunks and routes, each sink has what a loop gives it, in order.
func TestRouteIsTheLoop(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "items")
		routes := rapid.IntRange(1, 9).Draw(t, "routes")
		by := func(v int) string { return fmt.Sprint(v * v % routes) }
		want := map[string][]int{}
		for v := range n {
			want[by(v)] = append(want[by(v)], v)
		}
		got := map[string]*[]int{}
		var opened []string
		s := sink.Route(by, func(route string) stage.Sink[int] {
			opened = append(opened, route)
			got[route] = new([]int)
			return sink.Collect(got[route])
		})
		in := stage.Unbatch(stage.Batch(source.Range(0, n), rapid.IntRange(1, 50).Draw(t, "chunk")))
		sum, err := stage.Run(t.Context(), in, s)
		require.NoError(t, err)
		assert.EqualValues(t, n, sum.Written)
		require.Len(t, got, len(want))
		require.Len(t, opened, len(want), "each is made once")
		for route, items := range want {
			assert.Equal(t, items, *got[route])
		}
	})
}

func TestRouteWritesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := stage.Run(t.Context(), source.Range(0, 5), sink.Route(parity, numbered(dir)))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"even.ndjson": "0\n2\n4\n", "odd.ndjson": "1\n3\n"}, filesOf(t, dir))
}

// What fails leaves no file, and names the route and the item.
func TestRouteFails(t *testing.T) {
	t.Parallel()
	for want, by := range map[string]func(v int) string{
		"sink: Route: item 900: panic: boom": func(v int) string {
			if v == 900 {
				panic(errBoom)
			}
			return parity(v)
		},
		`sink: Route: item 900: route "many": too many routes: more than MaxRoutes(3)`: func(v int) string {
			if v == 900 {
				return "many"
			}
			return fmt.Sprint(v % 3)
		},
	} {
		dir := t.TempDir()
		_, err := stage.Run(t.Context(), source.Range(0, 1000), sink.Route(by, numbered(dir), sink.MaxRoutes(3)))
		require.EqualError(t, err, want)
		assert.Empty(t, filesOf(t, dir))
	}
	for want, open := range map[string]func(string) stage.Sink[int]{
		`sink: Route: route "odd": open returned no sink`:             func(string) stage.Sink[int] { return nil },
		`sink: Route: route "odd": panic: boom`:                       func(string) stage.Sink[int] { panic(errBoom) },
		`sink: Route: route "odd": sink: item 1: boom`:                func(string) stage.Sink[int] { return fails(3) },
		`sink: Route: route "odd": sink: no/such: folder no: no such`: func(string) stage.Sink[int] { return sink.NDJSON[int]("no/such") },
	} {
		dir := t.TempDir()
		_, err := stage.Run(t.Context(), source.Range(0, 1000), sink.Route(parity, func(route string) stage.Sink[int] {
			if route == "odd" {
				return open(route)
			}
			return numbered(dir)(route)
		}))
		require.ErrorContains(t, err, want)
		assert.Empty(t, filesOf(t, dir))
	}
}

// fails is a sink that fails at an item.
func fails(at int) stage.Sink[int] {
	return sink.Func(func(_ context.Context, v int) error {
		if v == at {
			return errBoom
		}
		return nil
	})
}

func TestRouteEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = stage.Run(t.Context(), source.Range(0, 1000), sink.Route(func(v int) string {
			if v == 900 {
				runtime.Goexit()
			}
			return parity(v)
		}, numbered(dir)))
	}()
	<-done
	assert.Empty(t, filesOf(t, dir))
}

// The power is cut at operations on files of every kind; the run that goes on makes of
// it what an undisturbed one makes.
func TestGroupsOnLostPower(t *testing.T) {
	t.Parallel()
	type row struct {
		N int `parquet:"n"`
	}
	by := func(r row) string { return third(r.N) }
	kinds := map[string]func() stage.Sink[row]{
		"whole":  func() stage.Sink[row] { return sink.Route(by, rowsIn[row]("/d/")) },
		"append": func() stage.Sink[row] { return sink.Route(by, rowsIn[row]("/d/", sink.Append())) },
		"parts":  func() stage.Sink[row] { return sink.Route(by, rowsIn[row]("/d/", sink.MaxBytes(20))) },
		"parquet": func() stage.Sink[row] {
			return sink.Route(by, func(route string) stage.Sink[row] { return parquet.Sink[row]("/d/" + route) })
		},
		"multi": func() stage.Sink[row] {
			return sink.Multi(sink.NDJSON[row]("/d/all"), sink.Route(by, rowsIn[row]("/d/", sink.Append())), parquet.Sink[row]("/d/all.parquet"))
		},
	}
	for kind, sinkOf := range kinds {
		job := func(disk fsys.FS, failFrom int) (ops int, err error) {
			faults := &fsystest.Faults{FS: disk}
			if failFrom > 0 {
				faults.Before = fsystest.FailFrom(failFrom, errPower)
			}
			rows := stage.Map(source.Range(0, 40), func(_ context.Context, v int) (row, error) { return row{v}, nil })
			in := stage.Unbatch(stage.Batch(rows, 8))
			_, err = stage.Run(fsys.With(context.Background(), faults), in, sinkOf(), stage.Checkpoint(checkpoint.File("/d/job.checkpoint"), 1))
			return faults.Count(), err
		}
		whole := fsystest.NewDisk("/d")
		ops, err := job(whole, 0)
		require.NoError(t, err)
		want := onDisk(t, whole)
		require.Greater(t, len(want), 2)
		for at := 1; at <= ops; at += 2 {
			chance := rand.New(rand.NewPCG(1, uint64(at)))
			disk := fsystest.NewDisk("/d")
			if _, err := job(disk, at); err == nil {
				continue // only what comes behind the end failed
			}
			disk = disk.Crash(chance.IntN)
			_, err := job(disk, 0)
			require.NoError(t, err, "%s: power lost at operation %d", kind, at)
			require.Equal(t, want, onDisk(t, disk.Crash(func(int) int { return 0 })), "%s: power lost at operation %d", kind, at)
		}
	}
}

// rowsIn are sinks of a file for each route.
func rowsIn[T any](dir string, opts ...sink.FileOption) func(string) stage.Sink[T] {
	return func(route string) stage.Sink[T] { return sink.NDJSON[T](dir+route, opts...) }
}

// onDisk is what the files on a disk hold, but for those of checkpoints. Manifests have
// numbers that differ, Parquet files row groups, so of those it is the rows.
func onDisk(t *testing.T, disk fsys.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := disk.ReadDir("/d")
	require.NoError(t, err)
	for _, e := range entries {
		text, err := disk.ReadFile("/d/" + e.Name())
		require.NoError(t, err)
		switch {
		case strings.HasPrefix(e.Name(), "job."):
			continue
		case strings.HasPrefix(e.Name(), "_"):
			text = nil
		case bytes.HasPrefix(text, []byte("PAR1")):
			rows, err := library.Read[struct {
				N int `parquet:"n"`
			}](bytes.NewReader(text), int64(len(text)))
			require.NoError(t, err)
			text = fmt.Append(nil, rows)
		}
		files[e.Name()] = string(text)
	}
	return files
}

// Of letters, too: the routes of the dead letters are in the checkpoint.
func TestRouteOfDeadLetters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	letters := func() stage.Sink[stage.Letter] {
		return sink.Route(func(l stage.Letter) string { return l.Reason }, func(route string) stage.Sink[stage.Letter] {
			return sink.DeadLetters(filepath.Join(dir, route))
		})
	}
	store := checkpoint.File(filepath.Join(t.TempDir(), "job"))
	for runs := 0; ; runs++ {
		require.Less(t, runs, 20)
		in := stage.Map(source.Range(0, 40), func(_ context.Context, v int) (int, error) { return v, errors.New(third(v)) })
		_, err := stage.Run(t.Context(), in, sink.Discard[int](), stage.DeadLetter(letters(), 9*runs+9), stage.Checkpoint(store, 1))
		if err == nil {
			require.Equal(t, 4, runs)
			break
		}
	}
	files := filesOf(t, dir)
	require.Len(t, files, 3)
	for v := range 40 {
		assert.Equal(t, 1, strings.Count(files[third(v)], fmt.Sprintf(`"input":%d,`, v))+strings.Count(files[third(v)], fmt.Sprintf(`"input":%d}`, v)), v)
	}

	// Not where the checkpoint is in a transaction of the rows.
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "rows.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "CREATE TABLE rows (n INTEGER)")
	require.NoError(t, err)
	type row struct {
		N int `db:"n"`
	}
	_, err = stage.Run(t.Context(), source.Of(row{1}), sink.SQL[row](db, "rows"), stage.DeadLetter(letters(), 0),
		stage.Checkpoint(checkpoint.NewTable(db, "checkpoints", "job"), 0))
	require.ErrorContains(t, err, "the dead letters' sink begins parts of its output between two of them")

	// In a Multi the rows come at least once: their transaction is not that of the files.
	sum, err := stage.Run(t.Context(), source.Of(row{1}, row{2}), sink.Multi(sink.SQL[row](db, "rows"), sink.NDJSON[row](filepath.Join(dir, "rows"))),
		stage.Checkpoint(checkpoint.NewTable(db, "checkpoints", "job"), 1))
	require.NoError(t, err)
	assert.Equal(t, stage.AtLeastOnce, sum.Guarantee)
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT sum(n) FROM rows").Scan(&n))
	assert.Equal(t, 3, n)
}

// A sink around a Route that hides what it needs is an error, not a loss.
func TestRouteWithinAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := stage.Run(t.Context(), source.Range(0, 9), hiding{sink.Route(parity, numbered(dir))},
		stage.Checkpoint(checkpoint.File(filepath.Join(t.TempDir(), "job")), 1))
	require.EqualError(t, err, "sink: Route: in a run with a checkpoint, a sink that writes to it must pass on stage.Amender")
	assert.Empty(t, filesOf(t, dir))
}

type hiding struct{ stage.Sink[int] }

func (s hiding) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[int], error) {
	w, err := s.Sink.Open(ctx, restore)
	if err != nil {
		return nil, err
	}
	c, _ := w.(stage.Committer)
	return struct {
		stage.Writer[int]
		stage.Committer
	}{w, c}, nil
}

// A route's name is any string.
func TestRouteWithAnyName(t *testing.T) {
	t.Parallel()
	w := &world{places: map[string]*place{}}
	names := []string{"", "\xff", "\ufffd", "a/b", "\x00"}
	job := func() (stage.Summary, error) {
		return stage.Run(t.Context(), source.Range(0, 10), sink.Route(func(v int) string { return names[v%5] }, w.place), stage.Checkpoint(w.store(), 1))
	}
	w.failAt = 90
	_, err := job()
	require.ErrorIs(t, err, errPower)
	w.failAt = 0
	_, err = job()
	require.NoError(t, err)
	for i, name := range names {
		require.NotNil(t, w.places[name])
		assert.Equal(t, []int{i, i + 5}, w.places[name].items)
	}
}
