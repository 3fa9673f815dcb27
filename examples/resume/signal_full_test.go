//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program is the command as a process.
type program struct {
	*exec.Cmd
	in     io.WriteCloser
	said   *bufio.Reader // its standard error
	output bytes.Buffer
}

// start starts the command.
func start(t *testing.T, binary string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), binary, args...)}
	p.Dir = t.TempDir()
	p.Stdout = &p.output
	var err error
	p.in, err = p.StdinPipe()
	require.NoError(t, err)
	said, err := p.StderrPipe()
	require.NoError(t, err)
	p.said = bufio.NewReader(said)
	require.NoError(t, p.Start())
	return p
}

// says waits for a line on the standard error.
func (p *program) says(t *testing.T, line string) {
	t.Helper()
	got, err := p.said.ReadString('\n')
	require.NoError(t, err, got)
	require.Equal(t, line+"\n", got)
}

// ends waits for the end, and returns how it came and what was said last.
func (p *program) ends(t *testing.T) (status syscall.WaitStatus, rest string) {
	t.Helper()
	b, err := io.ReadAll(p.said)
	require.NoError(t, err)
	if err := p.Wait(); err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
	}
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	return status, string(b)
}

// wholeRun is what a run writes that nobody disturbs.
func wholeRun(t *testing.T, binary string) []byte {
	t.Helper()
	dir := t.TempDir()
	p := start(t, binary, "-dir", dir)
	status, rest := p.ends(t)
	require.Zero(t, status, rest)
	b, err := os.ReadFile(filepath.Join(dir, "flights.ndjson"))
	require.NoError(t, err)
	return b
}

// goesOn runs the rest of a job and compares. It returns how many rows were written
// before.
func goesOn(t *testing.T, binary, dir string, want []byte) (rows int) {
	t.Helper()
	p := start(t, binary, "-dir", dir, "-workers", "3")
	status, rest := p.ends(t)
	require.Zero(t, status, rest)
	first, _, _ := strings.Cut(p.output.String(), "\n")
	_, tail, found := strings.Cut(first, ": ")
	require.True(t, found, first)
	_, err := fmt.Sscanf(tail, "%d rows were written", &rows)
	require.NoError(t, err, first)
	got, err := os.ReadFile(filepath.Join(dir, "flights.ndjson"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "%d bytes instead of %d", len(got), len(want))
	return rows
}

// The program itself stops in good order at a signal, says so with its exit code,
// and goes on; a second signal ends it at once, and it goes on from there as well.
func TestSignals(t *testing.T) {
	const hold = 100_000
	binary := filepath.Join(t.TempDir(), "resume")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	whole := wholeRun(t, binary)
	for _, test := range []struct {
		signal, second syscall.Signal
		code           int
	}{
		{signal: syscall.SIGINT, code: 130},
		{signal: syscall.SIGTERM, code: 143},
		{signal: syscall.SIGINT, second: syscall.SIGINT},
		{signal: syscall.SIGTERM, second: syscall.SIGINT},
		{signal: syscall.SIGINT, second: syscall.SIGTERM},
	} {
		t.Run(fmt.Sprintf("%v, %v", test.signal, test.second), func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, binary, "-dir", dir, "-hold-after", fmt.Sprint(hold), "-every", "10ms")
			p.says(t, holds)
			require.NoError(t, p.Process.Signal(test.signal))
			p.says(t, stopping)
			if test.second != 0 {
				require.NoError(t, p.Process.Signal(test.second))
				status, rest := p.ends(t)
				require.True(t, status.Signaled(), "exit %d: %s", status.ExitStatus(), rest)
				assert.Equal(t, test.second, status.Signal())
				assert.Empty(t, p.output.String(), "it said what it did")
				assert.Less(t, goesOn(t, binary, dir, whole), hold)
				return
			}
			require.NoError(t, p.in.Close())
			status, rest := p.ends(t)
			require.True(t, status.Exited(), rest)
			assert.Equal(t, test.code, status.ExitStatus())
			assert.Contains(t, rest, "stopped by signal: "+test.signal.String())
			assert.NoFileExists(t, filepath.Join(dir, "flights.ndjson"), "a part passes for all")
			rows := goesOn(t, binary, dir, whole)
			assert.GreaterOrEqual(t, rows, hold, "what was in flight was written")
			assert.Less(t, rows, bytes.Count(whole, []byte("\n")), "it did not stop")
		})
	}
}

// A function that is stuck holds the run up, but not beyond its grace once it goes
// on: what is in flight is given up then, and comes again.
func TestTheGraceIsOver(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "resume")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	whole := wholeRun(t, binary)
	dir := t.TempDir()
	p := start(t, binary, "-dir", dir, "-hold-after", "100000", "-grace", "1ns", "-every", "10ms")
	p.says(t, holds)
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	p.says(t, stopping)
	p.says(t, tooLong)
	require.NoError(t, p.in.Close())
	status, rest := p.ends(t)
	require.True(t, status.Exited(), rest)
	assert.Equal(t, 143, status.ExitStatus(), rest)
	assert.Contains(t, rest, "what was in flight took longer than 1ns")
	assert.Positive(t, goesOn(t, binary, dir, whole))
}
