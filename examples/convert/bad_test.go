package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	toparquet "github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// A row that is wrong fails the run, or is left out and told of with its place.
func TestBadRows(t *testing.T) {
	const (
		good  = "2001-01-01 05:00,1,337,SFO,LAX\n"
		goodJ = `{"date":"2001-01-01 05:00","delay":1,"distance":337,"origin":"SFO","destination":"LAX"}`
	)
	for _, test := range []struct{ name, content, want string }{
		{"x.csv", header + good + "2001-02-29 05:00,1,337,SFO,LAX\n" + good, `x.csv: record 2, byte 70`},
		{"x.csv", header + good + "2001-01-01 05:00,late,337,SFO,LAX\n" + good, `"late" does not fit`},
		{"x.csv", header + good + "2001-01-01 05:00,1,337,SFO\n" + good, "wrong number of fields: 4, want 5"},
		{"x.tsv", strings.ReplaceAll(header+good+"2001-01-01 05:00,,337,SFO,LAX\n"+good, ",", "\t"), `x.tsv: record 2, byte 70`},
		{"x.ndjson", goodJ + "\n{]\n" + goodJ + "\n", "x.ndjson: record 2, byte 88"},
		{"x.ndjson", goodJ + "\n" + strings.Replace(goodJ, "-01-01", "-13-01", 1) + "\n" + goodJ + "\n", "2001-13-01"},
		{"x.json", "[" + goodJ + "," + strings.Replace(goodJ, "337", `"far"`, 1) + "," + goodJ + "]", "x.json: record 2, byte "},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, test.name, test.content)
			write(t, "out.csv", "old")
			for _, out := range []string{"out.csv", "out.parquet"} {
				stderr := fail(t, test.name, out)
				assert.Contains(t, stderr, test.want)
				assert.Contains(t, stderr, "none was kept, "+out+" is as it was")
			}
			assert.Equal(t, "old", read(t, "out.csv"))
			assert.Equal(t, []string{"out.csv", test.name}, names(t, "."))

			for _, out := range []string{"out.csv", "out.parquet", "out.ndjson"} {
				code, stdout, stderr := runCommand("-skip-bad", "1", test.name, out)
				require.Equal(t, 0, code, stderr)
				assert.Contains(t, stderr, "convert: left out: ")
				assert.Contains(t, stderr, test.want)
				assert.Contains(t, stdout, "Read             3 rows")
				assert.Contains(t, stdout, "Written          2 rows")
				assert.Contains(t, stdout, "Left out         1 rows")
				convert(t, out, "back.csv")
				assert.Equal(t, header+good+good, read(t, "back.csv"))
			}
		})
	}
}

func TestTooManyBadRows(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "x.csv", header+strings.Repeat("bad\n", 30))
	stderr := fail(t, "-skip-bad", "25", "x.csv", "out.parquet")
	assert.Equal(t, told, strings.Count(stderr, "left out: "), "the first ones")
	assert.Contains(t, stderr, "x.csv: record 26")
	assert.Equal(t, []string{"x.csv"}, names(t, "."))

	code, _, stderr := runCommand("-skip-bad", "30", "x.csv", "out.parquet")
	assert.Equal(t, 0, code)
	assert.Contains(t, stderr, "convert: left out: 10 more\n")
}

// A file that is cut off or no such file fails the run, whatever may be left out.
func TestBadFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "0.csv", text(rows(2000)))
	convert(t, "0.csv", "whole.csv.gz")
	convert(t, "0.csv", "whole.ndjson.zst")
	convert(t, "0.csv", "whole.parquet")
	for _, name := range []string{"whole.csv.gz", "whole.ndjson.zst", "whole.parquet"} {
		cut := "cut" + strings.TrimPrefix(name, "whole")
		whole := read(t, name)
		write(t, cut, whole[:len(whole)*2/3])
		for _, args := range [][]string{{cut, "out.csv"}, {cut, "out.parquet"}, {"-by", "origin", "-to", "csv", cut, "by"}, {"-skip-bad", "9", cut, "out.csv"}} {
			assert.Contains(t, fail(t, args...), "convert: source: "+cut)
		}
	}
	write(t, "columns.csv", "a,b\n1,2\n")
	assert.Contains(t, fail(t, "columns.csv", "out.csv"), "columns.csv")
	write(t, "none.parquet", "not Parquet")
	assert.Contains(t, fail(t, "none.parquet", "out.csv"), "none.parquet")
	for _, name := range names(t, ".") {
		assert.NotContains(t, name, "out")
		assert.NotContains(t, name, "by")
	}
}

// A date that text cannot hold is a bad row where it is formatted.
func TestDateThatTextCannotHold(t *testing.T) {
	t.Chdir(t.TempDir())
	flights := []Flight{{Origin: "SFO"}, {Date: 1 << 60}, {Origin: "LAX"}}
	_, err := stage.Run(t.Context(), source.Slice(flights), toparquet.Sink[Flight]("x.parquet"))
	require.NoError(t, err)
	for _, to := range []string{"csv", "ndjson"} {
		assert.Contains(t, fail(t, "x.parquet", "out."+to), "want 0 to 9999")
		code, stdout, stderr := runCommand("-skip-bad", "1", "x.parquet", "out."+to)
		require.Equal(t, 0, code, stderr)
		assert.Contains(t, stderr, "left out: x.parquet: record 2, ")
		assert.Contains(t, stdout, "Written          2 rows")
	}
	assert.Equal(t, header+"1970-01-01 00:00,0,0,SFO,\n1970-01-01 00:00,0,0,LAX,\n", read(t, "out.csv"))
}
