package cancelmatrix

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
)

// moment is where a run may be ended.
type moment int

const (
	atPull moment = iota
	atCall
	atWrite
	atPrepare
	atSave
	atCommit
	moments
)

func (m moment) String() string {
	return [...]string{"pull", "call", "write", "Prepare", "Save", "Commit"}[m]
}

// way is how a run is ended.
type way int

const (
	cancelled way = iota // its context ends
	stopped              // it is told to stop, with all the time that it needs
	hurried              // it is told to stop, with no time
	ways
)

func (w way) String() string { return [...]string{"cancelled", "stopped", "hurried"}[w] }

// errCause is why the run ends.
var errCause = errors.New("the cause")

// fault ends a run at its k-th moment of a kind.
type fault struct {
	at  moment
	k   int64 // from 1; 0: never
	way way
	// yields: whoever has ended the run waits for its own context to end, and fails
	// with that, instead of doing what it was to do.
	yields bool
	// late: it does that after it has done what it was to do. A save only.
	late bool
	bare bool // it fails with context.Canceled rather than with the cause

	end  context.CancelCauseFunc
	seen [moments]atomic.Int64
	hits atomic.Int64
}

func (f *fault) String() string {
	return fmt.Sprintf("%v at %v %d, yields %t, late %t, bare %t", f.way, f.at, f.k, f.yields, f.late, f.bare)
}

// newFault draws what else happens at a moment.
func newFault(chance *rand.Rand, at moment, k int64, all bool) *fault {
	f := &fault{at: at, k: k, bare: chance.IntN(2) == 0, late: at == atSave && chance.IntN(2) == 0}
	if !all {
		return f // a range has no shutdown
	}
	f.way = way(chance.IntN(int(ways)))
	f.yields = chance.IntN(2) == 0 && (f.way != stopped || at == atPull) // nobody else's context ends then
	return f
}

// reached counts a moment, and ends the run if it is the one.
func (f *fault) reached(m moment) bool {
	n := f.seen[m].Add(1)
	if m != f.at || n != f.k {
		return false
	}
	f.hits.Add(1)
	f.end(errCause)
	return true
}

// pass counts a moment at which there is a context, and returns an error if what was
// to happen is given up.
func (f *fault) pass(ctx context.Context, m moment) error {
	if !f.reached(m) || !f.yields || ctx.Done() == nil { // what ends a run must be done
		return nil
	}
	<-ctx.Done()
	if f.bare {
		return fmt.Errorf("given up: %w", ctx.Err())
	}
	return context.Cause(ctx)
}
