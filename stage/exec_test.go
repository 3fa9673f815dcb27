package stage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/childtest"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// child is a command of the test binary itself.
func child(mode string, args ...string) stage.Command {
	return stage.Command{Args: childtest.New(mode, args...).Args}
}

// words are n lines that can be told apart.
func words(n int) (out []string) {
	for i := range n {
		out = append(out, "line "+strconv.Itoa(i))
	}
	return out
}

// pipelines runs a test strictly and pipelined: both must come to the same.
func pipelines(t *testing.T, test func(*testing.T, int)) {
	t.Helper()
	for _, n := range []int{0, 2, 7, 100} {
		t.Run(fmt.Sprintf("pipeline %d", n), func(t *testing.T) { test(t, n) })
	}
}

// outcome is what a stream comes to, pulled in large chunks: results and failed items
// as text, in order.
func outcome(ctx context.Context, s stage.Stream[string]) (out []string, failed []*stage.ItemError, end error) {
	p, err := s.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { end = errors.Join(end, p.Close()) }()
	var c stage.Chunk[string]
	for end == nil {
		end = p.Pull(ctx, &c, stage.Limit{})
		next := 0
		for _, e := range c.Errors {
			out = append(append(out, c.Items[next:e.Before]...), fmt.Sprintf("failed: %v", e.Input))
			failed = append(failed, e)
			next = e.Before
		}
		out = append(out, c.Items[next:]...)
	}
	if end == io.EOF {
		end = nil
	}
	return out, failed, end
}

func TestExecAnswersEachLine(t *testing.T) {
	childtest.NothingLeft(t)
	pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
		cmd := child("upper")
		cmd.Pipeline = pipeline
		s := stage.Exec(source.Of("a", "", "b c", "\u00e9\x00"), cmd)
		for range 2 { // a plan can be run again
			got, err := s.Collect(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{"A", "", "B C", "\u00c9\x00"}, got)
		}
		got, err := stage.Exec(source.Slice(words(3000)), cmd).Collect(t.Context())
		require.NoError(t, err)
		require.Len(t, got, 3000)
		assert.Equal(t, "LINE 2999", got[2999])
	})
}

func TestExecStartsNothingForNothing(t *testing.T) {
	s := stage.Exec(stage.Stream[string]{}, stage.Command{Args: []string{"/no/such/program"}})
	got, err := s.Collect(t.Context())
	require.NoError(t, err)
	assert.Empty(t, got)
	assert.Contains(t, s.Describe(), "Exec")
	assert.Contains(t, s.Describe(), "/no/such/program")
}

func TestExecProgramThatIsNotThere(t *testing.T) {
	childtest.NothingLeft(t)
	for _, name := range []string{"/no/such/program", "no-such-program-anywhere"} {
		got, failed, err := outcome(t.Context(), stage.Exec(source.Of("a", "b"), stage.Command{Args: []string{name}}))
		assert.Empty(t, got)
		assert.Empty(t, failed)
		require.ErrorContains(t, err, "Exec: ")
		require.ErrorContains(t, err, name)
		assert.True(t, errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound), "%v", err)
	}
}

// A line longer than the pipes hold must not make both sides wait.
func TestExecLargeLines(t *testing.T) {
	childtest.NothingLeft(t)
	pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
		cmd := child("cat")
		cmd.Pipeline, cmd.MaxLine = pipeline, 4<<20
		large := strings.Repeat("x", 3<<20)
		in := []string{large + "a", "b", large + "c", large + "d", "e"}
		got, err := stage.Exec(source.Slice(in), cmd).Collect(t.Context())
		require.NoError(t, err)
		require.Len(t, got, len(in))
		for i := range in {
			require.Equal(t, in[i][len(in[i])-1:], got[i][len(got[i])-1:], i)
			require.Len(t, got[i], len(in[i]))
		}
	})
}

// Nor must what is written to stderr.
func TestExecStderrIsDrained(t *testing.T) {
	childtest.NothingLeft(t)
	var all bytes.Buffer
	cmd := child("flood")
	cmd.Stderr = &all
	got, err := stage.Exec(source.Of("a", "b", "c"), cmd).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c"}, got)
	assert.Greater(t, all.Len(), 3<<20)
	assert.True(t, strings.HasSuffix(all.String(), "last of c\n"))
}

