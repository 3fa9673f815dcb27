package stage

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// errorAt is the stream of 0 to 9 in which one item fails.
func errorAt(bad int) *script {
	s := upTo(10)
	s.events[bad].err = errBad
	return s
}

func TestCollect(t *testing.T) {
	got, err := ints(3000).Collect(t.Context())
	require.NoError(t, err)
	assert.Len(t, got, 3000)
	assert.Equal(t, 2999, got[2999])

	got, err = Stream[int]{}.Collect(t.Context())
	require.NoError(t, err)
	assert.NotNil(t, got)
	assert.Empty(t, got)

	got, err = ints(10).Filter(func(v int) bool { return v > 6 }).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{7, 8, 9}, got)
}

// TestTerminalsFailFast: the first error in stream order ends the run.
func TestTerminalsFailFast(t *testing.T) {
	cause := errors.New("shutting down")
	terminals := map[string]func(context.Context, Stream[int]) error{
		"Collect": func(ctx context.Context, s Stream[int]) error {
			got, err := s.Collect(ctx)
			if err != nil {
				assert.Nil(t, got)
			}
			return err
		},
		"Count": func(ctx context.Context, s Stream[int]) error {
			_, err := s.Count(ctx)
			return err
		},
		"ForEach": func(ctx context.Context, s Stream[int]) error {
			return s.ForEach(ctx, func(context.Context, int) error { return nil })
		},
		"First": func(ctx context.Context, s Stream[int]) error {
			v, err := s.Filter(func(v int) bool { return v > 8 }).First(ctx)
			if err != nil {
				assert.Zero(t, v)
			}
			return err
		},
		"Reduce": func(ctx context.Context, s Stream[int]) error {
			acc, err := Reduce(ctx, s, 7, func(_ context.Context, acc, v int) (int, error) { return acc + v, nil })
			if err != nil {
				assert.Zero(t, acc)
			}
			return err
		},
	}
	for name, run := range terminals {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, run(t.Context(), ints(10)))

			s := errorAt(4)
			s.end = io.ErrUnexpectedEOF
			var e *ItemError
			require.ErrorAs(t, run(t.Context(), s.stream()), &e)
			assert.Equal(t, int64(4), e.Index)
			assert.Equal(t, 1, s.mu.closes)

			s = upTo(5)
			s.end = errBad
			assert.Equal(t, errBad, run(t.Context(), s.stream()))

			s = upTo(10)
			s.closeErr = errBad
			assert.Equal(t, errBad, run(t.Context(), s.stream()), "of closing")
			s = errorAt(4)
			s.closeErr = io.ErrUnexpectedEOF
			err := run(t.Context(), s.stream())
			require.ErrorIs(t, err, errBad)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)

			assert.Equal(t, errBad, run(t.Context(), New("x", func(context.Context) (Puller[int], error) { return nil, errBad })))

			s = upTo(5)
			assert.Equal(t, cause, run(ended(cause), s.stream()))
			assert.Zero(t, s.mu.opens)

			ctx, cancel := context.WithCancelCause(t.Context())
			assert.Equal(t, cause, run(ctx, counting().Tap(func(v int) {
				if v == 3 {
					cancel(cause)
				}
			}).Filter(func(v int) bool { return v < 3 })))
			ctx, cancel = context.WithCancelCause(t.Context())
			assert.Equal(t, cause, run(ctx, (&fakePuller{pull: func(ctx context.Context, _ *Chunk[int], _ Limit) error {
				cancel(cause)
				return ctx.Err()
			}}).stream()))
			ctx, cancel = context.WithCancelCause(t.Context())
			assert.Equal(t, cause, run(ctx, (&fakePuller{pull: func(context.Context, *Chunk[int], Limit) error {
				cancel(cause)
				return nil
			}}).stream()), "the source does not look")
		})
	}
}

