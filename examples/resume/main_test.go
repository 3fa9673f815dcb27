package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/stage"
)

// asCommand makes the test binary the command itself.
const asCommand = "RESUME_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		stop, release := stage.NotifyShutdown(context.Background())
		code := run(stop, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		release()
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// rows is a source that can go on.
type rows struct{ n, next int64 }

func (r *rows) Pull(_ context.Context, into *stage.Chunk[Row], max stage.Limit) error {
	into.Reset()
	k := min(int64(max.Room()), r.n-r.next)
	if k == 0 {
		return io.EOF
	}
	into.Tokens = append(into.Tokens, stage.Token{At: stage.Position{Record: r.next}, First: r.next, N: k})
	for range k {
		into.Items = append(into.Items, Row{Delay: int(r.next), Origin: "A", Destination: "B"})
		r.next++
	}
	return nil
}

func (r *rows) Close() error { return nil }

func (r *rows) Fingerprint(context.Context) (json.RawMessage, error) { return json.Marshal(r.n) }

func (r *rows) Seek(_ context.Context, _ stage.Position, first int64) error {
	r.next = first
	return nil
}

func rowsTo(n int64) stage.Stream[Row] {
	return stage.New("Rows", func(context.Context) (stage.Puller[Row], error) { return &rows{n: n}, nil })
}

// table is a sink that publishes what is committed.
type table struct {
	published, taken []Flight
	cause            error
}

func (s *table) Open(_ context.Context, restore json.RawMessage) (stage.Writer[Flight], error) {
	s.taken = nil
	if restore == nil {
		s.published = nil
		return s, nil
	}
	return s, json.Unmarshal(restore, &s.published)
}

func (s *table) Write(_ context.Context, c *stage.Chunk[Flight]) error {
	s.taken = append(s.taken, c.Items...)
	return nil
}

func (s *table) Prepare(context.Context, uint64) (json.RawMessage, error) {
	s.published, s.taken = append(s.published, s.taken...), nil
	return json.Marshal(s.published)
}

func (s *table) Commit(context.Context, uint64) error { return nil }

func (s *table) Close(_ context.Context, cause error) error {
	s.cause = cause
	return nil
}

var errKilled = errors.New("killed")

func TestItGoesOn(t *testing.T) {
	var to table
	dir := t.TempDir()
	const n = 20000
	j := &job{dir: dir, crash: 5000, workers: 2, every: time.Nanosecond, grace: time.Minute, kill: func() { panic(errKilled) }}
	sum, err := j.run(t.Context(), rowsTo(n), &to)
	require.ErrorIs(t, err, errKilled)
	require.Nil(t, sum.Resumed)
	require.Less(t, len(to.published), 5000)

	stop, please := context.WithCancelCause(t.Context())
	j = &job{dir: dir, crash: 5000, workers: 2, chunk: 7, every: time.Hour, grace: time.Minute, kill: func() { please(stage.SignalError{Signal: syscall.SIGINT}) }}
	sum, err = j.run(stop, rowsTo(n), &to)
	var stopped *stage.StoppedError
	require.ErrorAs(t, err, &stopped)
	assert.True(t, stopped.Saved)
	require.ErrorIs(t, to.cause, stage.ErrStopped)
	assert.Contains(t, report(sum), "resumed from checkpoint ")
	assert.Contains(t, report(sum), "delivery: exactly once")
	written := len(to.published)

	j = &job{dir: dir, workers: 3, every: time.Hour, grace: time.Minute}
	sum, err = j.run(t.Context(), rowsTo(n), &to)
	require.NoError(t, err)
	assert.EqualValues(t, written, sum.Resumed.Written)
	require.Len(t, to.published, n)
	for i, f := range to.published {
		require.Equal(t, Flight{Route: "A-B", Delay: i}, f)
	}
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{"-workers", "-1"}, 2, "-workers is -1, want 0 or more"},
		{[]string{"-crash-after", "-1"}, 2, "-crash-after is -1"},
		{[]string{"-hold-after", "-1"}, 2, "-hold-after is -1"},
		{[]string{"-dir", ""}, 2, "-dir is empty"},
		{[]string{"-every", "0s"}, 2, "-every is 0s"},
		{[]string{"x"}, 2, "x: no files are asked for"},
		{[]string{"-h"}, 0, "Usage: resume"},
	} {
		var out, errs bytes.Buffer
		assert.Equal(t, test.code, run(t.Context(), test.args, strings.NewReader(""), &out, &errs))
		assert.Contains(t, errs.String(), test.err)
	}
}
