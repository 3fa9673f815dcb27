package pool

import (
	"sync/atomic"
	"time"
)

const (
	// chunkTime is how long a chunk should take: long enough to make the costs
	// per chunk vanish, short enough that results do not wait long for their
	// siblings.
	chunkTime = 300 * time.Microsecond
	// maxChunk bounds the automatic chunk in items, maxChunkBytes in bytes.
	maxChunk      = 1024
	maxChunkBytes = 1 << 20
	// maxBlock bounds the automatic chunk of a source of blocks, in items; the
	// block is bounded by maxChunkBytes. Four of two workers fill the default budget.
	maxBlock = 2 << 10
	// blockSizing is the chunk from which on a source of blocks is asked for
	// bytes rather than for items.
	blockSizing = 32
)

// sizer chooses how many items the next chunk has. A fixed size stays; the
// automatic one starts at 1, at most doubles after a full chunk that was quick,
// and falls to what fits chunkTime after one that was slow.
type sizer struct {
	auto bool
	max  int64
	size atomic.Int64
}

func (s *sizer) init(fixed, limit int) {
	s.auto = fixed == 0
	s.max = int64(max(1, limit))
	s.size.Store(1)
	if !s.auto {
		s.size.Store(int64(max(1, min(fixed, limit))))
	}
}

// timed says whether the chunk with this ticket is worth two readings of the
// clock: every large one, and a sample of the small ones.
func (s *sizer) timed(ticket uint64, size int) bool {
	return s.auto && (size >= 16 || ticket&7 == 0)
}

// observe takes the times of a chunk that was asked for with size items and
// came with n, and reports whether the size changed. A slow pull counts as much
// as a slow function, if the chunk came full: a source that fills what it is
// asked for must not be asked for more than it has in good time.
func (s *sizer) observe(size, n int, pull, run time.Duration) bool {
	return s.adapt(size, n, n >= size, pull, run)
}

// observeBlock is observe for a source of blocks, which is asked for bytes: the
// items come out a little more, or fewer: a source may round the bytes down to half. How long the pull took does not count: it
// takes what is there, and one that fills a read buffer is slow now and then.
func (s *sizer) observeBlock(size, n int, run time.Duration) bool {
	return s.adapt(size, n, 2*n > size, 0, run)
}

func (s *sizer) adapt(size, n int, full bool, pull, run time.Duration) bool {
	if n == 0 {
		return false
	}
	took := run
	if full {
		took = max(pull, run)
	}
	per := max(1, int64(took)/int64(n))
	fit := max(1, min(int64(chunkTime)/per, s.max))
	now := s.size.Load()
	switch {
	case fit > now && full && now <= int64(size):
		return s.size.CompareAndSwap(now, min(fit, 2*now))
	case fit < now && took > chunkTime:
		return s.size.CompareAndSwap(now, fit)
	}
	return false
}
