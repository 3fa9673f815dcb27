package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Every format becomes every other one, and CSV again with the same bytes.
func TestRoundTrips(t *testing.T) {
	t.Chdir(t.TempDir())
	want := text(rows(1500))
	write(t, "0.csv", want)
	outputs := []string{"csv", "csv.gz", "csv.zst", "ndjson", "jsonl.gz", "ndjson.zst", "parquet"}
	for _, a := range outputs {
		convert(t, "0.csv", "a."+a)
		for _, b := range outputs {
			convert(t, "a."+a, "b."+b)
			convert(t, "b."+b, "c.csv")
			require.Equal(t, want, read(t, "c.csv"), "csv to %s to %s", a, b)
		}
	}
	convert(t, "a.csv", "a.ndjson")
	array := "[" + strings.ReplaceAll(strings.TrimSpace(read(t, "a.ndjson")), "\n", ",\n") + "]"
	write(t, "a.json", array)
	convert(t, "a.json", "c.csv")
	assert.Equal(t, want, read(t, "c.csv"), "an array")

	simple := slices.DeleteFunc(rows(1500), func(s string) bool { return strings.Contains(s, `"`) })
	write(t, "a.tsv", strings.ReplaceAll(text(simple), ",", "\t"))
	convert(t, "a.tsv", "c.csv")
	assert.Equal(t, text(simple), read(t, "c.csv"), "tabs")
}

// However the work is cut up, the rows are the same, and in order if they are to be.
func TestAnyWorkersAndChunks(t *testing.T) {
	t.Chdir(t.TempDir())
	lines := slices.DeleteFunc(rows(1600), func(s string) bool { return strings.Contains(s, "\n") })
	write(t, "0.csv", text(lines))
	for _, ext := range []string{"ndjson.gz", "parquet"} {
		convert(t, "0.csv", "0."+ext)
	}
	sorted := slices.Sorted(slices.Values(lines))
	rapid.Check(t, func(r *rapid.T) {
		from := rapid.SampledFrom([]string{"csv", "ndjson.gz", "parquet"}).Draw(r, "from")
		to := rapid.SampledFrom([]string{"csv", "csv.zst", "ndjson", "parquet"}).Draw(r, "to")
		args := []string{"-workers", strconv.Itoa(rapid.IntRange(0, 4).Draw(r, "workers")),
			"-chunk", strconv.Itoa(rapid.SampledFrom([]int{0, 1, 7, 1000}).Draw(r, "chunk")), "0." + from, "1." + to}
		unordered := rapid.Bool().Draw(r, "unordered")
		if unordered {
			args = append(args, "-unordered")
		}
		convert(t, args...)
		convert(t, "1."+to, "2.csv")
		got := strings.Split(strings.TrimSuffix(strings.TrimPrefix(read(t, "2.csv"), header), "\n"), "\n")
		want := lines
		if unordered {
			slices.Sort(got)
			want = sorted
		}
		assert.Equal(r, want, got)
	})
}

// An input without rows makes an output without rows that is valid.
func TestNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "0.csv", header)
	write(t, "1.ndjson", "")
	write(t, "2.json", "[]")
	convert(t, "0.csv", "3.parquet")
	write(t, "4.tsv", strings.ReplaceAll(header, ",", "\t"))
	for _, from := range []string{"0.csv", "1.ndjson", "2.json", "3.parquet", "4.tsv"} {
		for _, to := range []string{"csv", "csv.gz", "ndjson", "ndjson.zst", "parquet"} {
			out := convert(t, from, "x."+to)
			assert.Contains(t, out, "Written          0 rows")
			convert(t, "x."+to, "y.csv")
			assert.Equal(t, header, read(t, "y.csv"), "%s to %s", from, to)
		}
	}
}

func TestManyFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	lines := rows(3000)
	require.NoError(t, os.MkdirAll(filepath.Join("in", "deep"), 0o700))
	write(t, filepath.Join("in", "a.csv"), text(lines[:1000]))
	write(t, filepath.Join("in", "b.csv"), text(lines[1000:2000]))
	convert(t, "in/b.csv", "in/b.csv.gz")
	require.NoError(t, os.Remove("in/b.csv"))
	write(t, filepath.Join("in", "deep", "c.csv"), text(lines[2000:]))
	write(t, filepath.Join("in", ".hidden"), "not a format")
	for _, in := range [][]string{{"in"}, {"in/**/*.csv*"}, {"in/a.csv", "in/b.csv.gz", "in/deep"}} {
		out := convert(t, append(in, "out.csv")...)
		assert.Equal(t, text(lines), read(t, "out.csv"), in)
		assert.Contains(t, out, "in 3 files")
	}
	write(t, "in/d.ndjson", "")
	code, _, stderr := runCommand("in", "out.csv")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "d.ndjson is ndjson, and what comes before it csv")
}

