package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/plan"
)

// recorder is a sink that writes down what happens to it, in a list that several
// may share.
type recorder[T any] struct {
	name  string
	log   *[]string
	open  func() error
	write func(*Chunk[T]) error
	close func(ctx context.Context, cause error) error
	none  bool // Open returns no writer
}

func (r *recorder[T]) Open(_ context.Context, restore json.RawMessage) (Writer[T], error) {
	*r.log = append(*r.log, r.name+" open")
	if restore != nil {
		panic("nothing to restore")
	}
	if r.open != nil {
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	if r.none {
		return nil, nil //nolint:nilnil // that is the case
	}
	return (*recording[T])(r), nil
}

type recording[T any] recorder[T]

func (r *recording[T]) Write(_ context.Context, c *Chunk[T]) error {
	for _, v := range c.Items {
		text := fmt.Sprint(v)
		if l, ok := any(v).(Letter); ok {
			text = fmt.Sprintf("%v %v", l.Input, l.Reason)
		}
		*r.log = append(*r.log, r.name+" "+text)
	}
	if len(c.Errors) > 0 {
		panic("errors are the run's")
	}
	if r.write != nil {
		return r.write(c)
	}
	return nil
}

func (r *recording[T]) Close(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		panic("the context ends too early")
	}
	*r.log = append(*r.log, fmt.Sprint(r.name, " close ", cause))
	if r.close != nil {
		return r.close(ctx, cause)
	}
	return nil
}

// wired is a stream, a sink and a letter sink that share a list.
type wired struct {
	log     []string
	script  *script
	sink    *recorder[int]
	letters *recorder[Letter]
}

func wire(s *script) *wired {
	w := &wired{script: s}
	w.sink = &recorder[int]{name: "sink", log: &w.log}
	w.letters = &recorder[Letter]{name: "letters", log: &w.log}
	return w
}

func (w *wired) stream() Stream[int] {
	return New("source", func(ctx context.Context) (Puller[int], error) {
		w.log = append(w.log, "source open")
		p, err := w.script.stream().Open(ctx)
		if err != nil {
			return nil, err
		}
		return &fakePuller{pull: p.Pull, close: func() error {
			w.log = append(w.log, "source close")
			return p.Close()
		}, remaining: func() (int64, bool) { return 0, false }}, nil
	})
}

func (w *wired) run(ctx context.Context, opts ...RunOption) (Summary, error) {
	return Run(ctx, Map(w.stream(), func(_ context.Context, v int) (int, error) {
		if v < 0 {
			return 0, fmt.Errorf("negative: %w", errBad)
		}
		return v, nil
	}), w.sink, opts...)
}

func TestRunWritesAndCommits(t *testing.T) {
	w := wire(items(1, 2, 3))
	sum, err := w.run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"source open", "sink open", "sink 1", "sink 2", "sink 3", "source close", "sink close <nil>"}, w.log)
	assert.Equal(t, []int64{3, 3, 0, 0}, []int64{sum.Read, sum.Written, sum.Failed, sum.DeadLettered})
	assert.Positive(t, sum.Elapsed)
	require.Len(t, sum.Stages, 2)
	assert.Equal(t, "source", sum.Stages[0].Name)
	chunks := sum.Stages[1].ChunksIn
	assert.Equal(t, StageSummary{Name: "Map", Op: "Map", In: 3, Out: 3, ChunksIn: chunks, ChunksOut: chunks}, sum.Stages[1])
	for _, st := range sum.Stages {
		assertStageAddsUp(t, st)
	}
}

func assertStageAddsUp(t *testing.T, s StageSummary) {
	t.Helper()
	assert.Equal(t, s.In+s.Expanded, s.Out+s.Filtered+s.Failed+s.Merged+s.Abandoned, "%+v", s)
}

func TestRunHandsTokensToTheSink(t *testing.T) {
	w := wire(items(1, 2, 3, 4, 5, 6, 7, -1, 8))
	var tokens []Token
	w.sink.write = func(c *Chunk[int]) error {
		tokens = append(tokens, c.Tokens...)
		return nil
	}
	_, err := Run(t.Context(), w.stream().Filter(func(v int) bool { return v == 2 }), w.sink)
	require.NoError(t, err)
	assert.Equal(t, int64(9), sumN(tokens), "also of chunks that were emptied")

	tokens = nil
	_, err = w.run(t.Context())
	require.Error(t, err)
	assert.LessOrEqual(t, sumN(tokens), int64(7), "none for the failed item and what is behind it")
}

