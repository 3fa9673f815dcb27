package pool

import "sync/atomic"

// parkLock is a mutual exclusion lock whose waiters park on a channel: the pull
// lock of a call is held while a source's Pull runs, and in a testing/synctest
// bubble a goroutine that is blocked on a sync.Mutex would stop the fake clock.
// It also lets a waiter wait for something else at the same time, and tells who
// holds it.
//
// Unlocked, locked, locked with waiters: the three states are those of Ulrich
// Drepper's "Futexes Are Tricky" (2011).
type parkLock struct {
	state atomic.Uint32 // 0, or twice the holder's number, plus 1 if somebody waits
	turn  chan struct{} // a token for one waiter to try again
}

func newParkLock() parkLock { return parkLock{turn: make(chan struct{}, 1)} }

// tryLock takes the lock for holder, a number from 1, if it is free.
func (l *parkLock) tryLock(holder uint32) bool {
	return l.state.Load() == 0 && l.state.CompareAndSwap(0, 2*holder)
}

// contend takes the lock if it is free, and otherwise makes sure that unlock
// sends a token to turn. A waiter calls it, receives from turn, and calls it
// again, until it reports true.
func (l *parkLock) contend(holder uint32) bool {
	if l.state.Or(1) != 0 {
		return false
	}
	l.state.Store(2*holder + 1) // there may be more waiters
	return true
}

// heldBy reports whether holder has the lock.
func (l *parkLock) heldBy(holder uint32) bool { return l.state.Load()>>1 == holder }

// unlock releases the lock and lets one waiter try.
func (l *parkLock) unlock() {
	if l.state.Swap(0)&1 != 0 {
		select {
		case l.turn <- struct{}{}:
		default: // a token is there already
		}
	}
}
