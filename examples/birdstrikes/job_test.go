package main

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/examples/internal/letters"
)

// realData is the text of the data beside the program.
func realData(t *testing.T) (path, text string) {
	t.Helper()
	path, err := command.Data(data)
	require.NoError(t, err)
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, file.Close()) }()
	plain, err := zstd.NewReader(file)
	require.NoError(t, err)
	defer plain.Close()
	all, err := io.ReadAll(plain)
	require.NoError(t, err)
	return path, string(all)
}

func TestData(t *testing.T) {
	path, text := realData(t)
	sum := sha256.Sum256([]byte(text))
	assert.Equal(t, "45777edf69984b37599e73dbfb34dbc976055243547407214261a4fcb9466462", hex.EncodeToString(sum[:]))
	readme, err := os.ReadFile(filepath.Join(filepath.Dir(path), "README.md"))
	require.NoError(t, err)
	assert.Contains(t, string(readme), hex.EncodeToString(sum[:]))
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	packed := sha256.Sum256(file)
	assert.Contains(t, string(readme), hex.EncodeToString(packed[:]))
}

// The real data, beside what encoding/csv and a few ifs say of it.
func TestRealData(t *testing.T) {
	path, text := realData(t)
	r := csv.NewReader(strings.NewReader(text))
	_, err := r.Read()
	require.NoError(t, err)
	rows, err := r.ReadAll()
	require.NoError(t, err)
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		return n
	}
	var bad []string
	want := map[string]*phase{}
	var kept [][]string
	for _, f := range rows {
		flying := f[6] == "Climb" || f[6] == "Descent" || f[6] == "Approach"
		if f[2] == "B" || f[2] == "C" || f[2] == "None" && f[11] != "0" || flying && f[13] == "0" || f[6] == "Taxi" && f[13] == "130" {
			bad = append(bad, strings.Join(f, ","))
			continue
		}
		kept = append(kept, f)
		p := want[f[6]]
		if p == nil {
			p = &phase{name: f[6]}
			want[f[6]] = p
		}
		p.strikes++
		p.cost += number(f[12])
		if f[2] != "None" {
			p.damaging++
		}
		if f[13] != "" {
			p.speeds++
			p.knots += number(f[13])
		}
	}

	for _, workers := range []int{1, 3} {
		j := job{in: []string{path}, out: filepath.Join(t.TempDir(), "out.parquet"), workers: workers}
		res := load(t, j)
		assert.EqualValues(t, 10_000, res.Read)
		for _, p := range res.found.phases {
			assert.Equal(t, *want[p.name], p)
		}
		var lines []string
		for _, l := range rejects(t, letters.File(j.out)) {
			assert.True(t, strings.HasPrefix(text[l.Byte:], l.Row+"\r\n"))
			lines = append(lines, l.Row)
		}
		assert.Equal(t, bad, lines)
		strikes := stored(t, j.out)
		require.Len(t, strikes, len(kept))
		for i, s := range strikes {
			require.Equal(t, kept[i][0], s.Airport)
			require.Equal(t, strings.Join(strings.Fields(kept[i][1]), " "), s.Aircraft)
			require.Equal(t, kept[i][3], s.Date.UTC().Format(dateLayout))
			require.Equal(t, kept[i][13] == "", s.Speed == nil)
			require.Equal(t, number(kept[i][12]), s.CostTotal)
			require.Equal(t, kept[i][4] == "UNKNOWN", s.Operator == nil)
		}
	}
}

func TestSecondRunReplaces(t *testing.T) {
	folder, j := before(t)
	require.NoError(t, os.Chmod(j.out, 0o640))
	write(t, j.in[0], good)
	for range 2 {
		load(t, j)
		assert.Len(t, stored(t, j.out), 1)
		assert.Empty(t, rejects(t, letters.File(j.out)))
		assert.Len(t, files(t, folder), 3)
	}
	info, err := os.Stat(j.out)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
}

func TestNoRows(t *testing.T) {
	folder, j := before(t)
	write(t, j.in[0])
	res := load(t, j)
	assert.Zero(t, res.Read)
	assert.Empty(t, stored(t, j.out))
	assert.Len(t, files(t, folder), 3)
	assert.True(t, strings.HasPrefix(res.report(&j), "Rows read             0\n"))
}