func TestRunStop(t *testing.T) {
	for name, opts := range map[string][]RunOption{"default": nil, "Stop": {Continue(0), Stop()}} {
		t.Run(name, func(t *testing.T) {
			w := wire(items(1, 2, 3, 4, -5, 6, -7))
			sum, err := w.run(t.Context(), opts...)
			var e *ItemError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, e, err)
			assert.Equal(t, -5, e.Input)
			assert.Equal(t, []string{
				"source open", "sink open", "sink 1", "sink 2", "sink 3", "sink 4", "source close",
				"sink close Map: script: record 5, byte 0: negative: bad",
			}, w.log)
			assert.Equal(t, int64(4), sum.Written)
			assert.Equal(t, int64(1), sum.Failed)
			for _, st := range sum.Stages {
				assertStageAddsUp(t, st)
			}
		})
	}
}

func TestRunContinue(t *testing.T) {
	requirePanics(t, "penstock: stage.Continue: max is -1, want 0 or more", func() { Continue(-1) })
	in := []int{1, -2, 3, -4, 5, -6, 7}
	for max, ok := range map[int]bool{0: true, 3: true, 2: false, 1: false} {
		w := wire(items(in...))
		sum, err := w.run(t.Context(), Continue(max))
		if ok {
			require.NoError(t, err)
			assert.Equal(t, int64(3), sum.Failed)
			assert.Equal(t, int64(4), sum.Written)
			assert.Equal(t, "sink close <nil>", w.log[len(w.log)-1])
			continue
		}
		require.ErrorIs(t, err, errBad)
		var e *ItemError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, in[2*max+1], e.Input)
		assert.ErrorContains(t, err, fmt.Sprintf("stage: more items failed than the limit of %d allows: Map: ", max))
		assert.Equal(t, int64(max+1), sum.Failed)
		assert.Equal(t, int64(max+1), sum.Written, "those before it")
	}
}

func TestRunDeadLetter(t *testing.T) {
	requirePanics(t, "penstock: stage.DeadLetter: sink is nil", func() { DeadLetter(nil, 0) })
	w := wire(items(1, -2, 3, -4, 5))
	requirePanics(t, "penstock: stage.DeadLetter: max is -1, want 0 or more", func() { DeadLetter(w.letters, -1) })
	sum, err := w.run(t.Context(), DeadLetter(w.letters, 0))
	require.NoError(t, err)
	of := func(name string) (log []string) {
		for _, l := range w.log {
			if what, ok := strings.CutPrefix(l, name+" "); ok {
				log = append(log, what)
			}
		}
		return log
	}
	assert.Equal(t, []string{"source open", "sink open", "letters open"}, w.log[:3])
	assert.Equal(t, []string{"open", "1", "3", "5", "close <nil>"}, of("sink"))
	assert.Equal(t, []string{"open", "-2 negative: bad", "-4 negative: bad", "close <nil>"}, of("letters"))
	assert.Equal(t, []string{"source close", "letters close <nil>", "sink close <nil>"}, w.log[len(w.log)-3:])
	assert.Equal(t, []int64{5, 3, 2, 2}, []int64{sum.Read, sum.Written, sum.Failed, sum.DeadLettered})

	w = wire(items(1, -2, 3, -4, 5))
	sum, err = w.run(t.Context(), DeadLetter(w.letters, 1))
	require.ErrorIs(t, err, errBad)
	assert.Equal(t, []int64{2, 2, 1}, []int64{sum.Written, sum.Failed, sum.DeadLettered})
	assert.Contains(t, w.log, "letters -2 negative: bad")
	assert.NotContains(t, strings.Join(w.log, "\n"), "letters -4", "it is in the error")
	assert.Equal(t, "letters close <nil>", w.log[len(w.log)-2], "the letters are committed")
	assert.True(t, strings.HasPrefix(w.log[len(w.log)-1], "sink close stage: more items failed"))
}

func TestLetterSaysWhatIsKnown(t *testing.T) {
	var got []Letter
	sink := &recorder[Letter]{name: "l", log: &[]string{}, write: func(c *Chunk[Letter]) error {
		got = append(got, c.Items...)
		return nil
	}}
	_, err := Run(t.Context(), Map(items(7, 8).stream(), func(_ context.Context, v int) (int, error) {
		if v == 8 {
			panic(errBad)
		}
		return v, nil
	}), &recorder[int]{log: &[]string{}}, DeadLetter(sink, 0))
	require.NoError(t, err)
	require.Len(t, got, 1)
	l := got[0]
	require.ErrorIs(t, l.Err, errBad)
	assert.Contains(t, l.Stack, "run_test.go")
	l.Err, l.Stack = nil, ""
	assert.Equal(t, Letter{Stage: "Map", Index: 1, At: Position{Key: "script", Record: 1}, Input: 8, Reason: "panic: bad"}, l)
}

