package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/benchmarks/sweep/sweep"
)

// runCommand runs the command in this process.
func runCommand(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	c := command{stdout: &out, stderr: &errs, every: time.Hour, write: sweep.WriteDir}
	code = c.run(args)
	return code, out.String(), errs.String()
}

func TestQuick(t *testing.T) {
	t.Chdir(t.TempDir())
	in := lines(t, 500)
	code, stdout, stderr := runCommand("-quick", "-jobs", "lines", "-in", in, "-items", "300", "-workers", "2", "-chunks", "1,16")
	require.Equal(t, exitOK, code, stderr)
	assert.Equal(t, `sweep: job 1 of 1: lines
sweep: the plots and all figures are in `+filepath.Join("sweep-report", "index.html")+"\n", stderr)
	assert.Contains(t, stdout, "parse lines: 300 items a run (0.009 MB); medians")
	said := strings.Split(strings.TrimSpace(stdout), "\n")
	assert.Regexp(t, `^parse lines: .* a chunk is the best fixed size .*; automatic settles on .*\.$`, said[len(said)-1])
	names := files(t, "sweep-report")
	assert.Len(t, names, 1+7)
	assert.Subset(t, names, []string{"index.html", "parse-lines.csv", "parse-lines-throughput.png", "parse-lines-latency.svg", "parse-lines.md"})
	page, err := os.ReadFile(filepath.Join("sweep-report", "index.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "parsed; decompressing and reading are part of a run.")
}

func TestChosen(t *testing.T) {
	t.Chdir(t.TempDir())
	var stdout, stderr bytes.Buffer
	var reports []*sweep.Report
	c := command{stdout: &stdout, stderr: &stderr, every: time.Hour, write: func(dir string, all ...*sweep.Report) error {
		assert.Equal(t, "other", dir)
		reports = all
		return nil
	}}
	require.Equal(t, exitOK, c.run([]string{
		"-jobs", "cpu,noop", "-items", "200", "-rounds", "2", "-workers", "1,3", "-modes", "eager,unordered", "-chunks", "8", "-json", "-out", "other",
	}), stderr.String())
	require.Len(t, reports, 2)
	in := json.NewDecoder(&stdout)
	var r sweep.Report
	for _, name := range []string{"no-op", "5 µs CPU"} {
		r = sweep.Report{}
		require.NoError(t, in.Decode(&r))
		assert.Equal(t, name, r.Job)
	}
	require.ErrorIs(t, in.Decode(&r), io.EOF)
	assert.EqualValues(t, 200, r.Items)
	assert.Equal(t, 2, r.Rounds)
	var names []string
	for _, row := range r.Rows {
		names = append(names, row.String())
	}
	assert.Equal(t, []string{
		"mode=unordered/workers=1/chunk=auto", "mode=unordered/workers=1/chunk=8", "mode=unordered/workers=3/chunk=auto", "mode=unordered/workers=3/chunk=8",
		"mode=eager/workers=1/chunk=auto", "mode=eager/workers=1/chunk=8", "mode=eager/workers=3/chunk=auto", "mode=eager/workers=3/chunk=8",
	}, names)
}

func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	for want, args := range map[string][]string{
		"unexpected argument \"x\"":                                         {"x"},
		"-out is empty, want the name of a directory":                       {"-out", ""},
		"-budget is -1s, want 0 or more":                                    {"-budget", "-1s"},
		`invalid value "io" for flag -jobs: want some of noop, cpu, lines`:  {"-jobs", "io"},
		`invalid value "1,-1" for flag -chunks: want 0 or more`:             {"-chunks", "1,-1"},
		`invalid value "" for flag -workers: want a number`:                 {"-workers="},
		`invalid value "lazy" for flag -modes: want ordered, unordered or`:  {"-modes", "lazy"},
		`invalid value "sequential" for flag -modes: want ordered, unorder`: {"-modes", "sequential"},
		`invalid value "0" for flag -rounds: want 1 or more`:                {"-rounds", "0"},
		`invalid value "-3" for flag -items: want 0 or more`:                {"-items", "-3"},
		"not defined: -nonsense":                                            {"-nonsense"},
	} {
		code, stdout, stderr := runCommand(args...)
		assert.Equal(t, exitUsage, code, want)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, want)
		assert.Contains(t, stderr, "Run with -h")
	}
	code, stdout, stderr := runCommand("-h")
	assert.Equal(t, exitOK, code)
	assert.Empty(t, stdout)
	for _, name := range []string{"-out", "-jobs", "-in", "-chunks", "-workers", "-modes", "-rounds", "-items", "-budget", "-quick", "-json"} {
		assert.Contains(t, stderr, "\n  "+name)
	}
	assert.Empty(t, files(t, "."))
}

