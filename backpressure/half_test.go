package backpressure

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHalfUsed(t *testing.T) {
	for _, limit := range []Cost{{Items: 10}, {Chunks: 10}, {Items: 10, Chunks: 10}} {
		g := New(limit)
		one := Cost{Items: 1, Chunks: 1}
		for used := 1; used <= 10; used++ {
			require.True(t, g.TryAcquire(one))
			require.Equal(t, used >= 5, g.HalfUsed(), "%d of %+v", used, limit)
		}
		g.SetLimit(Cost{Items: 100, Chunks: 100})
		require.False(t, g.HalfUsed())
	}
	g := New(Cost{})
	require.True(t, g.TryAcquire(Cost{Items: 1 << 20, Chunks: 1 << 20}))
	require.False(t, g.HalfUsed(), "it has no bound")
}