func TestRunSourceFailureComesAfterTheItems(t *testing.T) {
	w := wire(items(1, 2))
	w.script.end = io.ErrUnexpectedEOF
	sum, err := w.run(t.Context(), Continue(0))
	require.Equal(t, io.ErrUnexpectedEOF, err)
	assert.Equal(t, int64(2), sum.Written)
	assert.Equal(t, "sink close unexpected EOF", w.log[len(w.log)-1])
}

func TestRunOpenFailures(t *testing.T) {
	t.Run("stream", func(t *testing.T) {
		w := wire(items(1))
		sum, err := Run(t.Context(), New("x", func(context.Context) (Puller[int], error) { return nil, errBad }), w.sink)
		require.Equal(t, errBad, err)
		assert.Empty(t, w.log)
		assert.Len(t, sum.Stages, 1)
	})
	t.Run("sink", func(t *testing.T) {
		w := wire(items(1))
		w.sink.open = func() error { return errBad }
		_, err := w.run(t.Context(), DeadLetter(w.letters, 0))
		require.Equal(t, errBad, err)
		assert.Equal(t, []string{"source open", "sink open", "source close"}, w.log)
	})
	t.Run("letters", func(t *testing.T) {
		w := wire(items(1))
		w.letters.open = func() error { return errBad }
		_, err := w.run(t.Context(), DeadLetter(w.letters, 0))
		require.Equal(t, errBad, err)
		assert.Equal(t, []string{"source open", "sink open", "letters open", "source close", "sink close bad"}, w.log)
	})
	t.Run("no writer", func(t *testing.T) {
		w := wire(items(1))
		w.sink.none = true
		_, err := w.run(t.Context())
		require.EqualError(t, err, "stage: sink *stage.recorder[int]: open: neither a writer nor an error was returned")
	})
}

func TestRunWriteAndCloseFailures(t *testing.T) {
	late := errors.New("late")
	t.Run("write", func(t *testing.T) {
		w := wire(items(1, 2, 3))
		w.sink.write = func(c *Chunk[int]) error {
			if c.Items[0] > 1 {
				return errBad
			}
			return nil
		}
		w.sink.close = func(context.Context, error) error { return late }
		sum, err := w.run(t.Context())
		require.ErrorIs(t, err, errBad)
		require.ErrorIs(t, err, late)
		assert.Equal(t, int64(1), sum.Written)
		assert.Equal(t, "sink close bad", w.log[len(w.log)-1])
	})
	t.Run("close of the writer", func(t *testing.T) {
		w := wire(items(1))
		w.sink.close = func(context.Context, error) error { return errBad }
		_, err := w.run(t.Context())
		require.Equal(t, errBad, err)
	})
	t.Run("the writer returns the cause", func(t *testing.T) {
		w := wire(items(-1))
		w.sink.close = func(_ context.Context, cause error) error { return cause }
		_, err := w.run(t.Context())
		require.EqualError(t, err, "Map: script: record 1, byte 0: negative: bad", "once")
	})
	t.Run("close of the stream", func(t *testing.T) {
		w := wire(items(1))
		w.script.closeErr = errBad
		_, err := w.run(t.Context(), DeadLetter(w.letters, 0))
		require.Equal(t, errBad, err)
		assert.Equal(t, []string{"source close", "letters close <nil>", "sink close bad"}, w.log[len(w.log)-3:],
			"what was read may be cut short")
	})
	t.Run("write of letters", func(t *testing.T) {
		w := wire(items(1, -2, 3))
		w.letters.write = func(*Chunk[Letter]) error { return late }
		sum, err := w.run(t.Context(), DeadLetter(w.letters, 0))
		require.Equal(t, late, err)
		assert.Equal(t, []string{"source close", "letters close late", "sink close late"}, w.log[len(w.log)-3:])
		assert.Zero(t, sum.DeadLettered)
	})
	t.Run("close of letters", func(t *testing.T) {
		w := wire(items(1))
		w.letters.close = func(context.Context, error) error { return late }
		_, err := w.run(t.Context(), DeadLetter(w.letters, 0))
		require.Equal(t, late, err)
		assert.Equal(t, []string{"letters close <nil>", "sink close late"}, w.log[len(w.log)-2:])
	})
}

