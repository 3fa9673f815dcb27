package subprocess

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/childtest"
)

var (
	errOverdue = errors.New("overdue")
	errStep    = errors.New("out of step")
	errLong    = errors.New("too long")
)

// spec is that of a child.
func spec(mode string, args ...string) *Spec {
	return &Spec{
		Args: childtest.New(mode, args...).Args, MaxLine: 1000, Pipeline: 4, Grace: 10 * time.Second,
		Restarts: 3, Delay: time.Millisecond, MaxDelay: time.Millisecond,
		Overdue: errOverdue, OutOfStep: errStep, TooLong: errLong,
		Failed:  func(f Failure) error { return f.Reason },
		TooMany: func(times int, last error) error { return fmt.Errorf("%d times: %w", times, last) },
	}
}

// answers asks a session for all items.
func answers(t *testing.T, s *Session[string, string], items ...string) (out []string) {
	t.Helper()
	for i := range items {
		answer, err := s.Do(t.Context(), items[i:])
		if err != nil {
			answer = "failed: " + err.Error()
		}
		out = append(out, answer)
	}
	return out
}

func TestSessionSendsAhead(t *testing.T) {
	childtest.NothingLeft(t)
	s := NewSession(spec("upper"), Lines())
	assert.False(t, s.Running(), "nothing runs before the first item")
	items := []string{"a", "b", "c\nd", "e", "f", "g"}
	first, err := s.Do(t.Context(), items)
	require.NoError(t, err)
	assert.Equal(t, "A", first)
	assert.True(t, s.Pending(), "b was sent")
	assert.Equal(t, []string{"B", "failed: " + errNewline.Error(), "E", "F", "G"}, answers(t, s, items[1:]...))
	assert.False(t, s.Pending())
	require.NoError(t, s.Finish(t.Context()))
	assert.False(t, s.Running())
	assert.Equal(t, []string{"A"}, answers(t, s, "a"), "it can be used again")
	s.Close()
	s.Close()
}

// A line too many behind the answers of several items is an error, though none of the
// items brings it about again.
func TestWorkerBelievesNothingOutOfStep(t *testing.T) {
	childtest.NothingLeft(t)
	s := NewSession(spec("cat"), Lines())
	assert.Equal(t, []string{"a"}, answers(t, s, "a"))
	s.p.mu.Lock()
	s.p.lines++ // as if one had come late
	s.p.buf = append(s.p.buf[:s.p.line], "late\n"...)
	s.p.line = len(s.p.buf)
	s.p.mu.Unlock()
	got := answers(t, s, "b", "c", "d")
	assert.Equal(t, []string{"b", "c"}, got[:2], "sent again")
	assert.Contains(t, got[2], errStep.Error())
	assert.Equal(t, []string{"e"}, answers(t, s, "e"))
	require.NoError(t, s.Finish(t.Context()))
}

// What was given up does not count as a failure.
func TestWorkerThatIsLeft(t *testing.T) {
	childtest.NothingLeft(t)
	s := NewSession(spec("hang", "b"), Lines())
	errGone := errors.New("gone")
	for range 10 {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := time.AfterFunc(20*time.Millisecond, func() { cancel(errGone) })
		_, err := s.Do(ctx, []string{"b"})
		require.ErrorIs(t, err, errGone)
		stop.Stop()
	}
	assert.Equal(t, []string{"a"}, answers(t, s, "a"))
	require.NoError(t, s.Finish(t.Context()))
}

// Finish that is given up goes on when it is called again.
func TestWorkerFinishGivenUp(t *testing.T) {
	childtest.NothingLeft(t)
	errGone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGone)
	of := spec("slow")
	of.Grace = 50 * time.Millisecond
	s := NewSession(of, Lines())
	assert.Equal(t, []string{"a"}, answers(t, s, "a"))
	require.ErrorIs(t, s.Finish(ctx), errGone)
	assert.True(t, s.Running())
	require.ErrorIs(t, s.Finish(t.Context()), errGrace)
	assert.False(t, s.Running())
	require.NoError(t, s.Finish(t.Context()))
}

// An item that cannot be encoded is found out when its turn has come, also if it panics.
func TestSessionEncodesEachInItsTurn(t *testing.T) {
	childtest.NothingLeft(t)
	errBad := errors.New("bad")
	codec := Lines()
	plain := codec.Encode
	codec.Encode = func(dst []byte, item string) ([]byte, error) {
		switch item {
		case "panic":
			panic(errBad)
		case "error":
			return dst, errBad
		}
		return plain(dst, item)
	}
	s := NewSession(spec("upper"), codec)
	items := []string{"a", "error", "b", "panic", "c"}
	assert.Equal(t, []string{"A", "failed: bad", "B"}, answers(t, s, items[:3]...))
	assert.PanicsWithValue(t, errBad, func() { _, _ = s.Do(t.Context(), items[3:]) })
	assert.Equal(t, []string{"C"}, answers(t, s, "c"))
	require.NoError(t, s.Finish(t.Context()))
}
