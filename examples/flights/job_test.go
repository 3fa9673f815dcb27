package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/source"

	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/examples/internal/letters"
)

func TestEveryRule(t *testing.T) {
	folder := t.TempDir()
	in := filepath.Join(folder, "mixed.csv")
	m := mix(in, 400)
	write(t, in, m.lines)
	require.Len(t, m.rejects, len(badRows()))
	for _, workers := range []int{1, 2, 5} {
		for _, chunk := range []int{0, 3} {
			for _, unordered := range []bool{false, true} {
				t.Run(fmt.Sprintf("workers=%d,chunk=%d,unordered=%t", workers, chunk, unordered), func(t *testing.T) {
					out := filepath.Join(t.TempDir(), "flights.db")
					var seen int
					j := job{in: []string{in}, out: out, workers: workers, chunk: chunk, unordered: unordered, minDelay: minDelay}
					res, err := j.run(t.Context(), func(Flight) { seen++ })
					require.NoError(t, err)
					assert.EqualValues(t, len(m.lines), res.Read)
					assert.EqualValues(t, len(m.good), res.Written)
					assert.EqualValues(t, len(m.rejects), res.DeadLettered)
					assert.Zero(t, res.filtered)
					assert.Len(t, m.good, seen)

					lines, rejects := linesOf(stored(t, out)), letterFile(t, letters.File(out))
					want := slices.Clone(m.good)
					if unordered {
						slices.Sort(want)
						slices.Sort(lines)
						slices.SortFunc(rejects, func(a, b letters.Rejected) int { return cmp.Compare(a.Line, b.Line) })
					}
					assert.Equal(t, want, lines)
					assert.Equal(t, m.rejects, rejects)
				})
			}
		}
	}
}

func TestEnriched(t *testing.T) {
	folder := t.TempDir()
	in := filepath.Join(folder, "in.csv")
	write(t, in, []string{
		"2001-01-01 05:00,-1,499,SFO,LAX", "2001-01-01 05:00,0,500,SFO,LAX", "2001-01-01 05:00,14,1499,SFO,LAX",
		"2001-01-01 05:00,15,1500,SFO,LAX", "2001-01-01 05:00,59,1,SFO,LAX", "2001-01-01 05:00,60,6000,SFO,LAX",
	})
	j := job{in: []string{in}, out: filepath.Join(folder, "flights.db"), minDelay: minDelay}
	load(t, j)
	var got [][2]string
	for _, f := range stored(t, j.out) {
		got = append(got, [2]string{f.Haul, f.Punctuality})
	}
	assert.Equal(t, [][2]string{
		{"short", "early"}, {"medium", "on time"}, {"medium", "on time"},
		{"long", "late"}, {"short", "late"}, {"long", "very late"},
	}, got)
}

func TestMinDelay(t *testing.T) {
	folder := t.TempDir()
	in := filepath.Join(folder, "in.csv")
	m := mix(in, 300)
	write(t, in, m.lines)
	j := job{in: []string{in}, out: filepath.Join(folder, "flights.db"), minDelay: 15}
	res := load(t, j)
	rows := stored(t, j.out)
	assert.Len(t, rows, int(res.Written))
	assert.Equal(t, res.filtered, int64(len(m.good)-len(rows)))
	assert.Positive(t, res.filtered)
	for _, f := range rows {
		require.GreaterOrEqual(t, f.Delay, 15)
	}

	j.minDelay = maxDelay + 1
	res = load(t, j)
	assert.Empty(t, stored(t, j.out))
	assert.EqualValues(t, len(m.good), res.filtered)
	assert.Empty(t, res.routes)
}

// A row that breaks a rule, in the source or behind it, counts as one that was
// read.
func TestLimit(t *testing.T) {
	folder := t.TempDir()
	in := filepath.Join(folder, "in.csv")
	m := mix(in, 21)
	write(t, in, m.lines)
	for limit := 1; limit <= len(m.lines)+1; limit += 5 {
		for _, chunk := range []int{0, 4} {
			j := job{in: []string{in}, out: filepath.Join(folder, "flights.db"), limit: limit, chunk: chunk, minDelay: minDelay}
			res := load(t, j)
			require.EqualValues(t, min(limit, len(m.lines)), res.Read)
			rejects := letterFile(t, letters.File(j.out))
			require.Equal(t, m.rejects[:len(rejects)], rejects)
			require.Equal(t, m.good[:res.Written], linesOf(stored(t, j.out)))
		}
	}
}