// named is a sink that says what it is.
type named struct{ *recorder[int] }

func (named) String() string { return "numbers.txt" }

func TestRunTurnsPanicsOfSinksIntoErrors(t *testing.T) {
	boom := func() { panic(errBad) }
	for what, set := range map[string]func(*recorder[int]){
		"open":  func(r *recorder[int]) { r.open = func() error { boom(); return nil } },
		"write": func(r *recorder[int]) { r.write = func(*Chunk[int]) error { boom(); return nil } },
		"close": func(r *recorder[int]) { r.close = func(context.Context, error) error { boom(); return nil } },
	} {
		w := wire(items(1))
		set(w.sink)
		_, err := Run(t.Context(), w.stream(), named{w.sink})
		require.EqualError(t, err, "stage: sink numbers.txt: "+what+": panic: bad")
		require.ErrorIs(t, err, errBad)
		var p *PanicError
		require.ErrorAs(t, err, &p)
		assert.Contains(t, string(p.Stack), "run_test.go")
		assert.Contains(t, w.log, "source close")
	}
	w := wire(items(-1))
	w.letters.write = func(*Chunk[Letter]) error { boom(); return nil }
	_, err := w.run(t.Context(), DeadLetter(w.letters, 0))
	require.EqualError(t, err, "stage: sink *stage.recorder["+typeOfLetter+"]: write: panic: bad")
}

const typeOfLetter = "github.com/penstock-go/penstock/stage.Letter"

func TestRunGoexitDoesNotCommit(t *testing.T) {
	w := wire(items(1, 2, 3))
	w.sink.write = func(c *Chunk[int]) error {
		if c.Items[0] > 1 {
			runtime.Goexit()
		}
		return nil
	}
	exits(func() { _, _ = w.run(context.Background(), DeadLetter(w.letters, 0)) })
	assert.Equal(t, []string{"source close", "letters close <nil>", "sink close " + ErrGoexit.Error()}, w.log[len(w.log)-3:])

	w = wire(items(1, -2, 3))
	w.letters.write = func(*Chunk[Letter]) error { runtime.Goexit(); return nil }
	exits(func() { _, _ = w.run(context.Background(), DeadLetter(w.letters, 0)) })
	assert.Equal(t, "letters close "+ErrGoexit.Error(), w.log[len(w.log)-2])
}