func TestPartsOfASize(t *testing.T) {
	t.Chdir(t.TempDir())
	want := rows(1000)
	write(t, "in.csv", text(want))
	out := convert(t, "-max-size", "15000", "in.csv", "part.csv.gz")
	assert.Contains(t, out, "of csv.gz in 3 files: part.csv.gz")
	assert.Equal(t, []string{"in.csv", "part-00001.csv.gz", "part-00002.csv.gz", "part-00003.csv.gz"}, names(t, "."))
	convert(t, "part-*.csv.gz", "again.csv")
	assert.Equal(t, text(want), read(t, "again.csv"))

	out = convert(t, "-max-size", "25000", "in.csv", "part.csv.gz")
	assert.Contains(t, out, "in 2 files: part.csv.gz", "the third is gone")
}

func TestFilesByColumn(t *testing.T) {
	t.Chdir(t.TempDir())
	lines := []string{}
	for i := range 1200 {
		lines = append(lines, fmt.Sprintf("2001-01-01 05:%02d,%d,337,%s,SEA", i%60, i, []string{"SFO", "LAX", "JFK"}[i%3]))
	}
	write(t, "in.csv", text(lines))
	for _, to := range []string{"csv", "csv.gz", "ndjson.zst"} {
		out := convert(t, "-by", "origin", "-to", to, "in.csv", "by")
		assert.Contains(t, out, "of "+to+" in 3 files: by")
		assert.Equal(t, []string{"origin=JFK", "origin=LAX", "origin=SFO"}, names(t, "by"))
		convert(t, "by/origin=LAX/part-00001."+to, "lax.csv")
		want := slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return !strings.Contains(s, ",LAX,") })
		assert.Equal(t, text(want), read(t, "lax.csv"))
		require.NoError(t, os.RemoveAll("by"))
	}
}

// A file may be its own output: it is replaced when it has been read.
func TestOntoItself(t *testing.T) {
	t.Chdir(t.TempDir())
	want := text(rows(1200))
	for _, name := range []string{"x.csv", "x.csv.gz", "x.ndjson", "x.ndjson.zst", "x.parquet"} {
		write(t, "0.csv", want)
		convert(t, "0.csv", name)
		convert(t, name, name)
		convert(t, name, "y.csv")
		assert.Equal(t, want, read(t, "y.csv"), name)
	}
}

func TestRowGroupAndLevel(t *testing.T) {
	t.Chdir(t.TempDir())
	want := text(rows(2000))
	write(t, "0.csv", want)
	convert(t, "-row-group", "4000", "0.csv", "many.parquet")
	convert(t, "0.csv", "one.parquet")
	assert.Greater(t, len(read(t, "many.parquet")), len(read(t, "one.parquet")))
	convert(t, "many.parquet", "1.csv")
	assert.Equal(t, want, read(t, "1.csv"))

	convert(t, "-level", "1", "0.csv", "fast.csv.gz")
	convert(t, "-level", "9", "0.csv", "small.csv.gz")
	assert.Less(t, len(read(t, "small.csv.gz")), len(read(t, "fast.csv.gz")))
}

func TestDates(t *testing.T) {
	for _, s := range []string{
		"2001-01-31 05:00", "2001-01-31 05:00:01", "2001-01-31 05:00:00.5", "2001-01-31 05:00:59.000001",
		"0000-01-01 00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999",
	} {
		var d Date
		require.NoError(t, d.UnmarshalText([]byte(s)))
		text, err := d.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, s, string(text))
	}
	for _, s := range []string{
		"", "2001-01-31", "2001-02-29 05:00", "2001-01-31 5:00", "2001-01-31T05:00", "2001-01-31 05:00:00.1234567",
		"2001-01-31 05:00Z", "10000-01-01 00:00", "2001-01-31 24:00",
	} {
		assert.ErrorContains(t, new(Date).UnmarshalText([]byte(s)), "want year-month-day", s)
	}
	_, err := Date(1 << 62).MarshalText()
	assert.ErrorContains(t, err, "want 0 to 9999")
	rapid.Check(t, func(r *rapid.T) {
		d := Date(rapid.Int64Range(-62167219200000000, 253402300799999999).Draw(r, "date"))
		text, err := d.MarshalText()
		require.NoError(r, err)
		var back Date
		require.NoError(r, back.UnmarshalText(text))
		require.Equal(r, d, back)
	})
}

// The quick way takes no date that package time does not take, for the same time.
func TestQuickDates(t *testing.T) {
	_, ok := quick([]byte("2001-01-28 05:00"))
	assert.True(t, ok)
	rapid.Check(t, func(r *rapid.T) {
		s := rapid.StringMatching(`[0-9]{4}-[0-3][0-9]-[0-3][0-9] [0-2][0-9]:[0-7][0-9]`).Draw(r, "date")
		if rapid.Bool().Draw(r, "spoilt") {
			b := []byte(s)
			b[rapid.IntRange(0, len(b)-1).Draw(r, "at")] = rapid.Byte().Draw(r, "byte")
			s = string(b)
		}
		d, ok := quick([]byte(s))
		want, err := time.Parse(minutes, s)
		if ok {
			require.NoError(r, err, s)
			require.Equal(r, Date(want.UnixMicro()), d, s)
		}
		require.Equal(r, err == nil, new(Date).UnmarshalText([]byte(s)) == nil, s)
	})
}