func TestSeveralFiles(t *testing.T) {
	folder := t.TempDir()
	rows := goodRows(30)
	for i, name := range []string{"b-1.csv", "b-2.csv", "a.csv"} {
		write(t, filepath.Join(folder, name), rows[10*i:10*i+10])
	}
	j := job{
		in:  []string{filepath.Join(folder, "b-*.csv"), filepath.Join(folder, "a.csv")},
		out: filepath.Join(folder, "flights.db"), minDelay: minDelay,
	}
	load(t, j)
	assert.Equal(t, rows, linesOf(stored(t, j.out)))
}

// The first part of the real data, beside the plain answer.
func TestRealData(t *testing.T) {
	const limit = 5_000
	data, err := command.Data(data)
	require.NoError(t, err)
	j := job{in: []string{data}, out: filepath.Join(t.TempDir(), "flights.db"), limit: limit, minDelay: minDelay}
	res := load(t, j)
	assert.EqualValues(t, limit, res.Read)
	assert.EqualValues(t, limit, res.Written)

	file, err := os.Open(data)
	require.NoError(t, err)
	defer func() { assert.NoError(t, file.Close()) }()
	plain, err := zstd.NewReader(file)
	require.NoError(t, err)
	defer plain.Close()
	r := csv.NewReader(plain)
	_, err = r.Read()
	require.NoError(t, err)
	var lines []string
	flights, delays := map[string]int64{}, map[string]int{}
	for range limit {
		f, err := r.Read()
		require.NoError(t, err)
		lines = append(lines, fmt.Sprintf("%s,%s,%s,%s,%s", f[0], f[1], f[2], f[3], f[4]))
		delay, err := strconv.Atoi(f[1])
		require.NoError(t, err)
		flights[f[3]+"-"+f[4]]++
		delays[f[3]+"-"+f[4]] += delay
	}
	assert.Equal(t, lines, linesOf(stored(t, j.out)))

	names := make([]string, 0, len(flights))
	for name := range flights {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(flights[b], flights[a]), cmp.Compare(a, b))
	})
	require.Len(t, res.routes, 10)
	for i, r := range res.routes {
		name := r.origin + "-" + r.destination
		assert.Equal(t, names[i], name)
		assert.Equal(t, flights[name], r.flights)
		assert.InDelta(t, float64(delays[name])/float64(flights[name]), r.meanDelay(), 1e-9)
	}
}

// A second run replaces the table and the dead letters, and nothing else.
func TestSecondRunReplaces(t *testing.T) {
	folder, j, before := small(t)
	require.Len(t, before, 20)
	require.Len(t, letterFile(t, letters.File(j.out)), 1)
	_, err := openSQL(t, j.out).ExecContext(t.Context(), "CREATE TABLE mine AS SELECT 'kept' AS word; CREATE INDEX i ON flights(origin)")
	require.NoError(t, err)
	write(t, j.in[0], goodRows(5))
	for range 2 {
		load(t, j)
		assert.Equal(t, goodRows(5), linesOf(stored(t, j.out)))
		assert.Empty(t, letterFile(t, letters.File(j.out)))
		var word string
		require.NoError(t, openSQL(t, j.out).QueryRowContext(t.Context(), "SELECT word FROM mine").Scan(&word))
		assert.Equal(t, "kept", word)
		assert.Equal(t, []string{"flights-rejected.ndjson", "flights.db", "in.csv"}, files(t, folder))
	}
}

// Who reads the old table goes on reading it; the new one is there afterwards.
func TestOldTableCanBeReadMeanwhile(t *testing.T) {
	_, j, before := small(t)
	write(t, j.in[0], goodRows(200))
	reader := openSQL(t, j.out)
	once := false
	_, err := j.run(t.Context(), func(Flight) {
		if once {
			return
		}
		once = true
		var n int
		assert.NoError(t, reader.QueryRowContext(t.Context(), "SELECT count(*) FROM flights").Scan(&n))
		assert.Len(t, before, n)
	})
	require.NoError(t, err)
	assert.Len(t, stored(t, j.out), 200)
}

func TestOddNames(t *testing.T) {
	for _, name := range []string{"a b?c#d%41&e.db", "plain", "ünï.sqlite3", "x'y\".db", "file:z.db"} {
		folder := t.TempDir()
		in := filepath.Join(folder, "in.csv")
		write(t, in, goodRows(3))
		j := job{in: []string{in}, out: filepath.Join(folder, name), minDelay: minDelay}
		load(t, j)
		load(t, j)
		assert.Len(t, stored(t, j.out), 3)
		names := []string{name, filepath.Base(letters.File(name)), "in.csv"}
		slices.Sort(names)
		assert.Equal(t, names, files(t, folder))
	}
}

