package checkpoint

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
)

const saves = 10

// child is what a child process does: "hold" opens the store and waits for its
// standard input to end; "kill" saves until it is killed, and writes the epoch of
// each Save that returned.
func child(what string) error {
	var n int
	var torn, inPlace bool
	path, ctx := os.Getenv(childVariable+"_PATH"), context.Background()
	if what == "hold" {
		f := File(path)
		if err := f.Open(ctx); err != nil {
			return err
		}
		_, saying := fmt.Fprintln(os.Stdout, "held")
		_, waiting := io.Copy(io.Discard, os.Stdin)
		return errors.Join(saying, waiting, f.Close(ctx))
	}
	if _, err := fmt.Sscanf(what, "kill %d %t %t", &n, &torn, &inPlace); err != nil {
		return err
	}
	f := File(path)
	f.without.rename = inPlace
	faults := &fsystest.Faults{FS: fsys.OS{}, Before: fsystest.KillAt(n, torn)}
	ctx = fsys.With(ctx, faults)
	if err := f.Open(ctx); err != nil {
		return err
	}
	for epoch := uint64(1); epoch <= saves; epoch++ {
		if err := f.Save(ctx, sample(epoch)); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(os.Stdout, epoch); err != nil {
			return err
		}
	}
	return f.Close(ctx)
}

// start makes a child of the test binary.
func start(t *testing.T, what, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+what, childVariable+"_PATH="+path)
	return cmd
}

// kill kills a child at its n-th operation and checks what is left. It returns
// false when the child came to its end.
func kill(t *testing.T, n int, torn, inPlace bool) (killed bool, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "job.checkpoint")
	cmd := start(t, fmt.Sprintf("kill %d %t %t", n, torn, inPlace), path)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	failure := cmd.Run()
	if failure != nil {
		require.False(t, cmd.ProcessState.Exited(), "%v: %s", failure, stderr.String())
	}
	returned := uint64(strings.Count(out.String(), "\n"))
	return failure != nil, newest(t.Context(), path, returned)
}

// newest checks that a store has the state of a Save that returned, or of the one
// that was being done.
func newest(ctx context.Context, path string, returned uint64) error {
	f := File(path)
	if err := f.Open(ctx); err != nil {
		return err
	}
	s, ok, err := f.Load(ctx)
	switch {
	case err != nil:
	case !ok && returned > 0:
		err = fmt.Errorf("nothing is there, Save returned for epoch %d", returned)
	case ok && s.Epoch != returned && s.Epoch != returned+1:
		err = fmt.Errorf("epoch %d is there, Save returned for epoch %d", s.Epoch, returned)
	}
	return errors.Join(err, f.Close(ctx))
}

// operations are the operations of a run that is left alone.
func operations(t *testing.T) (ops []fsystest.Op) {
	t.Helper()
	faults := &fsystest.Faults{FS: fsystest.NewDisk("/d"), Before: func(op fsystest.Op) error {
		ops = append(ops, op)
		return nil
	}}
	ctx := fsys.With(t.Context(), faults)
	f := File("/d/job")
	require.NoError(t, f.Open(ctx))
	for epoch := range uint64(saves) {
		require.NoError(t, f.Save(ctx, sample(epoch+1)))
	}
	require.NoError(t, f.Close(ctx))
	return ops
}

func TestFileKilledAtEveryOperation(t *testing.T) {
	for _, op := range operations(t) {
		killed, err := kill(t, op.N, false, false)
		require.NoError(t, err, "killed at %v", op)
		require.True(t, killed, "killed at %v", op)
		if op.Kind == fsystest.Write {
			killed, err := kill(t, op.N, true, false)
			require.NoError(t, err, "killed in the middle of %v", op)
			require.True(t, killed, "killed in the middle of %v", op)
		}
	}
}

// Without the temporary file and the rename the same kills do harm.
func TestFileKilledWithoutRename(t *testing.T) {
	var harm error
	for n := 1; harm == nil; n++ {
		killed, err := kill(t, n, true, true)
		require.True(t, killed, "no kill did harm")
		harm = err
	}
	assert.ErrorIs(t, harm, ErrCorrupt)
}

func TestFileIsForOne(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "job.checkpoint"), t.Context()
	held := File(path)
	require.NoError(t, held.Open(ctx))
	err := File(path).Open(ctx)
	require.ErrorIs(t, err, ErrLocked)
	require.EqualError(t, err, fmt.Sprintf("checkpoint: %s: in use by another run, process %d", path, os.Getpid()))
	require.NoError(t, held.Close(ctx))

	cmd := start(t, "hold", path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	assert.Equal(t, &LockedError{path, cmd.Process.Pid}, held.Open(ctx))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.ErrorIs(t, in.Close(), os.ErrClosed)
	require.NoError(t, held.Open(ctx), "the lock goes with the process")
	require.NoError(t, held.Close(ctx))
}
