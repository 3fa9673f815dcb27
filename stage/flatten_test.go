package stage

import (
	"context"
	"fmt"
	"io"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// endless gives numbers from a first one on, and counts how often it was stopped.
func endless(from int, made, stopped *int) iter.Seq[int] {
	return func(yield func(int) bool) {
		defer func() { *stopped++ }()
		for v := from; ; v++ {
			*made++
			if !yield(v) {
				return
			}
		}
	}
}

// Sequences that fail, or panic, in the middle or at once, leave what they gave.
func TestFlattenAsNestedLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.IntRange(0, 300)).Draw(t, "values")
		var want []int
		failures := 0
		for _, v := range values {
			for i := range v % 100 {
				want = append(want, 1000*v+i)
			}
			if v >= 200 {
				failures++
			}
		}
		limits := rapid.SliceOfN(rapid.IntRange(0, 90), 1, 4).Draw(t, "limits")
		giveUp := func() bool { return rapid.IntRange(0, 3).Draw(t, "give up") == 0 }
		seq := func(v int) iter.Seq[int] {
			if v == 0 {
				return nil
			}
			return func(yield func(int) bool) {
				for i := range v % 100 {
					if !yield(1000*v + i) {
						return
					}
				}
				if v >= 200 {
					panic(errBad)
				}
			}
		}
		p, done := watched(t, Flatten(Map(items(values...).stream(), Pure(seq))))
		got, errs, tokens, err := pullAll(t, p, limits, giveUp)
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, want, got)
		assert.Len(t, errs, failures)
		assert.EqualValues(t, len(values), tokens)
		done()

		failing := func(v int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for i := range v % 100 {
					if !yield(1000*v+i, nil) {
						return
					}
				}
				if v >= 200 {
					yield(5, errBad)
				}
			}
		}
		q, done := watched(t, FlattenErr(Map(items(values...).stream(), Pure(failing))))
		got, errs, _, err = pullAll(t, q, limits, giveUp)
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, want, got)
		assert.Len(t, errs, failures)
		for _, e := range errs {
			assert.ErrorIs(t, e, errBad)
		}
		done()
	})
}

// Of an endless sequence no more is read than is asked for, and it is stopped.
func TestFlattenEndlessSequences(t *testing.T) {
	made, stopped := 0, 0
	in := Map(ints(3), Pure(func(v int) iter.Seq[int] { return endless(1000*v, &made, &stopped) }))
	got, err := Flatten(in).Take(10).Collect(context.Background())
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got)
	assert.Equal(t, 10, made)
	assert.Equal(t, 1, stopped)

	made, stopped = 0, 0
	for v, err := range Flatten(in).All(context.Background()) {
		require.NoError(t, err)
		if v == 20 {
			break
		}
	}
	assert.Equal(t, 1, stopped)
	assert.LessOrEqual(t, made, 64)

	// Given up between two items, it goes on with the next.
	made, stopped = 0, 0
	ctx, cancel := context.WithCancelCause(context.Background())
	p, done := watched(t, Flatten(in.Tap(func(iter.Seq[int]) { cancel(errGivenUp) })))
	var c Chunk[int]
	assert.ErrorIs(t, p.Pull(ctx, &c, Limit{Items: 500}), errGivenUp)
	n := len(c.Items)
	assert.Less(t, n, 500)
	require.NoError(t, p.Pull(context.Background(), &c, Limit{Items: 5}))
	assert.Equal(t, []int{n, n + 1, n + 2, n + 3, n + 4}, c.Items)
	done()
	assert.Equal(t, 1, stopped)
}

// A sequence that panics when it is stopped is an error of the closing.
func TestFlattenSequencesThatPanicWhenStopped(t *testing.T) {
	seq := func(yield func(int) bool) {
		defer panic(errBad)
		yield(1)
		yield(2)
	}
	p, err := Flatten(Map(ints(1), Pure(func(int) iter.Seq[int] { return seq }))).Open(context.Background())
	require.NoError(t, err)
	var c Chunk[int]
	require.NoError(t, p.Pull(context.Background(), &c, Limit{Items: 1}))
	err = p.Close()
	assert.ErrorIs(t, err, errBad)
	assert.ErrorContains(t, err, "Flatten: ")
	require.NoError(t, p.Close())
}

func TestFlattenErrKeepsItsPlace(t *testing.T) {
	p, done := watched(t, FlattenErr(Map(items(7, 8).stream(), Pure(func(v int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) { _ = yield(v, nil) && yield(0, fmt.Errorf("%w: %d", errBad, v)) }
	}))))
	var c Chunk[int]
	for len(c.Errors) == 0 {
		err := p.Pull(context.Background(), &c, Limit{Items: 3})
		require.NoError(t, err)
	}
	assert.Equal(t, 7, c.Items[0])
	assert.EqualError(t, c.Errors[0].Err, "bad: 7")
	assert.Equal(t, 1, c.Errors[0].Before)
	assert.EqualValues(t, 0, c.Errors[0].Index)
	done()
}