func TestCount(t *testing.T) {
	n, err := ints(3000).Count(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(3000), n)
	n, err = errorAt(4).stream().Count(t.Context())
	require.ErrorIs(t, err, errBad)
	assert.Equal(t, int64(4), n, "those before the error")
}

func TestFirst(t *testing.T) {
	s := upTo(10)
	s.cuts = []int{0, 2}
	v, err := Map(s.stream(), inc).First(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, v)
	assert.Equal(t, 1, s.mu.pulled, "it pulls one item and no more")
	_, err = Stream[int]{}.First(t.Context())
	require.Equal(t, ErrEmpty, err)
	_, err = errorAt(0).stream().First(t.Context())
	require.ErrorIs(t, err, errBad)
	v, err = errorAt(1).stream().First(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 0, v, "what fails behind it does not matter")
	ends := upTo(1)
	ends.end = errBad
	v, err = ends.stream().First(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 0, v)
}

func TestForEach(t *testing.T) {
	var seen []int
	see := func(_ context.Context, v int) error {
		seen = append(seen, v)
		return nil
	}
	require.NoError(t, ints(5).ForEach(t.Context(), see))
	assert.Equal(t, []int{0, 1, 2, 3, 4}, seen)
	seen = nil
	require.ErrorIs(t, errorAt(2).stream().ForEach(t.Context(), see), errBad)
	assert.Equal(t, []int{0, 1}, seen, "nothing behind the failed item")
}

func TestForEachAndReduceNameTheItem(t *testing.T) {
	for name, failure := range map[string]func(v int) error{
		"error": func(int) error { return errBad },
		"panic": func(int) error { panic(errBad) },
	} {
		fn := func(v int) error {
			if v == 70 {
				return failure(v)
			}
			return nil
		}
		check := func(stage string, err error) {
			var e *ItemError
			require.ErrorAs(t, err, &e)
			require.ErrorIs(t, err, errBad)
			assert.Equal(t, stage, e.Stage)
			assert.Equal(t, int64(70), e.Index)
			assert.Equal(t, 70, e.Input)
			assert.Equal(t, Position{Key: "script", Record: 70}, e.At)
			assert.Equal(t, name == "panic", len(e.Stack) > 0)
		}
		check("ForEach", ints(100).ForEach(t.Context(), func(_ context.Context, v int) error { return fn(v) }))
		acc, err := Reduce(t.Context(), ints(100), 1, func(_ context.Context, acc, v int) (int, error) { return acc + 1, fn(v) })
		check("Reduce", err)
		assert.Zero(t, acc)
	}
}

func TestForEachStopsWhenTheContextEnds(t *testing.T) {
	cause := errors.New("shutting down")
	for name, result := range map[string]func(context.Context) error{
		"the function goes on":     func(context.Context) error { return nil },
		"the function sees it":     func(ctx context.Context) error { return ctx.Err() },
		"the function sees causes": context.Cause,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			last := 0
			err := ints(1000).ForEach(ctx, func(ctx context.Context, v int) error {
				last = v
				if v == 100 {
					cancel(cause)
					return result(ctx)
				}
				return nil
			})
			assert.Equal(t, cause, err)
			assert.Equal(t, 100, last)
		})
	}
	t.Run("the function fails of something else", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := ints(10).ForEach(ctx, func(context.Context, int) error {
			cancel(cause)
			return errBad
		})
		assert.EqualError(t, err, "ForEach: script: record 1, byte 0: bad")
	})
}

func TestReduce(t *testing.T) {
	total, err := Reduce(t.Context(), ints(101), 1, func(_ context.Context, acc, v int) (int, error) { return acc + v, nil })
	require.NoError(t, err)
	assert.Equal(t, 5051, total)
	total, err = Reduce(t.Context(), Stream[int]{}, 1, func(_ context.Context, acc, v int) (int, error) { return acc + v, nil })
	require.NoError(t, err)
	assert.Equal(t, 1, total)
}
