package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/childtest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// child is a command of the test binary itself.
func child(mode string, args ...string) stage.Command {
	return stage.Command{Args: childtest.New(mode, args...).Args}
}

func lines(n int) (out []string) {
	for i := range n {
		out = append(out, "line "+strconv.Itoa(i))
	}
	return out
}

// The answers are those of the plain loop, whatever the settings are.
func TestExecIsTheLoop(t *testing.T) {
	childtest.NothingLeft(t)
	upper, crash := child("upper"), child("crash", "bad", "3")
	crash.Restarts = 1000
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "bc", "", "bad", "two\nlines"}), 0, 60).Draw(rt, "in")
		cmd := rapid.SampledFrom([]stage.Command{upper, crash}).Draw(rt, "command")
		cmd.Pipeline = rapid.IntRange(0, 20).Draw(rt, "pipeline")
		cmd.RestartDelay = time.Nanosecond
		if crashes := len(cmd.Args) > 4; crashes {
			in = in[:min(len(in), 15)] // each is a process
		}
		opts := []pool.Option{pool.ChunkSize(rapid.IntRange(0, 30).Draw(rt, "chunk")), pool.RecycleAfter(rapid.IntRange(0, 20).Draw(rt, "recycle"))}
		unordered := rapid.Bool().Draw(rt, "unordered")
		if unordered {
			opts = append(opts, pool.Unordered())
		}
		var want []string
		for _, v := range in {
			switch {
			case strings.Contains(v, "\n"), v == "bad" && len(cmd.Args) > 4:
				want = append(want, "failed")
			case len(cmd.Args) > 4:
				want = append(want, v)
			default:
				want = append(want, strings.ToUpper(v))
			}
		}
		workers := rapid.IntRange(0, 3).Draw(rt, "workers")
		s := stage.Exec(source.Slice(in), cmd)
		if workers > 0 {
			s = pool.Exec(pool.New(workers), source.Slice(in), cmd, opts...)
		}
		var got []string
		for v, err := range s.All(t.Context()) {
			if err != nil {
				var e *stage.ItemError
				require.ErrorAs(rt, err, &e)
				v = "failed"
			}
			got = append(got, v)
		}
		if unordered {
			slices.Sort(got)
			slices.Sort(want)
		}
		require.Equal(rt, want, got)
	})
}

func TestExecAProcessAWorker(t *testing.T) {
	childtest.NothingLeft(t)
	for _, workers := range []int{1, 3} {
		for _, recycle := range []int{0, 1, 5} {
			for _, pipeline := range []int{1, 4} {
				t.Run(fmt.Sprintf("%d workers/recycle %d/pipeline %d", workers, recycle, pipeline), func(t *testing.T) {
					cmd := child("pid")
					cmd.Pipeline = pipeline
					items := map[string]int{}
					s := pool.Exec(pool.New(workers), source.Slice(lines(40)), cmd, pool.ChunkSize(8), pool.RecycleAfter(recycle))
					for pid, err := range s.All(t.Context()) {
						require.NoError(t, err)
						items[pid]++
					}
					if recycle == 0 {
						assert.LessOrEqual(t, len(items), workers)
						return
					}
					assert.GreaterOrEqual(t, len(items), 40/recycle)
					for pid, n := range items {
						assert.LessOrEqual(t, n, recycle, pid)
					}
				})
			}
		}
	}
}

func TestExecJSONInAPool(t *testing.T) {
	childtest.NothingLeft(t)
	type number struct {
		N int `json:"n"`
	}
	in := stage.Map(source.Range(0, 100), stage.Pure(func(n int) number { return number{n} }))
	got, err := pool.ExecJSON[number, number](pool.New(2), in, child("double")).Collect(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 100)
	for i, v := range got {
		require.Equal(t, 2*i, v.N)
	}
	_, err = pool.ExecJSON[number, []int](pool.New(2), in, child("double")).Collect(t.Context())
	var e *stage.ItemError
	require.ErrorAs(t, err, &e)
	require.ErrorContains(t, err, `the answer "{\"n\":0}"`)
}