type failingWriter struct{ do func() error }

func (f failingWriter) Write(b []byte) (int, error) { return len(b), f.do() }

func TestExecStderrWriterFails(t *testing.T) {
	childtest.NothingLeft(t)
	errFull := errors.New("the disk is full")
	for name, do := range map[string]func() error{
		"error": func() error { return errFull }, "panic": func() error { panic(errFull) },
	} {
		t.Run(name, func(t *testing.T) {
			cmd := child("flood")
			cmd.Stderr = failingWriter{do}
			got, failed, err := outcome(t.Context(), stage.Exec(source.Of("a", "b", "c"), cmd))
			assert.Equal(t, []string{"a", "b", "c"}, got)
			assert.Empty(t, failed)
			require.ErrorIs(t, err, errFull)
			require.ErrorContains(t, err, "Exec: stderr: ")
		})
	}
}

func TestExecEnvironment(t *testing.T) {
	childtest.NothingLeft(t)
	t.Setenv("PENSTOCK_A", "a")
	t.Setenv("PENSTOCK_B", "b")
	env := func(cmd stage.Command) string {
		got, err := stage.Exec(source.Of(""), cmd).Collect(t.Context())
		require.NoError(t, err)
		return got[0]
	}
	cmd := child("environment")
	assert.Empty(t, env(cmd), "nothing is inherited")
	cmd.Env = []string{"X=1", "Y=2=3", "Z="}
	assert.Equal(t, "X=1 Y=2=3 Z=", env(cmd))
	cmd.InheritEnv = []string{"PENSTOCK_B", "PENSTOCK_NOT_SET"}
	assert.Equal(t, "PENSTOCK_B=b X=1 Y=2=3 Z=", env(cmd))
	cmd.Env = []string{"PENSTOCK_B=mine"}
	assert.Equal(t, "PENSTOCK_B=mine", env(cmd))
}

func TestExecDir(t *testing.T) {
	childtest.NothingLeft(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	cmd := child("folder")
	cmd.Dir = dir
	got, err := stage.Exec(source.Of(""), cmd).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{dir}, got)
	cmd.Dir = filepath.Join(dir, "none")
	_, err = stage.Exec(source.Of(""), cmd).Collect(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestExecArgumentsAreChecked(t *testing.T) {
	for text, cmd := range map[string]stage.Command{
		"Args: there is no program":       {},
		"Args: there is no program ":      {Args: []string{""}},
		`Args: "a\x00" has a NUL`:         {Args: []string{"x", "a\x00"}},
		`Env: "A" is not KEY=value`:       {Args: []string{"x"}, Env: []string{"A"}},
		`Env: "=A" is not KEY=value`:      {Args: []string{"x"}, Env: []string{"=A"}},
		`InheritEnv: "A=1" is no name`:    {Args: []string{"x"}, InheritEnv: []string{"A=1"}},
		`InheritEnv: "" is no name`:       {Args: []string{"x"}, InheritEnv: []string{""}},
		"Timeout is -1ns, want 0":         {Args: []string{"x"}, Timeout: -1},
		"Grace is -1ns, want 0":           {Args: []string{"x"}, Grace: -1},
		"RestartDelay is -1ns, want 0":    {Args: []string{"x"}, RestartDelay: -1},
		"MaxLine is -1, want 0 or more":   {Args: []string{"x"}, MaxLine: -1},
		"Pipeline is -1, want 0 or more":  {Args: []string{"x"}, Pipeline: -1},
		"Restarts is -1, want 0 or more ": {Args: []string{"x"}, Restarts: -1},
	} {
		for verb, of := range map[string]func(){
			"Exec":     func() { stage.Exec(source.Of(""), cmd) },
			"ExecJSON": func() { stage.ExecJSON[int, int](source.Of(1), cmd) },
		} {
			func() {
				defer func() {
					assert.Contains(t, fmt.Sprint(recover()), "penstock: stage."+verb+": Command."+strings.TrimSpace(text))
				}()
				of()
			}()
		}
	}
}

// A Command is a value: what happens to it later does not matter.
func TestExecKeepsItsCommand(t *testing.T) {
	cmd := child("environment")
	cmd.Env = []string{"A=1"}
	s := stage.Exec(source.Of(""), cmd)
	cmd.Env[0], cmd.Args[0] = "A=2", "/no/such/program"
	got, err := s.Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"A=1"}, got)
}

