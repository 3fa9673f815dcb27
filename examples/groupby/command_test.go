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
	c := command.Program{Name: "groupby", Stdout: &out, Stderr: &errs, Every: time.Hour}
	code = run(&c, args)
	return code, still(out.String()), still(errs.String())
}

// still is a report without what differs from run to run.
func still(report string) string {
	return regexp.MustCompile(`[\d.]+ s, \d+ rows and \d+ MB`).ReplaceAllString(report, "T s, N rows and M MB")
}

const small = "delay,origin\n10,SFO\n-5,JFK\n,LAX\n15,SFO\nlate,SFO\n0.5,JFK\n,JFK\n7,\"a\nb\"\n"

func TestReport(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", small)
	code, stdout, stderr := runCommand("-skip-bad", "1", "in.csv")
	require.Equal(t, command.OK, code, stderr)
	assert.Equal(t, "groupby: reading in.csv\n", stderr)
	assert.Equal(t, `origin       rows  mean delay
JFK             3       -2.25
SFO             2       12.50
LAX             1           -
"a\nb"          1        7.00

Groups          4
Rows            7  2 of them without a value, in no mean
Skipped         1  the first: in.csv: record 5, byte 39: delay: "late" is no number: invalid syntax
T s, N rows and M MB per second
`, stdout)

	code, stdout, _ = runCommand("in.csv", "-skip-bad=2", "-top", "1", "-workers", "1")
	require.Equal(t, command.OK, code)
	assert.True(t, strings.HasPrefix(stdout, "origin       rows  mean delay\nJFK             3       -2.25\n\nGroups          4\n"), stdout)
}

func TestReportAsCSV(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", small)
	code, stdout, stderr := runCommand("-csv", "-skip-bad", "1", "in.csv")
	require.Equal(t, command.OK, code)
	assert.Equal(t, "origin,rows,missing,mean_delay\nJFK,3,1,-2.25\nSFO,2,0,12.5\nLAX,1,1,\n\"a\nb\",1,0,7\n", stdout)
	assert.Contains(t, stderr, "Groups          4\nRows            7")
}

func TestNothingToRead(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"empty.csv": "", "header.csv": "origin,delay\n", "blank.csv": "\n\n"} {
		write(t, name, text)
		code, stdout, stderr := runCommand(name)
		require.Equal(t, command.OK, code, stderr)
		assert.Equal(t, "Groups          0\nRows            0\nSkipped         0\nT s, N rows and M MB per second\n", stdout)
	}
}

func TestNoFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runCommand()
	require.Equal(t, command.OK, code, stderr)
	assert.True(t, strings.HasPrefix(stdout, "origin       rows  mean delay\nORD         27692        4.96\n"), stdout)
	assert.Contains(t, stdout, "Groups        223\nRows       508239\nSkipped         0\n")
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"-workers is -1, want 0 or more":               {"-workers", "-1"},
		"-top is -2, want 0 or more":                   {"-top=-2"},
		"-skip-bad is -3, want 0 or more":              {"in.csv", "-skip-bad", "-3"},
		"-by is empty":                                 {"-by", ""},
		"-of is empty":                                 {"-of", ""},
		"-by and -of are both delay":                   {"-by", "delay"},
		"a file's name is empty":                       {""},
		`invalid value "x" for flag -top: parse error`: {"-top", "x"},
		"not defined: -nonsense":                       {"-nonsense"},
		"needs an argument: -by":                       {"-by"},
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
	for _, name := range []string{"-by", "-of", "-top", "-workers", "-skip-bad", "-csv"} {
		assert.Contains(t, stderr, "\n  "+name)
	}
}

func TestFailedRun(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", "origin,delay\nSFO,1\nSFO,x\nSFO,y\n")
	write(t, "short.csv", "origin,delay\nSFO,1\nSFO\n")
	write(t, "other.csv", "from,delay\nSFO,1\n")
	for want, args := range map[string][]string{
		"none.csv: no such file or directory":                         {"none.csv"},
		"none-*.csv: no file matches":                                 {"none-*.csv"},
		`other.csv: header: missing column "origin"`:                  {"other.csv"},
		"short.csv: record 2, byte 19: wrong number of fields":        {"short.csv", "-skip-bad", "9"},
		`in.csv: record 2, byte 19: delay: "x" is no number`:          {"in.csv"},
		`record 3, byte 25: one bad row more than -skip-bad 1 allows`: {"in.csv", "-skip-bad", "1", "-workers", "1"},
	} {
		code, stdout, stderr := runCommand(args...)
		assert.Equal(t, command.Failed, code, want)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatIsFull(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", "origin,delay\nSFO,1\n")
	for _, args := range [][]string{{"in.csv"}, {"in.csv", "-csv"}} {
		var stderr bytes.Buffer
		c := command.Program{Name: "groupby", Stdout: full{}, Stderr: &stderr, Every: time.Hour}
		assert.Equal(t, command.Failed, run(&c, args))
		assert.Contains(t, stderr.String(), "groupby: no space left\n")
	}
}

// A signal ends the process with the code that shells know, also while it waits
// for more input.
func TestSignal(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := exec.CommandContext(t.Context(), self, "-")
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), asCommand+"=1")
		var stdout bytes.Buffer
		cmd.Stdout = &stdout
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = stdin.Write([]byte("origin,delay\n" + strings.Repeat("SFO,1\n", 10_000)))
		require.NoError(t, err)

		var said []string
		working := regexp.MustCompile(`^groupby: (\d+) rows, \d+ rows per second$`)
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
		assert.Equal(t, []string{"groupby: reading -", "groupby: stopped by signal: " + signal.String()}, said)
		assert.Empty(t, stdout.String())
	}
}
