package stage

import "sync/atomic"

// Block is a run of encoded items: what pool.Encode makes of a chunk, and what
// sinks of bytes write.
type Block struct {
	Bytes []byte // whole records
	Items int    // how many items they are
	// Format tells of the file that the records are part of; nil if there is
	// nothing to tell.
	Format Format
	// Free, if it is not nil, takes the memory of Bytes back for another block.
	Free func([]byte)
}

// Release gives the block's memory back to whoever lends it. A holder that is done
// with a block may call it, once; the bytes must not be used afterwards. A block
// that is not released is the garbage collector's.
func (b *Block) Release() {
	if b.Free != nil {
		b.Free(b.Bytes)
	}
	*b = Block{}
}

// Share returns the block for so many holders, each of which has a copy of it: the
// memory is given back when all of them have released theirs. A block is shared, or
// copied for a second holder, before anybody releases it.
func (b *Block) Share(holders int) Block {
	if b.Free == nil || holders < 2 {
		return *b
	}
	free, left := b.Free, &atomic.Int64{}
	left.Store(int64(holders))
	shared := *b
	shared.Free = func(bytes []byte) {
		if left.Add(-1) == 0 {
			free(bytes)
		}
	}
	return shared
}

// Format is implemented by encoders whose files are more than their records, or
// can be cut between them. Its methods may be called by many goroutines at once.
type Format interface {
	// Header is what each file begins with, in front of the first record. It must
	// not be changed.
	Header() []byte
	// Cut returns where b, which begins with a record, can be cut: the end of a
	// record, at n or as soon after it as there is one. n is positive and at most
	// len(b).
	Cut(b []byte, n int) int
}
