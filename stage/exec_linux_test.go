package stage_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/childtest"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// programVariable makes the test binary a program with a pipeline: it says when a
// process runs, and goes on until it is killed.
const programVariable = "PENSTOCK_EXEC_PROGRAM"

// A process dies with the program, however that ends.
func TestExecDiesWithTheProgram(t *testing.T) {
	if args := os.Getenv(programVariable); args != "" {
		cmd := stage.Command{Args: strings.Split(args, "\n")}
		require.NoError(t, stage.Exec(source.Of("a", "b", "c"), cmd).ForEach(t.Context(), func(context.Context, string) error {
			_, err := os.Stdout.WriteString("running\n")
			require.NoError(t, err)
			select {}
		}))
		return
	}
	c := childtest.New("slow") // does not end with its input
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	program.Env = append(os.Environ(), programVariable+"="+strings.Join(c.Args, "\n"))
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	for in := bufio.NewScanner(out); in.Scan() && in.Text() != "running"; {
	}
	assert.Len(t, c.Alive(t), 1)
	require.NoError(t, program.Process.Kill())
	require.Error(t, program.Wait())
	require.Eventually(t, func() bool { return len(c.Alive(t)) == 0 }, 10*time.Second, time.Millisecond)
}

// The thread that started a process stays: otherwise the process would end with it.
func TestExecSurvivesThreads(t *testing.T) {
	childtest.NothingLeft(t)
	p, err := stage.Exec(source.Slice(words(50)), child("cat")).Open(t.Context())
	require.NoError(t, err)
	var c stage.Chunk[string]
	for i := range 50 {
		if err := p.Pull(t.Context(), &c, stage.Limit{Items: 1}); i < 49 {
			require.NoError(t, err)
		}
		require.Empty(t, c.Errors)
		require.Equal(t, words(50)[i:i+1], c.Items)
		endThreads(4)
	}
	require.NoError(t, p.Close())
}

// endThreads makes threads of the program end.
func endThreads(n int) {
	var group sync.WaitGroup
	for range n {
		group.Go(runtime.LockOSThread) // a goroutine that ends locked takes its thread with it
	}
	group.Wait()
}
