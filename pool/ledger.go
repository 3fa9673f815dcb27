package pool

// ledger finds the index of a chunk's first item when the number of items of
// the chunks before it is known only once they are filled, in any order.
type ledger struct {
	next    uint64
	base    int64
	counts  map[uint64]int   // filled, behind one that is not
	bases   map[uint64]int64 // known, and somebody may ask
	dropped map[uint64]bool  // nobody will ask
}

// set says how many items a chunk has.
func (l *ledger) set(ticket uint64, n int) {
	if l.counts == nil {
		l.counts, l.bases, l.dropped = map[uint64]int{}, map[uint64]int64{}, map[uint64]bool{}
	}
	l.counts[ticket] = n
	for {
		n, ok := l.counts[l.next]
		if !ok {
			return
		}
		delete(l.counts, l.next)
		if l.dropped[l.next] {
			delete(l.dropped, l.next)
		} else {
			l.bases[l.next] = l.base
		}
		l.base += int64(n)
		l.next++
	}
}

// drop says that nobody will ask for a chunk's base.
func (l *ledger) drop(ticket uint64) {
	if _, known := l.bases[ticket]; known {
		delete(l.bases, ticket)
	} else {
		l.dropped[ticket] = true
	}
}

// take returns the base of a chunk, if it is known.
func (l *ledger) take(ticket uint64) (base int64, known bool) {
	base, known = l.bases[ticket]
	return base, known
}
