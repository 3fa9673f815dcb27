package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A block holds a little more or less than it was asked for; that must not keep
// the chunks of a source of blocks small.
func TestChunksOfBlocksGrow(t *testing.T) {
	const size = 64
	quick := size * time.Microsecond
	for _, c := range []struct {
		name string
		n    int
		run  time.Duration
		want int64
	}{
		{"exactly", size, quick, 2 * size},
		{"a few records short", size - 3, quick, 2 * size},
		{"more than was asked for", size + 9, quick, 2 * size},
		{"as few as a source at its end has", size / 2, quick, size},
		{"slow", size - 3, 10 * quick, 28}, // what fits into chunkTime
		{"nothing", 0, quick, size},
	} {
		var s sizer
		s.init(0, 1024)
		s.size.Store(size)
		changed := s.observeBlock(size, c.n, c.run)
		assert.Equal(t, c.want, s.size.Load(), c.name)
		assert.Equal(t, c.want != size, changed, c.name)
	}
}