// Whatever fails, the old files stay, and nothing else does.
func TestFailureKeepsTheOld(t *testing.T) {
	packed, err := os.ReadFile(filepath.Join("data", "birdstrikes.csv.zst"))
	require.NoError(t, err)
	for want, set := range map[string]func(t *testing.T, folder string, j *job){
		"none.csv: no such file": func(_ *testing.T, folder string, j *job) { j.in = append(j.in, filepath.Join(folder, "none.csv")) },
		"none-*.csv: no file":    func(_ *testing.T, folder string, j *job) { j.in = []string{filepath.Join(folder, "none-*.csv")} },
		`missing column "Airport Name"`: func(t *testing.T, _ string, j *job) {
			t.Helper()
			require.NoError(t, os.WriteFile(j.in[0], []byte(strings.Replace(header, "Airport Name", "Airport", 1)), 0o600))
		},
		"unexpected EOF": func(t *testing.T, _ string, j *job) {
			t.Helper()
			require.NoError(t, os.WriteFile(j.in[0], packed[:len(packed)/2], 0o600))
		},
		"wrong number of fields: 1, want 14": func(t *testing.T, _ string, j *job) {
			t.Helper()
			write(t, j.in[0], good, "one", "two", "three")
			j.maxBad = 2
		},
		"out-rejected.ndjson: not a regular file": func(t *testing.T, _ string, j *job) {
			t.Helper()
			require.NoError(t, os.Remove(letters.File(j.out)))
			require.NoError(t, os.Mkdir(letters.File(j.out), 0o700))
		},
	} {
		t.Run(want, func(t *testing.T) {
			folder, j := before(t)
			set(t, folder, &j)
			was := files(t, folder)
			res, err := j.run(t.Context(), func(Strike) {})
			require.ErrorContains(t, err, want)
			assert.False(t, res.published)
			assert.Equal(t, was, files(t, folder))
		})
	}
	j := job{in: []string{"x"}, out: filepath.Join(t.TempDir(), "none", "x.parquet")}
	_, err = j.run(t.Context(), func(Strike) {})
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestMaxBad(t *testing.T) {
	_, j := before(t)
	j.maxBad = 1
	load(t, j)
	write(t, j.in[0], good, "one", "two")
	_, err := j.run(t.Context(), func(Strike) {})
	assert.ErrorContains(t, err, "in.csv: record 3, byte")
}

// If the second file cannot take its place, the first one does not keep its own.
func TestPublishAllOrNone(t *testing.T) {
	for _, old := range []bool{true, false} {
		folder := t.TempDir()
		a, b := filepath.Join(folder, "a"), filepath.Join(folder, "b")
		if old {
			require.NoError(t, os.WriteFile(a, []byte("old"), 0o600))
		}
		out, err := openOutputs(a, b)
		require.NoError(t, err)
		was := files(t, folder)
		require.NoError(t, os.WriteFile(out.fresh(0), []byte("new"), 0o600))
		assert.ErrorIs(t, out.publish(), fs.ErrNotExist) // b was never written
		assert.Equal(t, was, files(t, folder))
		require.NoError(t, out.close())
	}
}

// What the files say is held against what the run says.
func TestCheck(t *testing.T) {
	folder, j := before(t)
	res := load(t, j)
	require.NoError(t, res.check(0))
	require.ErrorContains(t, res.check(1), "that cost $0 of $1")
	for want, change := range map[string]func(*result){
		"the rows do not add up: read 4, written 2": func(r *result) { r.Read++ },
		"the Parquet file has 1 rows of 2":          func(r *result) { r.found.strikes-- },
		"the dead-letter file has 2 rows of 1":      func(r *result) { r.found.rejected++ },
	} {
		r := res
		change(&r)
		assert.ErrorContains(t, r.check(0), want)
	}
	_, err := look(t.Context(), j.in[0], letters.File(j.out))
	require.ErrorContains(t, err, "in.csv")
	_, err = look(t.Context(), j.out, filepath.Join(folder, "none"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

var errStopped = errors.New("stopped for a reason")

func TestInterrupted(t *testing.T) {
	folder, j := before(t)
	write(t, j.in[0], strings.Repeat(good+"\n", 20_000))
	was := files(t, folder)
	ctx, cancel := context.WithCancelCause(t.Context())
	n := 0
	res, err := j.run(ctx, func(Strike) {
		if n++; n == 5_000 {
			cancel(errStopped)
		}
	})
	require.EqualError(t, err, errStopped.Error())
	assert.False(t, res.published)
	assert.Positive(t, res.Written)
	assert.Less(t, res.Written, int64(20_000))
	assert.Equal(t, was, files(t, folder))

	_, err = j.run(ctx, func(Strike) {})
	require.EqualError(t, err, errStopped.Error())
	assert.Equal(t, was, files(t, folder))
}
