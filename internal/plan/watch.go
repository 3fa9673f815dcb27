package plan

import (
	"sync"
	"sync/atomic"
)

// Doing is what a task is at.
type Doing uint8

// What tasks do.
const (
	Idle           Doing = iota
	Running              // the user's function
	AwaitingInput        // another worker is pulling
	AwaitingCredit       // the budget is used up
	AwaitingSlot         // other calls have the workers
	Opening
	Writing
	Checkpointing
	Closing
)

// Place says which item a task is at: its index among those that entered the
// stage, or -1, and where it came from.
type Place struct {
	Index          int64
	Key            string
	Part           int32
	Offset, Record int64
}

// Watch is what the stall detector of a run looks at. A run without a detector
// has none, and no node notes anything.
type Watch struct {
	mu     sync.Mutex
	probes []*Probe
}

// Probe returns the probe of a node that is being opened.
func (w *Watch) Probe(n *Node) *Probe {
	p := &Probe{Node: n}
	w.mu.Lock()
	w.probes = append(w.probes, p)
	w.mu.Unlock()
	return p
}

// Probes returns the probes so far.
func (w *Watch) Probes() []*Probe {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*Probe(nil), w.probes...)
}

// Probe is where an opened node notes what it does.
type Probe struct {
	Node  *Node
	Pulls atomic.Int32 // calls of its Pull that have not returned
	Moves atomic.Int64 // chunks that it handed on

	mu    sync.Mutex
	tasks []*Task
}

// Task returns a new task of the node, or nil if the run is not watched.
func (p *Probe) Task() *Task {
	if p == nil {
		return nil
	}
	t := &Task{}
	p.mu.Lock()
	p.tasks = append(p.tasks, t)
	p.mu.Unlock()
	return t
}

// Tasks returns the tasks so far.
func (p *Probe) Tasks() []*Task {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Task(nil), p.tasks...)
}

// Task is where one goroutine of a node notes what it does. The methods that note
// do nothing on a nil task.
type Task struct {
	mu    sync.Mutex
	doing Doing
	steps uint64 // how often doing or the place changed
	moves int64  // steps that were work done
	place Place
}

// Begin notes what the task begins to do, and with which item.
func (t *Task) Begin(doing Doing, at Place) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.doing, t.place = doing, at
	t.steps++
	t.mu.Unlock()
}

// Await notes that the task waits.
func (t *Task) Await(doing Doing) { t.Begin(doing, Place{Index: -1}) }

// Done notes that what the task had begun is done. That counts as progress.
func (t *Task) Done() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.doing = Idle
	t.steps++
	t.moves++
	t.mu.Unlock()
}

// Look returns what the task is at, and how often that changed and work was done.
func (t *Task) Look() (doing Doing, at Place, steps uint64, moves int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.doing, t.place, t.steps, t.moves
}
