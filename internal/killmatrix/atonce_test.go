package killmatrix

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// held is a run that waits in the middle of its work.
type held struct {
	cmd  *exec.Cmd
	goOn io.Closer
	errs strings.Builder
}

// hold starts a job and returns once it waits before an item.
func hold(t *testing.T, j job, item int) *held {
	t.Helper()
	j.HoldItem = item
	h := &held{cmd: j.command(t)}
	h.cmd.Stderr = &h.errs
	var err error
	h.goOn, err = h.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := h.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, h.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "it ended: %s", &h.errs)
	require.Equal(t, holding+"\n", line)
	return h
}

// end lets the run go on and returns what it failed with.
func (h *held) end(t *testing.T) (failure string, err error) {
	t.Helper()
	require.NoError(t, h.goOn.Close())
	err = h.cmd.Wait()
	return h.errs.String(), err
}

// While a run has the file of checkpoints another process is refused, and told which
// one has it; the first one ends well.
func TestTwoRunsAtOnceOnAFile(t *testing.T) {
	const n = 40
	for _, kind := range fileKinds {
		t.Run(kind, func(t *testing.T) {
			j := begin(t, kind, n)
			first := hold(t, j, 10)
			second := doRefused(t, j)
			assert.Contains(t, second, fmt.Sprintf("%s: in use by another run, process %d", filepath.Join(j.Dir, "job.checkpoint"), first.cmd.Process.Pid))
			failure, err := first.end(t)
			require.NoError(t, err, failure)
			check(t, j, n)
		})
	}
}

// doRefused runs a job that is to fail, and returns what it says. It does not look
// at the checkpoint, which somebody else has.
func doRefused(t *testing.T, j job) string {
	t.Helper()
	out, err := j.command(t).CombinedOutput()
	require.Error(t, err, "%s", out)
	return string(out)
}

// With a table of checkpoints the later run takes over, and the earlier one fails at
// its next checkpoint: what it had not committed is rolled back.
func twoRunsAtOnceOnATable(t *testing.T, j job, n int) {
	t.Helper()
	first := hold(t, j, 10)
	done, _ := do(t, j, 0)
	require.True(t, done)
	failure, err := first.end(t)
	require.Error(t, err)
	assert.Contains(t, failure, "a later run has taken over: its fence is 2, that of this run 1")
	check(t, j, n)
}

func TestTwoRunsAtOnceOnATable(t *testing.T) {
	const n = 40
	twoRunsAtOnceOnATable(t, begin(t, "sqlite", n), n)
}
