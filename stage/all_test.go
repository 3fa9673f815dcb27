package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/plan"
)

// ranged ranges over a stream and returns what it yielded.
func ranged[T any](ctx context.Context, s Stream[T]) (got []string) {
	for v, err := range s.All(ctx) {
		var e *ItemError
		switch {
		case err == nil:
			got = append(got, fmt.Sprint(v))
		case errors.As(err, &e):
			got = append(got, failed(e.Stage, e.Index, e.Err))
		default:
			got = append(got, err.Error())
		}
	}
	return got
}

func TestAllYieldsItemsAndErrorsInOrder(t *testing.T) {
	s := &script{events: []event{{err: errBad}, {item: 1}, {item: 2}, {err: errBad}, {err: errBad}, {item: 3}}, end: io.ErrUnexpectedEOF}
	stream := Map(s.stream(), func(_ context.Context, v int) (int, error) {
		if v == 2 {
			return 0, errBad
		}
		return v, nil
	})
	want := []string{"script#0: bad", "1", "Map#1: bad", "script#3: bad", "script#4: bad", "3", "unexpected EOF"}
	assert.Equal(t, want, ranged(t.Context(), stream))
	assert.Equal(t, want, ranged(t.Context(), stream), "again")
	assert.Equal(t, 2, s.mu.closes)
	assert.Empty(t, ranged(t.Context(), Stream[int]{}))
}

func TestAllBreakAtEachPosition(t *testing.T) {
	const n = 40
	for stop := range n {
		var reg plan.Registry
		s := upTo(n)
		got := 0
		stream := Batch(Map(s.stream(), inc).Filter(func(v int) bool { return v%5 != 0 }), 3)
		for b, err := range stream.All(plan.WithRegistry(t.Context(), &reg)) {
			require.NoError(t, err)
			got += len(b)
			if got > stop {
				break
			}
		}
		require.Equal(t, 1, s.mu.closes, "closed before control returned")
		for _, m := range reg.Meters() {
			assertAddsUp(t, m)
		}
	}
}

func TestAllBreakAtAnError(t *testing.T) {
	s := &script{events: []event{{item: 1}, {err: errBad}, {item: 2}}}
	n := 0
	for _, err := range s.stream().All(t.Context()) {
		if n++; err != nil {
			break
		}
	}
	assert.Equal(t, 2, n)
	assert.Equal(t, 1, s.mu.closes)
}

func TestAllPanicInTheBody(t *testing.T) {
	s := upTo(9)
	requirePanics(t, "body", func() {
		for range s.stream().All(t.Context()) { //nolint:errcheck // broken off
			panic("body")
		}
	})
	assert.Equal(t, 1, s.mu.closes)
	exits(func() {
		for range s.stream().All(context.Background()) { //nolint:errcheck // broken off
			runtime.Goexit()
		}
	})
	assert.Equal(t, 2, s.mu.closes)
}

func TestAllYieldsTheCauseOnce(t *testing.T) {
	cause := errors.New("shutting down")
	s := upTo(100)
	assert.Equal(t, []string{"shutting down"}, ranged(ended(cause), s.stream()))
	assert.Zero(t, s.mu.opens, "a context that had ended opens nothing")

	ctx, cancel := context.WithCancelCause(t.Context())
	var got []string
	for v, err := range s.stream().All(ctx) {
		got = append(got, fmt.Sprint(v, err))
		if v == 40 {
			cancel(cause)
		}
	}
	assert.Len(t, got, 42, "the items of the chunk at hand are not yielded either")
	assert.Equal(t, "0 shutting down", got[41])
	assert.Equal(t, 1, s.mu.closes)

	// A source that knows nothing of causes.
	ctx, cancel = context.WithCancelCause(t.Context())
	bare := (&fakePuller{pull: func(ctx context.Context, _ *Chunk[int], _ Limit) error {
		cancel(cause)
		return ctx.Err()
	}}).stream()
	assert.Equal(t, []string{"shutting down"}, ranged(ctx, bare))

	opening := New("x", func(ctx context.Context) (Puller[int], error) {
		cancel(cause)
		return nil, fmt.Errorf("dialling: %w", ctx.Err())
	})
	ctx, cancel = context.WithCancelCause(t.Context())
	assert.Equal(t, []string{"dialling: context canceled: shutting down"}, ranged(ctx, opening))

	// One that does not look at the context at all.
	ctx, cancel = context.WithCancelCause(t.Context())
	defer cancel(nil)
	n := 0
	for _, err := range counting().All(ctx) {
		if n++; n == 1 {
			cancel(cause)
			continue
		}
		require.Equal(t, cause, err)
	}
	assert.Equal(t, 2, n)
}

func TestAllYieldsTheCloseError(t *testing.T) {
	s := upTo(1)
	s.closeErr = errBad
	assert.Equal(t, []string{"0", "bad"}, ranged(t.Context(), s.stream()))
	s.end = io.ErrUnexpectedEOF
	assert.Equal(t, []string{"0", "unexpected EOF\nbad"}, ranged(t.Context(), s.stream()))
	for range s.stream().All(t.Context()) { //nolint:errcheck // broken off
		break // nobody to tell
	}
	for _, err := range s.stream().All(t.Context()) {
		if err != nil {
			break // at the last one
		}
	}
	assert.Equal(t, 4, s.mu.closes)
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		pull := func(took time.Duration, share float64) int {
			n := p.ask().Items
			time.Sleep(took)
			p.got(int(float64(n) * share))
			return n
		}
		for _, want := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024} {
			require.Equal(t, want, pull(0, 1))
		}
		for _, want := range []int{1024, 512, 256, 128} {
			require.Equal(t, want, pull(time.Millisecond, 1))
		}
		require.Equal(t, 64, pull(0, 0.5), "timed, since the one before was full")
		for range 15 {
			require.Equal(t, 128, pull(0, 0.5), "the limit does not seem to bind")
		}
		require.Equal(t, 128, pull(0, 0.5), "one in sixteen is timed")
		require.Equal(t, 256, pull(0, 0.5))
		for range 14 {
			pull(time.Millisecond, 0.5)
		}
		require.Equal(t, 256, pull(time.Millisecond, 0.5))
		require.Equal(t, 128, pull(0, 0.5))
		p = pace{}
		for range 40 {
			require.Equal(t, 1, pull(time.Millisecond, 1), "a slow source is asked for one at a time")
		}
	})
}

// TestBreakPullsLittleTooMuch: the bound that All promises.
func TestBreakPullsLittleTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, stop := range []int{1, 2, 3, 10, 100, 5000} {
			s := upTo(10_000)
			n := 0
			for range s.stream().All(t.Context()) { //nolint:errcheck // broken off
				if n++; n == stop {
					break
				}
			}
			assert.LessOrEqual(t, s.mu.pulled-n, min(n, 1023))
		}
		pulled := 0
		slow := (&fakePuller{pull: func(_ context.Context, into *Chunk[int], max Limit) error {
			time.Sleep(time.Duration(max.Items) * time.Millisecond)
			for range max.Items {
				into.Items = append(into.Items, pulled)
				pulled++
			}
			return nil
		}}).stream()
		for v, err := range slow.All(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, v+1, pulled, "no item waits for another")
			if v == 20 {
				break
			}
		}
	})
}
