package pool

import "sync/atomic"

// parkLock is a mutual exclusion lock whose waiters park on a channel: the pull
// lock of a call is held while a source's Pull runs, and in a testing/synctest
// bubble a goroutine that is blocked on a sync.Mutex would stop the fake clock.
// It also lets a waiter wait for something else at the same time.
//
// The three states are those of Ulrich Drepper's "Futexes Are Tricky" (2011).
type parkLock struct {
	state atomic.Uint32 // unlocked, locked, or locked with waiters
	turn  chan struct{} // a token for one waiter to try again
}

const (
	unlocked = iota
	locked
	contended
)

func newParkLock() parkLock { return parkLock{turn: make(chan struct{}, 1)} }

// tryLock takes the lock if it is free.
func (l *parkLock) tryLock() bool {
	return l.state.Load() == unlocked && l.state.CompareAndSwap(unlocked, locked)
}

// contend takes the lock if it is free, and otherwise makes sure that unlock
// sends a token to turn. A waiter calls it, receives from turn, and calls it
// again, until it reports true.
func (l *parkLock) contend() bool { return l.state.Swap(contended) == unlocked }

// unlock releases the lock and lets one waiter try.
func (l *parkLock) unlock() {
	if l.state.Swap(unlocked) == contended {
		select {
		case l.turn <- struct{}{}:
		default: // a token is there already
		}
	}
}
