package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// runCommand runs the command in this process.
func runCommand(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	c := command.Program{Name: "flights", Stdout: &out, Stderr: &errs, Every: time.Hour}
	code = run(&c, args)
	return code, out.String(), errs.String()
}

func TestReport(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", []string{
		"2001-01-01 05:00,10,337,SFO,LAX", "2001-01-01 05:01,15,337,SFO,LAX", "2001-01-01 05:02,-5,2586,JFK,SFO", "nothing",
		"2001-01-01 05:03,0,337,LAX,SFO", "2001-01-01 05:04,-7,337,LAX,SFO",
	})
	code, stdout, stderr := runCommand("-min-delay", "-5", "in.csv")
	require.Equal(t, command.OK, code)
	assert.Equal(t, "flights: reading in.csv\n", stderr)
	stdout = regexp.MustCompile(`[\d.]+ s, \d+ rows`).ReplaceAllString(stdout, "T s, N rows")
	assert.Equal(t, `Busiest routes  flights  mean delay
SFO-LAX               2    12.5 min
JFK-SFO               1    -5.0 min
LAX-SFO               1     0.0 min

Rows read             6
  written             4  flights.db, table flights
  filtered            1  less than -5 minutes late
  dead-lettered       1  flights-rejected.ndjson
6 = 4 + 1 + 1
T s, N rows per second
`, stdout)

	code, stdout, _ = runCommand("-v", "-in", "in.csv", "-out", "other.db", "-unordered", "-workers", "2", "-chunk", "2", "-limit", "5")
	require.Equal(t, command.OK, code)
	assert.Contains(t, stdout, "5 = 4 + 0 + 1\n")
	assert.Contains(t, stdout, "check (Imap)")
	assert.Equal(t, []string{"flights-rejected.ndjson", "flights.db", "in.csv", "other-rejected.ndjson", "other.db"}, files(t, "."))
}

func TestNoFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runCommand("-limit", "100")
	require.Equal(t, command.OK, code, stderr)
	assert.Contains(t, stdout, "100 = 100 + 0 + 0\n")
	assert.Len(t, stored(t, "flights.db"), 100)
}

func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	for want, args := range map[string][]string{
		"-workers is -1, want 0 or more":                     {"-workers", "-1"},
		"-chunk is -2, want 0 or more":                       {"-chunk=-2"},
		"-limit is -3, want 0 or more":                       {"in.csv", "-limit", "-3"},
		"-out is empty":                                      {"-out", ""},
		`invalid value "x" for flag -min-delay: parse error`: {"-min-delay", "x"},
		"not defined: -nonsense":                             {"-nonsense"},
		"needs an argument: -in":                             {"-in"},
		`invalid value "" for flag -in: want the name`:       {"-in", ""},
	} {
		code, stdout, stderr := runCommand(args...)
		assert.Equal(t, command.Usage, code, want)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, want)
		assert.Contains(t, stderr, "Run with -h")
	}
	code, stdout, stderr := runCommand("-h")
	assert.Equal(t, command.OK, code)
	assert.Empty(t, stdout)
	for _, name := range []string{"-in", "-out", "-workers", "-chunk", "-unordered", "-limit", "-min-delay", "-v"} {
		assert.Contains(t, stderr, "\n  "+name)
	}
	assert.Empty(t, files(t, "."))
}

func TestFilesBetweenFlags(t *testing.T) {
	j, err := parse([]string{"-in", "a", "b", "-limit", "3", "-", "-in", "c"}, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "-", "c"}, j.in)
	assert.Equal(t, 3, j.limit)
}

func TestFailedRun(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runCommand("none.csv")
	assert.Equal(t, command.Failed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "flights: source: none.csv: no such file or directory\n")
	assert.Contains(t, stderr, "rows read 0, written 0, filtered 0, dead-lettered 0; none was kept, flights.db is as it was\n")
	assert.Empty(t, files(t, "."))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatIsFull(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", goodRows(3))
	var stderr bytes.Buffer
	c := command.Program{Name: "flights", Stdout: full{}, Stderr: &stderr, Every: time.Hour}
	assert.Equal(t, command.Failed, run(&c, []string{"in.csv"}))
	assert.Contains(t, stderr.String(), "flights: no space left\n")
	assert.Contains(t, stderr.String(), "written 3, filtered 0, dead-lettered 0; flights.db has them all\n")
}

// A signal ends the process with the code that shells know, after the database
// is as it was.
func TestSignal(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		folder := t.TempDir()
		cmd := exec.CommandContext(t.Context(), self, "-in", "-")
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), asCommand+"=1")
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = stdin.Write([]byte(header + strings.Join(goodRows(1000), "\n") + "\n"))
		require.NoError(t, err)

		var said []string
		working := regexp.MustCompile(`^flights: (\d+) rows, \d+ rows per second$`)
		lines := bufio.NewScanner(stderr)
		for sent := false; lines.Scan(); {
			if rows := working.FindStringSubmatch(lines.Text()); rows != nil {
				if !sent && rows[1] != "0" {
					require.NoError(t, cmd.Process.Signal(signal))
					sent = true
				}
				continue
			}
			said = append(said, lines.Text())
		}
		err = cmd.Wait()
		exit, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "%v: %q", err, said)
		assert.Equal(t, 128+int(signal), exit.ExitCode())
		require.Len(t, said, 3)
		assert.Equal(t, "flights: reading -", said[0])
		assert.Equal(t, "flights: stopped by signal: "+signal.String(), said[1])
		assert.Regexp(t, `^flights: rows read \d+, written \d+, .*; none was kept, flights.db is as it was$`, said[2])
		assert.Empty(t, files(t, folder))
	}
}