// Whatever fails, the old database and the old dead letters stay, and nothing
// else does.
func TestFailureKeepsTheOld(t *testing.T) {
	data, err := command.Data(data)
	require.NoError(t, err)
	compressed, err := os.ReadFile(data)
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		set  func(t *testing.T, folder string, j *job) // breaks something
		want string
	}{
		{"missing file", func(_ *testing.T, folder string, j *job) {
			j.in = []string{filepath.Join(folder, "none.csv")}
		}, "none.csv: no such file"},
		{"no match", func(_ *testing.T, folder string, j *job) {
			j.in = []string{filepath.Join(folder, "none-*.csv")}
		}, "none-*.csv: no file matches"},
		{"missing column", func(t *testing.T, _ string, j *job) {
			t.Helper()
			require.NoError(t, os.WriteFile(j.in[0], []byte("date,delay,distance,from,to\n"), 0o600))
		}, `missing columns "origin", "destination"`},
		{"truncated", func(t *testing.T, _ string, j *job) {
			t.Helper()
			require.NoError(t, os.WriteFile(j.in[0], compressed[:len(compressed)/20], 0o600))
		}, "unexpected EOF"},
		{"second file is missing", func(_ *testing.T, folder string, j *job) {
			j.in = append(j.in, filepath.Join(folder, "none.csv"))
		}, "none.csv: no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder, j, before := small(t)
			c.set(t, folder, &j)
			was := letterFile(t, letters.File(j.out))
			names := files(t, folder)

			res, err := j.run(t.Context(), func(Flight) {})
			require.ErrorContains(t, err, c.want)
			assert.False(t, res.swapped)
			assert.Equal(t, before, stored(t, j.out))
			assert.Equal(t, was, letterFile(t, letters.File(j.out)))
			assert.Equal(t, names, files(t, folder))
		})
	}
}

func TestTruncatedSaysWhere(t *testing.T) {
	_, j, _ := small(t)
	data, err := command.Data(data)
	require.NoError(t, err)
	compressed, err := os.ReadFile(data)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(j.in[0], compressed[:len(compressed)/20], 0o600))
	res, err := j.run(t.Context(), func(Flight) {})
	bad, ok := errors.AsType[*source.Error](err)
	require.True(t, ok)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, j.in[0], bad.File)
	assert.Equal(t, bad.Record, res.Read+1)
	assert.Equal(t, res.Read, res.Written)
	assert.Positive(t, res.Written)
}

func TestOutputThatCannotBe(t *testing.T) {
	folder := t.TempDir()
	in := filepath.Join(folder, "in.csv")
	write(t, in, goodRows(3))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "text.db"), []byte("this is a text, and no database at all"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "dir.db"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "x-rejected.ndjson"), 0o700))
	names := files(t, folder)
	for out, want := range map[string]string{
		"text.db":            "not a database",
		"dir.db":             "not a regular file",
		"x.db":               "x-rejected.ndjson: not a regular file",
		"missing/flights.db": "no such file or directory",
		"in.csv/flights.db":  "not a directory",
		"view.db":            "use DROP VIEW",
	} {
		if out == "view.db" {
			db := makeSQL(t, filepath.Join(folder, out))
			_, err := db.ExecContext(t.Context(), "CREATE VIEW flights AS SELECT 1")
			require.NoError(t, err)
			require.NoError(t, db.Close())
			names = append(names, out)
			slices.Sort(names)
		}
		j := job{in: []string{in}, out: filepath.Join(folder, out), minDelay: minDelay}
		res, err := j.run(t.Context(), func(Flight) {})
		require.ErrorContains(t, err, want)
		assert.False(t, res.swapped)
		assert.Equal(t, names, files(t, folder))
	}
}

var errStopped = errors.New("stopped for a reason")

func TestInterrupted(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		folder, j, before := small(t)
		if fresh {
			require.NoError(t, os.Remove(j.out))
		}
		write(t, j.in[0], goodRows(20_000))
		names := files(t, folder)
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		res, err := j.run(ctx, func(Flight) {
			if n++; n == 5_000 {
				cancel(errStopped)
			}
		})
		require.ErrorIs(t, err, errStopped)
		require.EqualError(t, err, errStopped.Error())
		assert.False(t, res.swapped)
		assert.Less(t, res.Written, int64(20_000))
		assert.Positive(t, res.Written)
		assert.Equal(t, names, files(t, folder))
		if !fresh {
			assert.Equal(t, before, stored(t, j.out))
		}
	}
}

func TestInterruptedBefore(t *testing.T) {
	folder, j, before := small(t)
	names := files(t, folder)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopped)
	_, err := j.run(ctx, func(Flight) {})
	require.EqualError(t, err, errStopped.Error())
	assert.Equal(t, names, files(t, folder))
	assert.Equal(t, before, stored(t, j.out))
}