// What ends the stream is behind all answers before it, and names the stage.
func TestExecFailures(t *testing.T) {
	childtest.NothingLeft(t)
	for _, workers := range []int{1, 3} {
		p := pool.New(workers)
		end := child("end", "3")
		items, failed, err := ranged(t, t.Context(), pool.Exec(p, source.Slice(lines(20)), end, pool.Name("score")))
		assert.Equal(t, lines(20), items)
		assert.Empty(t, failed)
		var e *stage.ProcessError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, "no disk left", e.Stderr)
		require.ErrorContains(t, err, "score: ")

		_, err = pool.Exec(p, source.Slice(lines(20)), end, pool.RecycleAfter(5), pool.Name("score")).Collect(t.Context())
		require.ErrorAs(t, err, &e)
		require.ErrorContains(t, err, "score: ")

		_, failed, err = ranged(t, t.Context(), pool.Exec(p, source.Slice(lines(20)), stage.Command{Args: []string{"/no/such/program"}}))
		assert.Empty(t, failed)
		require.ErrorContains(t, err, "Exec: ")
		require.ErrorContains(t, err, "/no/such/program")

		bad := child("crash", "bad", "3")
		bad.Restarts, bad.RestartDelay = 2, time.Millisecond
		_, _, err = ranged(t, t.Context(), pool.Exec(p, source.Slice(slices.Repeat([]string{"bad"}, 50)), bad))
		require.ErrorIs(t, err, stage.ErrRestarts)
		require.ErrorContains(t, err, "Exec: ")
		require.NoError(t, p.Wait())
	}
}

func TestExecInAPoolLeavesNothing(t *testing.T) {
	childtest.NothingLeft(t)
	errStop := errors.New("stop")
	for _, mode := range []string{"cat", "parent", "stubborn"} {
		for _, how := range []string{"break", "cancel", "terminate", "close", "panic"} {
			t.Run(mode+"/"+how, func(t *testing.T) {
				c := childtest.New(mode)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				p := pool.New(2)
				cmd := stage.Command{Args: c.Args, Pipeline: 4, Grace: 50 * time.Millisecond}
				func() {
					defer func() {
						if v := recover(); v != nil {
							assert.Equal(t, errStop, v)
						}
					}()
					for line, err := range pool.Exec(p, source.Slice(lines(300)), cmd, pool.ChunkSize(4)).All(ctx) {
						if err != nil || line != "line 9" {
							continue
						}
						assert.NotEmpty(t, c.Alive(t))
						switch how {
						case "break":
							return
						case "cancel":
							cancel(errStop)
						case "terminate":
							p.Terminate()
						case "close":
							p.Close()
						case "panic":
							panic(errStop)
						}
					}
				}()
				assert.Empty(t, c.Alive(t))
			})
		}
	}
}

func TestExecArgumentsAreChecked(t *testing.T) {
	for text, call := range map[string]func(){
		"penstock: pool.Exec: Command.Args: there is no program":     func() { pool.Exec(nil, stage.Stream[string]{}, stage.Command{}) },
		"penstock: pool.ExecJSON: Command.Args: there is no program": func() { pool.ExecJSON[int, int](nil, stage.Stream[int]{}, stage.Command{}) },
		"penstock: pool.Exec: InFlightPerKey is an option of ImapKeyed": func() {
			pool.Exec(nil, stage.Stream[string]{}, stage.Command{Args: []string{"x"}}, pool.InFlightPerKey(1))
		},
		"penstock: pool.Imap: RecycleAfter is an option of ImapWith, Exec and ExecJSON": func() {
			pool.Imap(nil, countTo(1), identity, pool.RecycleAfter(1))
		},
	} {
		assert.PanicsWithValue(t, text, call)
	}
}
