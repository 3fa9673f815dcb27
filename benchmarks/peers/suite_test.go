package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// quick runs the command in its quick form and returns its rows.
func quick(t *testing.T, args ...string) []row {
	t.Helper()
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), append([]string{"-quick", "-json"}, args...), &out, &errs), errs.String())
	var rows []row
	for line := range strings.Lines(out.String()) {
		var r row
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		rows = append(rows, r)
	}
	return rows
}

// Every run checks its tally, so running all once proves that each implementation
// gives each case's results, in order where that is asked for.
func TestEveryImplementationOfEveryCaseOfEverySuite(t *testing.T) {
	ours := map[string]int{}
	var order []string
	_, err := exec.LookPath("python3")
	for _, r := range quick(t, "-suite", allSuites) {
		name := strings.Join([]string{r.Suite, r.Case, r.Impl}, ": ")
		if len(order) == 0 || order[len(order)-1] != r.Suite {
			order = append(order, r.Suite)
		}
		assert.Nil(t, r.Met, "%s: a quick run is no measurement", name)
		if r.Impl == "python" && err != nil {
			continue
		}
		assert.Positive(t, r.NsPerItem, name)
		assert.Positive(t, r.Items, name)
		if strings.HasPrefix(r.Impl, "penstock") {
			ours[r.Suite]++
		}
		first := strings.HasPrefix(r.Case, "first-item")
		assert.Equal(t, r.Suite == "latency" && !first, r.P50us != nil && r.P99us != nil, name)
		assert.Equal(t, first, r.FirstItemMs != nil, name)
		assert.Equal(t, strings.HasPrefix(r.Case, "sleep-1ms/") && r.Impl != "sequential", r.Speedup != nil, name)
		assert.Equal(t, strings.HasSuffix(r.Case, "live-calls"), r.SlowestOverFastest != nil, name)
		assert.Equal(t, r.Suite == "memory" || r.Case == "memory", r.PeakHeapMB != nil, name)
		assert.Equal(t, strings.HasPrefix(r.Case, "slow-consumer/1MB"), r.LiveHeapMB != nil, name)
		assert.Equal(t, r.Impl == "python", r.StartupMs != nil, name)
	}
	assert.Equal(t, []string{"engine", "chunks", "latency", "scale", "memory", "python", "operators"}, order)
	assert.Equal(t, map[string]int{
		"engine": 11, "chunks": 2 + 7*8, "latency": 5 * 4, "scale": 5 + 4, "memory": 4 + 3, "python": 3 * 4, "operators": 8 + 5 + 6 + 3 + 5 + 2,
	}, ours)
}

func TestEverySuiteHasATable(t *testing.T) {
	for name, pattern := range map[string]string{
		"chunks": "^ordered-vs", "latency": "^first", "scale": "workers=32$", "memory": "items=10000$", "python": "^imap/chunk=4096",
	} {
		var out, errs bytes.Buffer
		require.Zero(t, run(t.Context(), []string{"-quick", "-suite", name, "-case", pattern}, &out, &errs), errs.String())
		head, _, _ := strings.Cut(out.String(), "\n")
		assert.True(t, strings.HasPrefix(head, "suite "+name+" "), head)
		for _, s := range suitesNamed(name) {
			for _, c := range s.columns {
				assert.Contains(t, head, c.head)
			}
		}
	}
}

func TestANoteIsInTheTableOnce(t *testing.T) {
	var out bytes.Buffer
	p := printer{w: &out}
	require.NoError(t, p.head(suite{name: "made-up"}))
	noted := func() []row { return []row{{Impl: "rival", Note: "unordered", Rounds: 1}} }
	require.NoError(t, p.rows(suite{}, noted()))
	require.NoError(t, p.rows(suite{}, noted()))
	assert.Equal(t, 1, strings.Count(out.String(), "unordered"), out.String())

	out.Reset()
	p.json = true
	require.NoError(t, p.rows(suite{}, noted()))
	require.NoError(t, p.rows(suite{}, noted()))
	assert.Equal(t, 2, strings.Count(out.String(), "unordered"), "each object stands for itself")
}

func TestWithoutPythonThereIsOnlyOurs(t *testing.T) {
	path := t.TempDir()
	t.Setenv("PATH", path)
	for _, says := range []string{"not measured: no python3 in the path", "not measured: its Pool did not start"} {
		var out, errs bytes.Buffer
		require.Zero(t, run(t.Context(), []string{"-quick", "-suite", "python", "-case", "^imap/chunk=1$"}, &out, &errs))
		assert.Contains(t, errs.String(), says)
		assert.Contains(t, out.String(), says)

		rows := quick(t, "-suite", "python", "-case", "^map/chunk=1$")
		require.Len(t, rows, 2)
		assert.Equal(t, "penstock", rows[0].Impl)
		assert.Nil(t, rows[0].VsBestPeer)
		assert.Equal(t, "python", rows[1].Impl)
		assert.Zero(t, rows[1].Rounds)
		assert.Contains(t, rows[1].Note, says)

		if runtime.GOOS == "windows" {
			break
		}
		require.NoError(t, os.WriteFile(filepath.Join(path, "python3"), []byte("#!/bin/sh\nexit 3\n"), 0o700))
	}
}

func TestPythonEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	py, err := startPython(ctx)
	if _, missing := exec.LookPath("python3"); missing != nil {
		require.Error(t, err, "without Python there is nothing to start")
		return
	}
	require.NoError(t, err)
	cancel()
	_, err = py.run(ctx, job{n: 10, verb: "no_such_verb", sample: new(sample)})
	require.Error(t, err)
	require.Error(t, py.close())
	assert.NoDirExists(t, py.dir)
}

func TestCallsProveThemselves(t *testing.T) {
	j := job{n: 10, fn: noop, ordered: true, sample: new(sample)}
	_, err := liveCalls(t.Context(), j, 3, sequential)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, *j.sample.SlowestOverFastest, 1.0)

	backwards := func(_ context.Context, j job) (tally, error) {
		t := j.tally()
		for i := range j.n {
			t.add(j.first + j.n - 1 - i)
		}
		return t, nil
	}
	_, err = liveCalls(t.Context(), j, 3, backwards)
	require.ErrorContains(t, err, "of 3: wrong results")
}

func TestBoundsOfTheSuites(t *testing.T) {
	ms, ratio := 1.0, 1.5
	us := row{Impl: "penstock", kind: ours, NsPerItem: 110, Rounds: 1, figures: figures{FirstItemMs: &ms}}
	one := row{Impl: "penstock/chunk=1", kind: variant, NsPerItem: 100, Rounds: 1, figures: figures{FirstItemMs: &ms}}
	other := row{Impl: "penstock/chunk=4", kind: variant, NsPerItem: 300, Rounds: 1}
	other.SlowestOverFastest = &ratio
	unordered := row{Impl: "penstock/unordered", kind: variant, NsPerItem: 200, Rounds: 1}
	python := row{Impl: "python", NsPerItem: 22_000, Rounds: 1}
	rs := results{us, one, other, unordered, python}
	for want, b := range map[float64]bound{
		1 / 1.1: vsBestFixed(0), 0.55: vsUnordered(0), 1: firstVsChunk1(0), 200: overPython(0), 1.5: {figure: worstSpread},
	} {
		assert.InDelta(t, want, b.figure(rs), 1e-9, b.what)
		assert.True(t, math.IsNaN(b.figure(results{{Impl: "python", Note: "absent"}})), b.what)
	}
}

func TestLatencyIsFromSourceToConsumer(t *testing.T) {
	s := sample{}
	j := job{n: 100, fn: sleepFor(time.Millisecond), seq: true, sample: &s}
	finish := probeLatency(&j)
	_, err := sequential(t.Context(), j)
	require.NoError(t, err)
	finish()
	assert.GreaterOrEqual(t, *s.P50us, 1000.0)
	assert.GreaterOrEqual(t, *s.P99us, *s.P50us)
}

func TestParseFlight(t *testing.T) {
	v, err := parseFlight(t.Context(), "2001-01-01 00:01,33,2176,LAS,PHL")
	require.NoError(t, err)
	assert.Equal(t, 978307260+33+2176+6, v)
	for _, line := range []string{
		"", "2001-01-01 00:01,33,2176,LAS", "2001-01-01 00:01,33,2176,LAS,PHL,", "2001-01-01,33,2176,LAS,PHL",
		"2001-01-01 00:01,,2176,LAS,PHL", "2001-01-01 00:01,33,far,LAS,PHL",
	} {
		_, err := parseFlight(t.Context(), line)
		assert.Error(t, err, "%q", line)
	}
}

func TestTheFlightsAreFoundFromBelow(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := openFlights(t.Context(), true)
	require.ErrorContains(t, err, "run this in the repository")

	require.NoError(t, os.MkdirAll(filepath.Join("a", "b"), 0o700))
	require.NoError(t, os.WriteFile("file", nil, 0o600))
	t.Chdir(filepath.Join("a", "b"))
	found, err := findUp("file")
	require.NoError(t, err)
	assert.FileExists(t, found)
}

func TestASuiteThatCannotOpenIsAFailure(t *testing.T) {
	failure := errors.New("no such luck")
	s := suite{name: "unlucky", open: func(context.Context, settings) (*plan, error) { return nil, failure }}
	_, err := s.measure(t.Context(), settings{}, nil, nil, nil)
	require.ErrorIs(t, err, failure)
	require.ErrorContains(t, err, "unlucky: ")
}
