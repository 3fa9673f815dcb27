// Package plan holds what package stage and the packages that build stages on
// it share and users do not see: the nodes of a plan, the counters of a run,
// and the hook by which a wait inside a task lends the task's worker slot.
//
// It knows nothing of item types and imports nothing of ours.
package plan

import (
	"context"
	"sync"
	"time"
)

// Kind says where a node's work runs.
type Kind uint8

// The kinds of node.
const (
	Source  Kind = iota // produces items
	Serial              // a loop in whoever pulls
	Workers             // in the goroutines of a pool
)

// Node is one operator of a plan. Nodes are immutable once built.
type Node struct {
	Op     string // the operator: "Map", "Imap", "Lines"
	Name   string // the user's name for it, or ""
	Kind   Kind
	Detail string // what else Describe says, such as "4 workers, ordered"
	Inputs []*Node
	// Keeps says that the operator has a state that a checkpoint must hold.
	Keeps bool
	// Foreign says that the operator is a third party's, of which only its puller
	// knows whether it has one.
	Foreign bool
	// Mixes says that the operator does not keep the order.
	Mixes bool
	// Ahead says that the inputs are pulled by goroutines of their own, ahead of
	// whoever pulls the node.
	Ahead bool
	// Split is what the node is a branch of, and Branch which one, from 0. Inputs are
	// those of the split then.
	Split  *Split
	Branch int
}

// Split is a stage with several outputs, each a node of its own: its branches.
type Split struct {
	Branches int
	Start    func() Splitting // makes what the branches share in a run
}

// Splitting is what the branches of a split share in a run.
type Splitting interface {
	// Bind says with which context the split's input is to be opened.
	Bind(ctx context.Context)
	// Skip says that a branch will not be opened any more, if it has not been. Its
	// error is of closing the input.
	Skip(branch int) error
}

// SplitKey is the context key of the Splitting of a split.
type SplitKey struct{ Split *Split }

// Label is the name that errors and counters carry.
func (n *Node) Label() string {
	if n.Name != "" {
		return n.Name
	}
	return n.Op
}

// Meter counts what one opened node did. Its fields are owned by whoever pulls
// the node and may be read when the node is closed: in + expanded =
// out + filtered + failed + merged + abandoned.
type Meter struct {
	Node  *Node
	Probe *Probe // nil: nobody watches the run

	In, Out             int64 // items
	ChunksIn, ChunksOut int64
	Filtered            int64 // items dropped on purpose
	Failed              int64 // items that became errors here
	Expanded            int64 // items more than came in
	Merged              int64 // items less than came in, because several became one
	Abandoned           int64 // items taken in and not handed on when the run stopped early
	Caught              int64 // failed items, of stages before, that were let go
	Late                int64 // of those filtered or failed, items whose windows were gone

	PeakInFlight int64         // items
	ChunkSize    int64         // items a chunk that a pool asked for at the end; 0 for other nodes
	CreditWait   time.Duration // workers parked: the budget was used up by work not done yet
	PullWait     time.Duration // workers parked for the pull lock
	ConsumerWait time.Duration // workers parked: finished results waited for the consumer

	BranchWait []time.Duration // a branch parked: the other branches, by number, had no room
}

// Settle counts as abandoned whatever went in and is not accounted for. An
// operator without a read-ahead of its own calls it when it is closed.
func (m *Meter) Settle() {
	if left := m.In + m.Expanded - m.Out - m.Filtered - m.Failed - m.Merged; left > 0 {
		m.Abandoned += left
	}
}

// Registry collects the meters of one run in the order in which their nodes
// were opened.
type Registry struct {
	// Checkpoint is what a run with a checkpoint shares with the nodes that are
	// opened; nil in others. It is package stage's.
	Checkpoint any
	// Stop, if there is one, ends when the sources are not to be pulled any more.
	Stop context.Context //nolint:containedctx // it is no call's

	// Watch is what the stall detector looks at, or nil.
	Watch *Watch

	mu     sync.Mutex
	meters []*Meter
}

// Meters returns the meters so far, in the order in which their nodes were
// opened: a node before its inputs.
func (r *Registry) Meters() []*Meter {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*Meter(nil), r.meters...)
}

type registryKey struct{}

// WithRegistry returns a context in which opened nodes report to r. A nil r
// hides the registry of an outer run.
func WithRegistry(ctx context.Context, r *Registry) context.Context {
	return context.WithValue(ctx, registryKey{}, r)
}

// WithRegistryOf returns ctx with the registry that from carries.
func WithRegistryOf(ctx, from context.Context) context.Context {
	r, _ := from.Value(registryKey{}).(*Registry)
	if r == nil {
		return ctx
	}
	return WithRegistry(ctx, r)
}

type checkpointKey struct{}

// WithCheckpoint returns a context that says that the run has a checkpoint, for a
// sink that is opened.
func WithCheckpoint(ctx context.Context) context.Context {
	return context.WithValue(ctx, checkpointKey{}, true)
}

// HasCheckpoint reports whether ctx says so.
func HasCheckpoint(ctx context.Context) bool { return ctx.Value(checkpointKey{}) != nil }

// RegistryOf returns the registry that ctx carries, or nil.
func RegistryOf(ctx context.Context) *Registry {
	r, _ := ctx.Value(registryKey{}).(*Registry)
	return r
}

// NewMeter returns the meter of a node that is being opened and registers it
// with the run that ctx belongs to, if there is one.
func NewMeter(ctx context.Context, n *Node) *Meter {
	m := &Meter{Node: n}
	if r, _ := ctx.Value(registryKey{}).(*Registry); r != nil {
		if r.Watch != nil {
			m.Probe = r.Watch.Probe(n)
		}
		r.mu.Lock()
		r.meters = append(r.meters, m)
		r.mu.Unlock()
	}
	return m
}

// HidesRegistry reports whether key is the one under which a context carries
// its registry. A context for user functions answers it with nil, so that the
// streams they run do not count as part of the outer run.
func HidesRegistry(key any) bool {
	_, ok := key.(registryKey)
	return ok
}

// Lender is a task's claim on a worker slot. Lend gives the slot up while the
// task waits for something and returns the function that takes it back; that
// function returns when the task has a slot again.
type Lender interface {
	// Lend gives the slot up until takeBack is called.
	Lend() (takeBack func())
}

// LenderKey is the context key under which a task's context carries its
// Lender.
type LenderKey struct{}

// Lend lends the slot of the task that ctx belongs to, if it belongs to one,
// and returns the function that ends the loan. Whatever may park inside a task
// calls it before it parks.
func Lend(ctx context.Context) (takeBack func()) {
	if l, _ := ctx.Value(LenderKey{}).(Lender); l != nil {
		return l.Lend()
	}
	return func() {}
}

// Pause waits, and lends the slot of the task that ctx belongs to meanwhile. Its error
// is the cause of the context.
func Pause(ctx context.Context, wait time.Duration) error {
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		defer Lend(ctx)()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
