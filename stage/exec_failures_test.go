package stage_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/childtest"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func TestExecProcessEndsInTheMiddle(t *testing.T) {
	childtest.NothingLeft(t)
	in := words(30)
	for _, c := range []struct {
		mode, status string
		state        string
	}{
		{"crash", "3", "exit status 3"}, {"crash", "0", "exit status 0"}, {"die", "", "signal: killed"}, {"partial", "", "exit status 0"},
	} {
		t.Run(c.mode+c.status, func(t *testing.T) {
			pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
				cmd := child(c.mode, "line 11", c.status)
				cmd.Pipeline = pipeline
				got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(in), cmd))
				require.NoError(t, err)
				want := words(30)
				want[11] = "failed: line 11"
				assert.Equal(t, want, got)
				require.Len(t, failed, 1)
				assert.Equal(t, int64(11), failed[0].Index)
				assert.Equal(t, "Exec", failed[0].Stage)
				var e *stage.ProcessError
				require.ErrorAs(t, failed[0], &e)
				assert.Equal(t, cmd.Args, e.Args)
				assert.Equal(t, c.state, e.State.String())
				require.ErrorContains(t, failed[0], c.state)
				require.ErrorContains(t, failed[0], cmd.Args[0])
				if c.mode == "crash" {
					assert.Equal(t, "cannot do line 11", e.Stderr)
					require.ErrorContains(t, failed[0], "stderr: cannot do line 11")
				}
			})
		})
	}
}

func TestExecTimeout(t *testing.T) {
	childtest.NothingLeft(t)
	pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
		cmd := child("hang", "line 3")
		cmd.Timeout, cmd.Pipeline = 500*time.Millisecond, pipeline
		got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(words(8)), cmd))
		require.NoError(t, err)
		want := words(8)
		want[3] = "failed: line 3"
		assert.Equal(t, want, got)
		require.Len(t, failed, 1)
		require.ErrorIs(t, failed[0], context.DeadlineExceeded)
		var late *stage.TimeoutError
		require.ErrorAs(t, failed[0], &late)
		assert.Equal(t, cmd.Timeout, late.Limit)
		require.ErrorContains(t, failed[0], "not done within 500ms")
		assert.NotContains(t, failed[0].Error(), "signal")
	})
}

// A program that does not flush answers nobody.
func TestExecTimeoutOfAProgramThatBuffers(t *testing.T) {
	childtest.NothingLeft(t)
	cmd := child("silent")
	cmd.Timeout, cmd.Restarts, cmd.RestartDelay = 50*time.Millisecond, 2, time.Millisecond
	got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(words(8)), cmd))
	assert.Equal(t, []string{"failed: line 0", "failed: line 1"}, got)
	assert.Len(t, failed, 2)
	require.ErrorIs(t, err, stage.ErrRestarts)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestExecAnswerTooLong(t *testing.T) {
	childtest.NothingLeft(t)
	pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
		cmd := child("long", "line 3")
		cmd.MaxLine, cmd.Pipeline = 1<<20-1, pipeline
		got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(words(8)), cmd))
		require.NoError(t, err)
		want := words(8)
		want[3] = "failed: line 3"
		assert.Equal(t, want, got)
		require.Len(t, failed, 1)
		require.ErrorIs(t, failed[0], bufio.ErrTooLong)
		cmd.MaxLine = 0
		got, failed, err = outcome(t.Context(), stage.Exec(source.Slice(words(8)), cmd))
		require.NoError(t, err)
		assert.Empty(t, failed, "it is as long as it may be")
		assert.Len(t, got[3], 1<<20)
	})
}

// An answer too many fails an item, or the stream: it never passes in silence.
func TestExecOutOfStep(t *testing.T) {
	childtest.NothingLeft(t)
	pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
		cmd := child("twice", "line 3")
		cmd.Pipeline = pipeline
		got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(words(20)), cmd))
		if pipeline > 1 && err != nil { // it always came when the next lines had been written
			require.ErrorIs(t, err, stage.ErrOutOfStep)
			require.ErrorContains(t, err, `it wrote "line 19`)
			return
		}
		require.NoError(t, err)
		require.Len(t, failed, 1)
		require.ErrorIs(t, failed[0], stage.ErrOutOfStep)
		require.ErrorContains(t, failed[0], `it wrote "line`)
		if at := failed[0].Index; pipeline < 2 {
			want := words(20)
			assert.Contains(t, []int64{3, 4}, at, "when it was noticed")
			want[at] = fmt.Sprintf("failed: line %d", at)
			assert.Equal(t, want, got)
		}
	})
}

func TestExecOutOfStepFromTheStart(t *testing.T) {
	childtest.NothingLeft(t)
	cmd := child("banner")
	cmd.Restarts, cmd.RestartDelay = 1, time.Millisecond
	_, err := stage.Run(t.Context(), stage.Exec(source.Slice(words(20)), cmd), sink.Discard[string](), stage.Continue(0))
	if err != nil { // it may have been slower than the first item
		require.ErrorIs(t, err, stage.ErrOutOfStep)
	}
}

func TestExecLastWords(t *testing.T) {
	childtest.NothingLeft(t)
	got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(words(5)), child("word")))
	assert.Equal(t, words(5), got, "all answers are there")
	assert.Empty(t, failed)
	require.ErrorIs(t, err, stage.ErrOutOfStep)
	require.ErrorContains(t, err, `it wrote "bye`)
}

