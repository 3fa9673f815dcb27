package spill

import "unsafe"

const slabSize = 256 << 10

// Arena holds bytes that are let go all at once. The zero Arena is empty.
type Arena struct {
	slabs [][]byte // of slabSize each, full up to the one at hand
	at    int      // the slab at hand
	used  int      // of it
	large int      // bytes of what was too large for a slab
}

// Bytes is a copy of b in the arena.
func (a *Arena) Bytes(b []byte) []byte {
	to := a.take(len(b))
	copy(to, b)
	return to
}

// String is a copy of s in the arena.
func (a *Arena) String(s string) string {
	if s == "" {
		return ""
	}
	to := a.take(len(s))
	copy(to, s)
	return unsafe.String(unsafe.SliceData(to), len(to))
}

func (a *Arena) take(n int) []byte {
	if n > slabSize/4 {
		a.large += n
		return make([]byte, n)
	}
	if len(a.slabs) == 0 || a.used+n > slabSize {
		if len(a.slabs) > 0 {
			a.at++
		}
		if a.at == len(a.slabs) {
			a.slabs = append(a.slabs, make([]byte, slabSize))
		}
		a.used = 0
	}
	b := a.slabs[a.at][a.used : a.used+n : a.used+n]
	a.used += n
	return b
}

// Held is how many bytes have been taken.
func (a *Arena) Held() int { return a.at*slabSize + a.used + a.large }

// Reset lets go of all that was taken, to use the memory again. Nobody may hold any
// of it.
func (a *Arena) Reset() { a.at, a.used, a.large = 0, 0, 0 }
