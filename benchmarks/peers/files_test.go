package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every run compares its answer, so running all once proves that each gives the
// same.
func TestFilesOfEveryCase(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Setenv("PATH", filepath.Dir(os.Args[0])) // there are no such tools
	}
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-quick", "-json", "-suite", "files"}, &out, &errs), errs.String())
	cases := map[string][]string{}
	for line := range strings.Lines(out.String()) {
		var r fileRow
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		cases[r.Case] = append(cases[r.Case], r.Impl)
		assert.Equal(t, "files", r.Suite)
		assert.Nil(t, r.Met, "a quick run is no measurement")
		if r.Rounds == 0 {
			assert.Contains(t, r.Note, "not measured: ", line)
			continue
		}
		assert.Positive(t, r.Seconds, line)
		assert.Positive(t, r.MBPerS, line)
		assert.Positive(t, r.PeakRSSMB, line)
		assert.Equal(t, r.Impl != ourName && r.Impl != tenTimes, r.Ratio != nil, line)
	}
	assert.Len(t, cases, 12)
	for name, impls := range cases {
		assert.Equal(t, ourName, impls[0], name)
		assert.GreaterOrEqual(t, len(impls), 2, name)
		assert.Equal(t, name != "csv-to-sqlite" && name != "sort", impls[len(impls)-1] == tenTimes, name)
	}
}

func TestFilesThatDoNotMatch(t *testing.T) {
	var out, errs bytes.Buffer
	assert.Equal(t, 2, run(t.Context(), []string{"-suite", "files", "-case", "none"}, &out, &errs))
	assert.Contains(t, errs.String(), "no case of suite files")
}

func TestFilesAreApart(t *testing.T) {
	for _, s := range suitesNamed(allSuites) {
		assert.NotEqual(t, "files", s.name)
	}
	assert.Len(t, suitesNamed("files"), 1)
}

// answers runs processes that say something, one after another, as those of a
// case are.
func answers(t *testing.T, c fileCase, lines ...string) error {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		lines = nil
	}
	m := fileMeasure{c: c, tools: fileTools{dir: t.TempDir()}}
	for _, line := range lines {
		if err := m.once(t.Context(), &fileRunner{rival: shell(0, "teller", "sh", line)}); err != nil {
			return err
		}
	}
	return nil
}

func TestAnswersAreCompared(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // the processes below are a shell's
	}
	printed := fileCase{}
	require.NoError(t, answers(t, printed, "echo 12 name", "echo 12"))
	require.NoError(t, answers(t, printed, "echo A,1.0000000001; echo B,2", "echo B,2.0; echo A,1"))
	require.ErrorContains(t, answers(t, printed, "echo 12", "echo 13"), "its answer is not that of teller: 13, want 12")
	require.ErrorContains(t, answers(t, printed, "echo A,1", "echo A,1; echo A,1"), "not that of teller")

	written := fileCase{out: ".txt"}
	require.NoError(t, answers(t, written, "echo 12 > {out}", "printf '12\n' > {out}"))
	require.ErrorContains(t, answers(t, written, "echo 12 > {out}", "echo '12 ' > {out}"), "not that of teller: 4 bytes")
	require.ErrorIs(t, answers(t, written, "true"), os.ErrNotExist)

	err := answers(t, printed, "echo 12; echo so it failed >&2; exit 3")
	require.ErrorContains(t, err, "exit status 3: so it failed")
}

func TestBoundsOfFiles(t *testing.T) {
	ratio := func(v float64) *float64 { return &v }
	c := fileCase{most: 96, rival: []rival{{name: "fast", limit: 2}, {name: "slow", limit: 0.5}, {name: "absent", limit: 1}}}
	rows := map[string]*fileRow{
		ourName:    {Rounds: 1, PeakRSSMB: 40},
		"fast":     {Rounds: 1, Ratio: ratio(2.5)},
		"slow":     {Rounds: 1, Ratio: ratio(0.4)},
		"absent":   {},
		"zstd":     {Rounds: 1, Seconds: 1, Ratio: ratio(1.4)},
		plainGroup: {Rounds: 1, Seconds: 2, Ratio: ratio(0.7)},
		tenTimes:   {Rounds: 1, PeakRSSMB: 48.5},
	}
	fileBounds(c, rows)
	assert.True(t, *rows[ourName].Met)
	assert.False(t, *rows["fast"].Met)
	assert.True(t, *rows["slow"].Met)
	assert.Nil(t, rows["absent"].Met)
	assert.Nil(t, rows["zstd"].Met, "the longer one counts")
	assert.True(t, *rows[plainGroup].Met)
	assert.False(t, *rows[tenTimes].Met, "8 MB more is the most")
	assert.Equal(t, "ours / fast <= 2 (2.5)", rows["fast"].Bound)

	rows = map[string]*fileRow{"fast": {Rounds: 1}}
	fileBounds(c, rows)
	assert.Nil(t, rows["fast"].Met, "without ours there is nothing to show")
}

func TestRivalsThatAreNotThere(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	assert.Equal(t, "no wc in the path", (&fileRunner{rival: rival{needs: "wc"}}).missing(fileTools{}))
	assert.Equal(t, "no compiler", (&fileRunner{rival: rival{argv: []string{""}}}).missing(fileTools{noDuck: "no compiler"}))
	assert.Empty(t, (&fileRunner{rival: rival{argv: []string{"x"}}}).missing(fileTools{}))
	require.ErrorContains(t, build(context.Background(), ".", "x", "./none"), "go build ./none: ")
}