func TestDefaults(t *testing.T) {
	s, err := parse(nil, nil)
	require.NoError(t, err)
	assert.Len(t, s.jobs, 3)
	assert.Equal(t, filepath.Base(data), filepath.Base(s.in))
	assert.Equal(t, 5, s.rounds)
	assert.Zero(t, s.items)

	s, err = parse([]string{"-quick", "-rounds", "3", "-items=0", "-jobs", "lines, noop"}, nil)
	require.NoError(t, err)
	assert.Equal(t, 3, s.rounds)
	assert.Zero(t, s.items)
	require.Len(t, s.jobs, 2)
	assert.Equal(t, "noop", s.jobs[0].name)
}

func TestFailures(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runCommand("-jobs", "lines", "-in", "none.csv")
	assert.Equal(t, exitFailed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "sweep: parse lines: sizes of the items: source: none.csv: no such file or directory\n")
	assert.Empty(t, files(t, "."))

	in := lines(t, 1)
	code, _, stderr = runCommand("-jobs", "noop", "-items", "10", "-quick", "-out", in)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, stderr, "sweep: mkdir in.csv: not a directory\n")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatIsFull(t *testing.T) {
	t.Chdir(t.TempDir())
	var stderr bytes.Buffer
	c := command{stdout: full{}, stderr: &stderr, every: time.Hour, write: sweep.WriteDir}
	assert.Equal(t, exitFailed, c.run([]string{"-jobs", "noop", "-items", "10", "-quick"}))
	assert.Contains(t, stderr.String(), "sweep: no space left\n")
}

// A signal ends the process with the code that shells know, without a report.
func TestSignal(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		folder := t.TempDir()
		cmd := exec.CommandContext(t.Context(), self, "-jobs", "noop", "-items", "1000", "-rounds", "1000000")
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), asCommand+"=1")
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		var last string
		sent := false
		for in := bufio.NewScanner(stderr); in.Scan(); last = in.Text() {
			if !sent && strings.HasPrefix(in.Text(), "sweep: noop: 3 of ") {
				require.NoError(t, cmd.Process.Signal(signal))
				sent = true
			}
		}
		err = cmd.Wait()
		exit, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "%v: %q", err, last)
		assert.Equal(t, 128+int(signal), exit.ExitCode())
		assert.Regexp(t, `^sweep: no-op: mode=.*: stopped by signal: `+signal.String()+`$`, last)
		assert.Empty(t, files(t, folder))
	}
}

func TestLinesOfProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&command{stderr: &out, every: 5 * time.Second}, 2)
		p.begin("noop")
		for done := range 8 {
			time.Sleep(2 * time.Second)
			p.tell(done+1, 8, "mode=ordered")
		}
		p.end()
		assert.Equal(t, "sweep: job 1 of 2: noop\nsweep: noop: 3 of 8 runs, mode=ordered\nsweep: noop: 6 of 8 runs, mode=ordered\n", out.String())
	})
}

func TestBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&command{stderr: &out, terminal: true}, 2)
		p.end() // before there is one
		for _, job := range []string{"noop", "cpu"} {
			p.begin(job)
			for done := range 20 {
				time.Sleep(time.Second)
				p.tell(done+1, 40, "")
			}
			assert.Contains(t, out.String(), "20/40")
			p.tell(20, 20, "") // cut off by the budget
			p.end()
			states := strings.Split(strings.TrimRight(out.String(), "\r"), "\r")
			assert.Empty(t, strings.TrimSpace(states[len(states)-1]), "the bar is taken away")
		}
		assert.Contains(t, out.String(), "cpu (2 of 2)")
		assert.NotContains(t, out.String(), "\n")
	})
}

func TestWhereTheDataIs(t *testing.T) {
	path, err := january()
	require.NoError(t, err)
	assert.FileExists(t, path)

	t.Chdir(t.TempDir())
	path, err = january() // where it was compiled
	require.NoError(t, err)
	assert.FileExists(t, path)

	root, err := os.Getwd()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join("a", "b"), 0o700))
	require.NoError(t, os.WriteFile("x", nil, 0o600))
	path, found := around(filepath.Join(root, "a", "b"), "x")
	assert.True(t, found)
	assert.Equal(t, filepath.Join(root, "x"), path)
	_, found = around(root, "y-that-is-nowhere")
	assert.False(t, found)
}

func TestParseLine(t *testing.T) {
	r, err := parseLine(t.Context(), "2001-01-01 05:07,10,-3,SFO,,7x,99-99-99 99:99 x")
	require.NoError(t, err)
	assert.Equal(t, record{date: time.Date(2001, time.January, 1, 5, 7, 0, 0, time.UTC), sum: 7, fields: 7}, r)
}

func TestSpin(t *testing.T) {
	assert.Positive(t, stepsFor(time.Microsecond))
	n, err := spinFor(time.Nanosecond)(t.Context(), 7)
	require.NoError(t, err)
	assert.Equal(t, 7, n)
}
