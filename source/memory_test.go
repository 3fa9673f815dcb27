package source

import (
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

func TestMemorySourcesAnyLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.Int()).Draw(t, "items")
		max := stage.Limit{Items: rapid.IntRange(-1, 10).Draw(t, "items")}
		require.Equal(t, append([]int(nil), items...), all(t, Slice(items), max))
		require.Equal(t, append([]int(nil), items...), all(t, Of(items...), max))
		from, n := rapid.IntRange(-1000, 1000).Draw(t, "from"), rapid.IntRange(0, 50).Draw(t, "n")
		got := all(t, Range(from, from+n), max)
		require.Len(t, got, n)
		for i, v := range got {
			require.Equal(t, from+i, v)
		}
	})
}

func TestSliceIsNotAliased(t *testing.T) {
	mine := []int{1, 2, 3}
	for _, s := range []stage.Stream[int]{Slice(mine), Of(mine...)} {
		var c stage.Chunk[int]
		p := open(t, s)
		require.ErrorIs(t, p.Pull(t.Context(), &c, stage.Limit{}), io.EOF)
		clear(c.Items)
		_ = append(c.Items, 9)
		assert.Equal(t, []int{1, 2, 3}, mine)
	}
	s := Of(mine...)
	mine[0] = 7
	assert.Equal(t, []int{1, 2, 3}, all(t, s, stage.Limit{}), "Of copies at the call")
}

func TestRangeAtTheEdges(t *testing.T) {
	assert.Empty(t, all(t, Range(3, 3), stage.Limit{}))
	assert.Empty(t, all(t, Range(3, -3), stage.Limit{}))
	assert.Equal(t, []int{math.MaxInt - 1}, all(t, Range(math.MaxInt-1, math.MaxInt), stage.Limit{}))
	p := open(t, Range(math.MinInt, math.MaxInt))
	var c stage.Chunk[int]
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 2}))
	assert.Equal(t, []int{math.MinInt, math.MinInt + 1}, c.Items)
	n, known := p.(stage.Sized).Remaining()
	assert.True(t, known)
	assert.Equal(t, int64(math.MaxInt64), n)
}

func TestMemorySourcesKnowTheirLength(t *testing.T) {
	for _, s := range []stage.Stream[int]{Of(1, 2, 3, 4, 5), Slice([]int{1, 2, 3, 4, 5}), Range(1, 6)} {
		p := open(t, s)
		var c stage.Chunk[int]
		for _, left := range []int64{5, 3, 1, 0} {
			n, known := p.(stage.Sized).Remaining()
			assert.True(t, known)
			assert.Equal(t, left, n)
			_ = p.Pull(t.Context(), &c, stage.Limit{Items: 2})
		}
	}
}

func TestMemorySourcesRunAgain(t *testing.T) {
	s := Range(0, 5)
	assert.Equal(t, all(t, s, stage.Limit{Items: 2}), all(t, s, stage.Limit{}))
}

func TestPositions(t *testing.T) {
	r := read(t, Range(10, 15), stage.Limit{Items: 2})
	for i, at := range r.places {
		assert.Equal(t, stage.Position{Record: int64(i)}, at)
	}
}
