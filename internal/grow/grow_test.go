package grow

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBy(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := rapid.SliceOf(rapid.Int()).Draw(r, "s")
		n, most := rapid.IntRange(0, 100).Draw(r, "n"), rapid.IntRange(0, 100).Draw(r, "most")
		if rapid.Bool().Draw(r, "boundless") {
			most = math.MaxInt
		}
		grown := By(s, n, most)
		require.Equal(r, s, grown)
		require.GreaterOrEqual(r, cap(grown)-len(s), n)
		require.LessOrEqual(r, cap(grown), max(most, len(s)+n, cap(s)))
		if n > cap(s)-len(s) && most == math.MaxInt {
			require.GreaterOrEqual(r, cap(grown), 2*cap(s))
		}
		for _, v := range grown[len(s):cap(grown)][:max(0, cap(grown)-cap(s))] {
			require.Zero(r, v)
		}
	})
	assert.Nil(t, By([]int(nil), 0, 0))
}
