package blocks

import (
	"math/bits"
	"sync"
)

// Sizes of memory that is kept: powers of two from minRead to maxFree.
const (
	minRead  = 16 << 10 // the least size of a read buffer, and of a read into a record that fills it
	maxFree  = 1 << 20
	perClass = 8 // how many of each size
)

var (
	lowest  = bits.Len(minRead)              //nolint:gochecknoglobals // a constant
	classes = bits.Len(maxFree) - lowest + 1 //nolint:gochecknoglobals // a constant
)

// Memory hands out memory for blocks, that of blocks that were given back
// first. Its zero value is ready; it may be used by many goroutines at once.
type Memory struct {
	mu   sync.Mutex
	free [][][]byte // by size
}

// Free gives a block's memory back. Nobody may use it any more.
func (m *Memory) Free(block []byte) {
	block = block[:cap(block)]
	if len(block) < minRead || len(block) > maxFree {
		return
	}
	class := bits.Len(uint(len(block))) - lowest
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.free == nil {
		m.free = make([][][]byte, classes)
	}
	if len(m.free[class]) < perClass {
		m.free[class] = append(m.free[class], block)
	}
}

// get returns memory of size bytes, and perhaps more capacity.
func (m *Memory) get(size int) []byte {
	if size < minRead || size > maxFree {
		return make([]byte, size)
	}
	class := bits.Len(uint(size-1)) - lowest + 1
	if b := m.take(class); b != nil {
		return b[:size]
	}
	return make([]byte, size, minRead<<class)
}

// take returns memory of a class that was given back, or nil.
func (m *Memory) take(class int) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.free == nil || len(m.free[class]) == 0 {
		return nil
	}
	last := len(m.free[class]) - 1
	b := m.free[class][last]
	m.free[class][last] = nil
	m.free[class] = m.free[class][:last]
	return b
}

// clone copies b into memory of its own.
func (m *Memory) clone(b []byte) []byte {
	c := m.get(len(b))
	copy(c, b)
	return c
}