func TestExecFailsAtTheEnd(t *testing.T) {
	childtest.NothingLeft(t)
	s := stage.Exec(source.Slice(words(5)), child("end", "3"))
	got, failed, err := outcome(t.Context(), s)
	assert.Equal(t, words(5), got, "all answers are there")
	assert.Empty(t, failed)
	var e *stage.ProcessError
	require.ErrorAs(t, err, &e)
	require.ErrorContains(t, err, "Exec: ")
	assert.Equal(t, "exit status 3", e.State.String())
	assert.Equal(t, "no disk left", e.Stderr)

	path := filepath.Join(t.TempDir(), "out")
	sum, err := stage.Run(t.Context(), s, sink.Lines(path))
	require.ErrorAs(t, err, &e)
	assert.EqualValues(t, 5, sum.Written)
	assert.NoFileExists(t, path)

	_, err = stage.Exec(source.Slice(words(5)), child("end", "0")).Count(t.Context())
	require.NoError(t, err)
}

// A process that does not end by itself is made to.
func TestExecGrace(t *testing.T) {
	childtest.NothingLeft(t)
	for mode, signal := range map[string]string{"slow": "signal: terminated", "stubborn": "signal: killed"} {
		t.Run(mode, func(t *testing.T) {
			cmd := child(mode)
			cmd.Grace = 100 * time.Millisecond
			got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(words(5)), cmd))
			assert.Equal(t, words(5), got)
			assert.Empty(t, failed)
			var e *stage.ProcessError
			require.ErrorAs(t, err, &e)
			require.ErrorContains(t, err, "did not end by itself")
			assert.Equal(t, signal, e.State.String())
		})
	}
}

// A process that lives on but does not read, or write, any more is ended.
func TestExecHalfClosed(t *testing.T) {
	childtest.NothingLeft(t)
	for _, mode := range []string{"deaf", "dumb"} {
		t.Run(mode, func(t *testing.T) {
			pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
				cmd := child(mode, "line 3")
				cmd.Grace, cmd.Pipeline = 100*time.Millisecond, pipeline
				if mode == "deaf" && pipeline > 1 { // it had read the next lines
					cmd.Timeout = 500 * time.Millisecond
				}
				got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(words(8)), cmd))
				require.NoError(t, err)
				want := words(8)
				if len(failed) == 0 { // what was sent again was answered
					assert.Equal(t, "deaf", mode)
					assert.Greater(t, pipeline, 1)
					assert.Equal(t, want, got)
					return
				}
				require.Len(t, failed, 1)
				at := failed[0].Index
				assert.Contains(t, []int64{3, 4}, at)
				want[at] = fmt.Sprintf("failed: line %d", at)
				assert.Equal(t, want, got)
			})
		})
	}
}

func TestExecNewlineInAnItem(t *testing.T) {
	childtest.NothingLeft(t)
	pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
		cmd := child("upper")
		cmd.Pipeline = pipeline
		got, failed, err := outcome(t.Context(), stage.Exec(source.Of("a", "b\nc", "d", "\n", "e"), cmd))
		require.NoError(t, err)
		assert.Equal(t, []string{"A", "failed: b\nc", "D", "failed: \n", "E"}, got)
		require.Len(t, failed, 2)
		require.ErrorContains(t, failed[0], "newline")
	})
}

func TestExecRestartsAreBounded(t *testing.T) {
	childtest.NothingLeft(t)
	for _, mode := range []string{"crash", "die"} {
		pipelines(t, func(t *testing.T, pipeline int) { //nolint:thelper // the test itself
			cmd := child(mode, "bad", "7")
			cmd.Restarts, cmd.RestartDelay, cmd.Pipeline = 3, time.Millisecond, pipeline
			in := []string{"bad", "a", "bad", "bad", "bad", "b", "bad", "bad", "bad", "bad", "c"}
			got, failed, err := outcome(t.Context(), stage.Exec(source.Slice(in), cmd))
			bad := "failed: bad"
			assert.Equal(t, []string{bad, "a", bad, bad, bad, "b", bad, bad, bad}, got)
			assert.Len(t, failed, 7)
			require.ErrorIs(t, err, stage.ErrRestarts)
			require.ErrorContains(t, err, "4 times")
			var e *stage.ProcessError
			require.ErrorAs(t, err, &e)
		})
	}
}

// Between failures in a row it waits, twice as long each time, on any clock.
func TestExecWaitsBeforeItStartsAgain(t *testing.T) {
	childtest.NothingLeft(t)
	synctest.Test(t, func(t *testing.T) {
		cmd := child("crash", "bad", "3")
		cmd.RestartDelay = time.Hour
		p, err := stage.Exec(source.Of("bad", "bad", "good", "bad", "bad", "bad", "good"), cmd).Open(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, p.Close()) }()
		var waits []float64
		var c stage.Chunk[string]
		for err == nil {
			began := time.Now()
			if err = p.Pull(t.Context(), &c, stage.Limit{Items: 1}); len(c.Items)+len(c.Errors) > 0 {
				waits = append(waits, time.Since(began).Hours())
			}
		}
		require.Equal(t, io.EOF, err)
		require.Len(t, waits, 7)
		for i, about := range []float64{0, 0, 1, 0, 0, 1, 1} { // at most RestartDelay, as that is longer than 10 s
			assert.InDelta(t, about, waits[i], 0.5, "item %d", i)
			assert.Equal(t, about == 0, waits[i] == 0, "item %d", i)
		}
	})
}
