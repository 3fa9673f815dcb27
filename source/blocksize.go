package source

import (
	"math/bits"

	"github.com/penstock-go/penstock/stage"
)

const (
	defaultBlockSize = 64 << 10
	maxBlockSize     = 256 << 10 // of the automatic one
)

// steady is after how many wishes for less the automatic size is halved.
const steady = 4

// blockSize chooses how large the next block should be.
type blockSize struct {
	fixed int // 0: automatic
	last  int // the last automatic size
	less  int // how often in a row less was asked for
}

// of is how many bytes the next block should have, and how many records at most
// (0: any number).
func (s *blockSize) of(limit stage.Limit) (want, records int) {
	switch {
	case limit.Bytes <= 0:
		if s.fixed > 0 {
			return s.fixed, limit.Items
		}
		return defaultBlockSize, limit.Items
	case s.fixed > 0:
		return s.fixed, 0
	}
	// A pool's wish jumps whenever the system stops a worker for a while. Powers of
	// two that change in steps keep the blocks' memory in use.
	want = 1 << (bits.Len64(uint64(min(limit.Bytes, maxBlockSize))) - 1)
	if s.less++; want >= s.last {
		s.last, s.less = want, 0
	} else if s.less >= steady {
		s.last, s.less = max(want, s.last/2), 0
	}
	return s.last, 0
}