// Exec has no say in a pull that is given up: the item is sent to a new process.
func TestExecPullGivenUp(t *testing.T) {
	childtest.NothingLeft(t)
	pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
		cmd := child("upper")
		cmd.Pipeline = pipeline
		p, err := stage.Exec(source.Slice(words(10)), cmd).Open(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, p.Close()) }()
		var c stage.Chunk[string]
		var got []string
		errGone := errors.New("gone")
		for i := 0; ; i++ {
			ctx, cancel := context.WithCancelCause(t.Context())
			if i%2 == 0 {
				cancel(errGone)
			}
			err := p.Pull(ctx, &c, stage.Limit{Items: 3})
			cancel(errGone) // which must not end a process between two pulls, either
			got = append(got, c.Items...)
			require.Empty(t, c.Errors)
			if err == io.EOF {
				break
			}
			if err != nil {
				require.ErrorIs(t, err, errGone)
			}
		}
		assert.Len(t, got, 10)
		assert.Equal(t, "LINE 9", got[9])
	})
}

// However a run is left, no process, zombie or open file stays.
func TestExecLeavesNothing(t *testing.T) {
	errStop := errors.New("stop")
	ranged := func(ctx context.Context, s stage.Stream[string], at int, do func()) error {
		n := 0
		for _, err := range s.All(ctx) {
			if err != nil {
				return err
			}
			if n++; n == at {
				if do == nil {
					break
				}
				do()
			}
		}
		return nil
	}
	for _, mode := range []string{"cat", "parent", "stubborn", "flood", "silent"} {
		for _, pipeline := range []int{1, 16} {
			t.Run(fmt.Sprintf("%s/pipeline %d", mode, pipeline), func(t *testing.T) {
				childtest.NothingLeft(t)
				c := childtest.New(mode)
				cmd := stage.Command{Args: c.Args, Pipeline: pipeline, Grace: 50 * time.Millisecond}
				if mode == "silent" {
					cmd.Timeout, cmd.Restarts, cmd.RestartDelay = 20*time.Millisecond, 3, time.Millisecond
				}
				s := stage.Exec(source.Slice(words(20)), cmd)
				ended := func(how string) { assert.Empty(t, c.Alive(t), how) }

				for at := range 4 {
					_ = ranged(t.Context(), s, at+1, nil)
					ended("break")
					ctx, cancel := context.WithCancelCause(t.Context())
					err := ranged(ctx, s, at+1, func() { cancel(errStop) })
					if mode != "silent" {
						require.ErrorIs(t, err, errStop)
					}
					cancel(nil)
					ended("cancel")
					func() {
						defer func() { _ = recover() }()
						_ = ranged(t.Context(), s, at+1, func() { panic(errStop) })
					}()
					ended("panic")
					done := make(chan struct{})
					go func() {
						defer close(done)
						_ = ranged(t.Context(), s, at+1, runtime.Goexit)
					}()
					<-done
					ended("goexit")
				}
				_, err := s.Count(t.Context())
				assert.Equal(t, mode == "stubborn" || mode == "silent", err != nil, "%v", err)
				ended("end")
				p, err := s.Open(t.Context())
				require.NoError(t, err)
				var chunk stage.Chunk[string]
				_ = p.Pull(t.Context(), &chunk, stage.Limit{Items: 1})
				require.NoError(t, p.Close())
				ended("close")
			})
		}
	}
}

// A run that is cancelled while the process works does not wait for it.
func TestExecIsCancelledWhileItWaits(t *testing.T) {
	childtest.NothingLeft(t)
	errStop := errors.New("stop")
	for name, mode := range map[string]string{"an answer": "hang", "the end": "stubborn"} {
		pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			cmd := child(mode, "line 3")
			cmd.Grace, cmd.Pipeline = time.Hour, pipeline
			in := stage.Map(source.Slice(words(5)), func(_ context.Context, line string) (string, error) {
				if line == "line 4" {
					time.AfterFunc(50*time.Millisecond, func() { cancel(errStop) })
				}
				return line, nil
			})
			_, _, err := outcome(ctx, stage.Exec(in, cmd))
			require.ErrorIs(t, err, errStop, name)
		})
	}
}
