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
	c := command.Program{Name: "birdstrikes", Stdout: &out, Stderr: &errs, Every: time.Hour}
	code = run(&c, args)
	return code, regexp.MustCompile(`[\d.]+ s, \d+ rows`).ReplaceAllString(out.String(), "T s, N rows"), errs.String()
}

func TestReport(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", good,
		changed(map[int]string{2: "None", 10: "1500", 12: "1500", 13: "160"}), "nothing",
		changed(map[int]string{6: "Taxi", 11: "1234567", 12: "1234567", 13: ""}))
	code, stdout, stderr := runCommand("in.csv")
	require.Equal(t, command.OK, code, stderr)
	assert.Equal(t, "birdstrikes: reading in.csv\n", stderr)
	assert.Equal(t, `Phase         strikes  damaging   total cost  mean speed
Taxi                1         1   $1,234,567           -
Take-off run        2         1       $1,500      150 kn

Rows read             4
  written             3  birdstrikes.parquet
  dead-lettered       1  birdstrikes-rejected.ndjson
4 = 3 + 1, and as many were read back
T s, N rows per second
`, stdout)

	code, stdout, stderr = runCommand("-v", "-in", "in.csv", "-out", "other.parquet", "-workers", "2", "-max-bad", "1")
	require.Equal(t, command.OK, code, stderr)
	assert.Contains(t, stdout, "clean (Imap)")
	var names []string
	for name := range files(t, ".") {
		names = append(names, name)
	}
	assert.ElementsMatch(t, []string{
		"birdstrikes-rejected.ndjson", "birdstrikes.parquet", "in.csv", "other-rejected.ndjson", "other.parquet",
	}, names)
}

func TestNoFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runCommand()
	require.Equal(t, command.OK, code, stderr)
	assert.Contains(t, stdout, "10000 = 9949 + 51, and as many were read back\n")
	assert.Len(t, files(t, "."), 2)
}

func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	for want, args := range map[string][]string{
		"-workers is -1, want 0 or more":                   {"-workers", "-1"},
		"-max-bad is -2, want 0 or more":                   {"in.csv", "-max-bad=-2"},
		"-out is empty":                                    {"-out", ""},
		`invalid value "x" for flag -max-bad: parse error`: {"-max-bad", "x"},
		"not defined: -nonsense":                           {"-nonsense"},
		"needs an argument: -in":                           {"-in"},
		`invalid value "" for flag -in: want the name`:     {"-in", ""},
		"want the name of a file":                          {"in.csv", ""},
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
	for _, name := range []string{"-in", "-out", "-workers", "-max-bad", "-v"} {
		assert.Contains(t, stderr, "\n  "+name)
	}
	assert.Empty(t, files(t, "."))
}

func TestFailedRun(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runCommand("none.csv")
	assert.Equal(t, command.Failed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "birdstrikes: source: none.csv: no such file or directory\n")
	assert.Contains(t, stderr, "rows read 0, written 0, dead-lettered 0; none was kept, birdstrikes.parquet is as it was\n")
	assert.Empty(t, files(t, "."))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatIsFull(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", good)
	var stderr bytes.Buffer
	c := command.Program{Name: "birdstrikes", Stdout: full{}, Stderr: &stderr, Every: time.Hour}
	assert.Equal(t, command.Failed, run(&c, []string{"in.csv"}))
	assert.Contains(t, stderr.String(), "birdstrikes: no space left\n")
	assert.Contains(t, stderr.String(), "written 1, dead-lettered 0; birdstrikes.parquet has them all\n")
}

// A signal ends the process with the code that shells know, also while it waits
// for more input, and leaves nothing.
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
		_, err = stdin.Write([]byte(header + strings.Repeat(good+"\n", 1000)))
		require.NoError(t, err)

		var said []string
		working := regexp.MustCompile(`^birdstrikes: (\d+) rows, \d+ rows per second$`)
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
		assert.Equal(t, "birdstrikes: stopped by signal: "+signal.String(), said[1])
		assert.Regexp(t, `^birdstrikes: rows read \d+, written \d+, .*; none was kept, birdstrikes.parquet is as it was$`, said[2])
		assert.Empty(t, files(t, folder))
	}
}