func TestRunReportsTheCauseOfTheContext(t *testing.T) {
	cause := errors.New("shutting down")
	t.Run("ended before", func(t *testing.T) {
		w := wire(items(1))
		_, err := w.run(ended(cause))
		require.Equal(t, cause, err)
		assert.Empty(t, w.log, "nothing is opened")
	})
	t.Run("between chunks", func(t *testing.T) {
		w := wire(upTo(1000))
		ctx, cancel := context.WithCancelCause(t.Context())
		w.sink.write = func(*Chunk[int]) error { cancel(cause); return nil }
		sum, err := w.run(ctx, DeadLetter(w.letters, 0))
		require.Equal(t, cause, err)
		assert.Equal(t, int64(1), sum.Written)
		assert.Equal(t, []string{"source close", "letters close <nil>", "sink close shutting down"}, w.log[len(w.log)-3:])
	})
	t.Run("while a writer writes", func(t *testing.T) {
		w := wire(upTo(1000))
		ctx, cancel := context.WithCancelCause(t.Context())
		w.sink.write = func(*Chunk[int]) error { cancel(cause); return fmt.Errorf("sending: %w", ctx.Err()) }
		_, err := w.run(ctx)
		require.EqualError(t, err, "sending: context canceled: shutting down")
		require.ErrorIs(t, err, cause)
	})
	t.Run("while an item is worked on", func(t *testing.T) {
		w := wire(upTo(1000))
		ctx, cancel := context.WithCancelCause(t.Context())
		sum, err := Run(ctx, Map(w.stream(), func(ctx context.Context, v int) (int, error) {
			if v == 100 {
				cancel(cause)
			}
			return v, ctx.Err()
		}), w.sink)
		require.Equal(t, cause, err)
		assert.Zero(t, sum.Failed)
		for _, st := range sum.Stages {
			assertStageAddsUp(t, st)
		}
	})
	t.Run("while a sink opens", func(t *testing.T) {
		w := wire(upTo(1000))
		ctx, cancel := context.WithCancelCause(t.Context())
		w.sink.open = func() error { cancel(cause); return ctx.Err() }
		_, err := w.run(ctx)
		require.Equal(t, cause, err)
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
		defer cancel()
		_, err := wire(upTo(10)).run(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
	})
}

func TestRunArguments(t *testing.T) {
	requirePanics(t, "penstock: stage.Run: sink is nil", func() { _, _ = Run(t.Context(), ints(1), nil) })
	requirePanics(t, "penstock: stage.Run: option is nil", func() { _, _ = wire(items(1)).run(t.Context(), nil) })
	requirePanics(t, "penstock: stage.WithLogger: log is nil", func() { WithLogger(nil) })
}

func TestRunOfTheZeroStream(t *testing.T) {
	w := wire(nil)
	sum, err := Run(t.Context(), Stream[int]{}, w.sink)
	require.NoError(t, err)
	assert.Equal(t, []string{"sink open", "sink close <nil>"}, w.log)
	assert.Zero(t, sum.Read)
	assert.Equal(t, "empty", sum.Stages[0].Name)
}

// TestRunInsideARun: what functions run is no part of the outer summary.
func TestRunInsideARun(t *testing.T) {
	inner := Map(ints(5), inc)
	w := wire(items(1, 2))
	sum, err := Run(t.Context(), Map(w.stream(), func(ctx context.Context, v int) (int, error) {
		in := wire(items(4, 5, 6))
		s, err := Run(ctx, in.stream(), in.sink)
		if err != nil || s.Read != 3 {
			return 0, errBad
		}
		n, err := inner.Count(ctx)
		return v + int(n), err
	}), w.sink)
	require.NoError(t, err)
	assert.Len(t, sum.Stages, 2)
	assert.Equal(t, int64(2), sum.Read)
}

func TestSummaryOfAPlanWithBranches(t *testing.T) {
	s := New("script", func(ctx context.Context) (Puller[int], error) { return ints(4).Open(plan.WithRegistry(ctx, nil)) })
	never := ints(3).Named("never")
	w := wire(nil)
	first := Concat(s.Named("first"), s.Named("second"), never).Take(3)
	branches := Map(Zip(first, Zip(s, s)), Pure(func(p Pair[int, Pair[int, int]]) int { return p.First }))
	sum, err := Run(t.Context(), branches, w.sink)
	require.NoError(t, err)
	var names []string
	for _, st := range sum.Stages {
		names = append(names, fmt.Sprintf("%s %d>%d", st.Name, st.In, st.Out))
		assertStageAddsUp(t, st)
	}
	assert.Equal(t, []string{
		"first 3>3", "second 0>0", "never 0>0", "Concat 3>3", "Take 3>3", "script 3>3", "script 3>3", "Zip 6>3", "Zip 6>3", "Map 3>3",
	}, names)
	assert.Equal(t, int64(9), sum.Read)
}

func TestSummaryIsFilledOnFailure(t *testing.T) {
	w := wire(upTo(1000))
	sum, err := Run(t.Context(), Batch(w.stream(), 10), &recorder[[]int]{log: &w.log, write: func(c *Chunk[[]int]) error {
		if c.Items[0][0] == 500 {
			return errBad
		}
		return nil
	}})
	require.Equal(t, errBad, err)
	assert.Equal(t, int64(50), sum.Written)
	assert.Equal(t, int64(510), sum.Read)
	for _, st := range sum.Stages {
		assertStageAddsUp(t, st)
	}
}

func TestSummaryString(t *testing.T) {
	sum := Summary{
		Stages: []StageSummary{
			{Name: "in.csv", Op: "CSV", In: 12, Out: 10, Failed: 2, ChunksOut: 3},
			{Name: "Filter", Op: "Filter", In: 10, Out: 7, Filtered: 3, ChunksIn: 3, ChunksOut: 3, CreditWait: 1234567 * time.Microsecond},
		},
		Read: 12, Written: 7, Failed: 2, DeadLettered: 2, Elapsed: 1_234_567_890,
	}
	want := strings.Join([]string{
		"stage         in  out  filtered  failed  chunks in  chunks out  credit wait",
		"in.csv (CSV)  12   10         0       2          0           3           0s",
		"Filter        10    7         3       0          3           3       1.235s",
		"read 12, written 7, failed 2, dead-lettered 2 in 1.235s",
		"",
	}, "\n")
	assert.Equal(t, want, sum.String())
	assert.Equal(t, "stage  in  out\nread 0, written 0 in 0s\n", Summary{}.String())
}
