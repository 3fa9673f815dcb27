package stage

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/penstock-go/penstock/internal/plan"
)

// Doing is what a stage is at, in words.
type Doing string

// What a stage may be at.
const (
	Idle             Doing = "idle"                  // nobody pulls it and it does nothing
	RunningFunction  Doing = "running"               // a function of its own, most often the user's
	WaitingForData   Doing = "waiting for data"      // a source
	WaitingForInput  Doing = "waiting for its input" // any other stage
	WaitingForCredit Doing = "waiting for credit"    // a pool whose budget is used up by what was not yet pulled from it
	WaitingForWorker Doing = "waiting for a worker"  // a pool whose workers other streams have
	WaitingForTurn   Doing = "waiting for its turn"  // a pool whose results wait for an earlier one
	OpeningRun       Doing = "opening"               // the stream, the sink or the checkpoint
	Writing          Doing = "writing"               // a sink
	Checkpointing    Doing = "checkpointing"         // a sink and the store
	Closing          Doing = "closing"               // a sink
)

// Activity is what a stage of a run that stalled is at.
type Activity struct {
	Stage string // its name, as in errors; "sink" for the sink
	Op    string // its operator, such as "Imap"; of a sink what it calls itself
	Doing Doing
	// Since is for how long, as far as the detector saw: it looks four times in the
	// time of StallAfter.
	Since time.Duration
	// Running is how many of its functions run.
	Running int
	// Index is the item that has been running, or being written, for longest: which
	// of those that entered the stage, from 0; of a sink, of those written in this
	// run. It is -1 if there is none or nobody knows.
	Index int64
	// At is where that item came from, as exactly as ItemError.At would say it.
	At Position
}

// String says what the stage is at, in a few words.
func (s Activity) String() string {
	var b strings.Builder
	b.WriteString(s.name())
	b.WriteString(": ")
	if s.Index >= 0 {
		fmt.Fprintf(&b, "item %d, ", s.Index)
	}
	if s.At.Key != "" {
		fmt.Fprintf(&b, "%s record %d, byte %d, ", s.At.Key, s.At.Record+1, s.At.Offset)
	}
	fmt.Fprintf(&b, "%s for %v", s.Doing, s.Since)
	return b.String()
}

func (s Activity) name() string {
	if s.Op == "" || s.Op == s.Stage {
		return s.Stage
	}
	return s.Stage + " (" + s.Op + ")"
}

// Stall tells of a run in which nothing moves.
type Stall struct {
	For time.Duration // how long nothing has moved
	// Stages are the stages of the run, from the sources on, and the sink last.
	Stages []Activity
	// Chain is who waits for whom, from the sink to the culprit.
	Chain []Activity
}

// Culprit is the stage that the sink waits for, directly or through others.
func (s Stall) Culprit() Activity {
	if len(s.Chain) == 0 {
		return Activity{Index: -1}
	}
	return s.Chain[len(s.Chain)-1]
}

// String says who waits for whom: "sink waits for parse (Imap): item 4711,
// access.log record 17, byte 123456, running for 30s".
func (s Stall) String() string {
	var b strings.Builder
	for i, st := range s.Chain {
		if i < len(s.Chain)-1 {
			b.WriteString(st.name() + " waits for ")
		} else {
			b.WriteString(st.String())
		}
	}
	return b.String()
}

// StallAfter watches the run: when nothing has moved in it for d, it says so once
// to the logger of WithLogger and to report, which may be nil; and again when it
// stalls again after something moved. A stall is noticed within a quarter of d more.
//
// Something has moved when a stage handed on a chunk, a function was done with an
// item, or a write or a step of a checkpoint ended. A slow pipeline that moves is no
// stall. A source without data is reported too, as waiting for data, so that a live
// source needs a d longer than its pauses. Nothing is ended: whoever wants that ends
// the run's context in report. Of a stage that keeps the order and has one item
// running while others wait behind it, that item is named.
//
// report is called by a goroutine of the detector; the run goes on meanwhile and is
// not watched, and Run waits for it before it returns. A panic in report is logged
// and no more.
//
// The run's stages note each item that they begin then, which costs each function
// that is called about 50 ns; without the option nothing is noted.
//
// StallAfter panics if d is not positive.
func StallAfter(d time.Duration, report func(Stall)) RunOption {
	if d <= 0 {
		panic(fmt.Sprintf("penstock: stage.StallAfter: d is %v, want more than 0", d))
	}
	return runOption(func(c *runConfig) { c.stallAfter, c.report = d, report })
}

// leastLook is how often at most the detector looks.
const leastLook = time.Millisecond

// detect starts the detector, if there is to be one, and returns what ends it.
func (c *runConfig) detect(r *plan.Registry, log runLog, top *plan.Node, sink string, task **plan.Task) (end func()) {
	if c.stallAfter == 0 {
		return func() {}
	}
	r.Watch = &plan.Watch{}
	out := r.Watch.Probe(&plan.Node{Op: sink, Name: "sink"})
	*task = out.Task()
	d := &detector{
		watch: r.Watch, top: top, sink: out, after: c.stallAfter, report: c.report, log: log.log,
		tasks: map[*plan.Task]seen{}, pulls: map[*plan.Probe]seen{},
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { d.run(done) })
	return func() {
		close(done)
		wg.Wait()
	}
}

// seen is a count, and when the detector first saw it.
type seen struct {
	count uint64
	at    time.Time
}

// detector looks at a run from time to time.
type detector struct {
	watch  *plan.Watch
	top    *plan.Node
	sink   *plan.Probe
	after  time.Duration
	report func(Stall)
	log    *zap.Logger

	tasks map[*plan.Task]seen
	pulls map[*plan.Probe]seen
}

func (d *detector) run(done <-chan struct{}) {
	ticker := time.NewTicker(max(d.after/4, leastLook))
	defer ticker.Stop()
	last := seen{at: time.Now()}
	told := false
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		now := time.Now()
		switch moves := d.look(now); {
		case moves != last.count:
			last, told = seen{moves, now}, false
		case !told && now.Sub(last.at) >= d.after:
			told = true
			var telling sync.WaitGroup // report may end its goroutine
			telling.Go(func() { d.tell(now.Sub(last.at), now) })
			telling.Wait()
		}
	}
}

// look counts what has moved, and notes since when each task is where it is.
func (d *detector) look(now time.Time) (moves uint64) {
	for _, p := range d.watch.Probes() {
		handed := uint64(p.Moves.Load())
		moves += handed
		if s, ok := d.pulls[p]; !ok || s.count != handed {
			d.pulls[p] = seen{handed, now}
		}
		for _, t := range p.Tasks() {
			_, _, steps, work := t.Look()
			moves += uint64(work)
			if s, ok := d.tasks[t]; !ok || s.count != steps {
				d.tasks[t] = seen{steps, now}
			}
		}
	}
	return moves
}

// tell logs and reports the stall.
func (d *detector) tell(since time.Duration, now time.Time) {
	stall := d.describe(since, now)
	if d.log != nil {
		states := make([]string, len(stall.Stages))
		for i, s := range stall.Stages {
			states[i] = s.String()
		}
		d.log.Warn("run stalled", zap.Duration("for", since), zap.Stringer("waits", stall), zap.Strings("stages", states))
	}
	if d.report == nil {
		return
	}
	done := false
	defer func() {
		v := recover()
		if done || d.log == nil {
			return
		}
		if v == nil {
			v = ErrGoexit
		}
		d.log.Error("the report of a stall panicked", zap.Error(panicked(v)))
	}()
	d.report(stall)
	done = true
}

// describe says what each stage is at, and who waits for whom.
func (d *detector) describe(since time.Duration, now time.Time) Stall {
	probes := map[*plan.Node]*plan.Probe{}
	for _, p := range d.watch.Probes() {
		if old := probes[p.Node]; old == nil || p.Pulls.Load() > 0 { // of one node's several runs the one at work
			probes[p.Node] = p
		}
	}
	states := map[*plan.Node]Activity{}
	stall := Stall{For: since}
	var visit func(n *plan.Node)
	visit = func(n *plan.Node) {
		if _, ok := states[n]; ok {
			return
		}
		for _, in := range n.Inputs {
			visit(in)
		}
		states[n] = d.state(n, probes, now)
		stall.Stages = append(stall.Stages, states[n])
	}
	visit(d.top)
	sink := d.state(d.sink.Node, map[*plan.Node]*plan.Probe{d.sink.Node: d.sink}, now)
	if sink.Doing == Idle {
		sink.Doing = WaitingForInput
	}
	stall.Stages = append(stall.Stages, sink)
	stall.Chain = []Activity{sink}
	if sink.Doing != WaitingForInput && (sink.Doing != OpeningRun || states[d.top].Doing == Idle) {
		return stall
	}
	for n := d.top; n != nil; {
		stall.Chain = append(stall.Chain, states[n])
		n = waitsFor(n, states)
	}
	return stall
}

// waitsFor is which of its inputs a stage waits for, or nil.
func waitsFor(n *plan.Node, states map[*plan.Node]Activity) *plan.Node {
	if s := states[n]; s.Running > 0 || s.Doing == WaitingForWorker || s.Doing == RunningFunction {
		return nil
	}
	for _, in := range n.Inputs {
		if states[in].Doing != Idle {
			return in
		}
	}
	return nil
}

// state says what a stage is at.
func (d *detector) state(n *plan.Node, probes map[*plan.Node]*plan.Probe, now time.Time) Activity {
	s := Activity{Stage: n.Label(), Op: n.Op, Doing: Idle, Index: -1}
	p := probes[n]
	if p == nil {
		return s
	}
	pulled := p.Pulls.Load() > 0
	s.Since = now.Sub(d.pulls[p].at)
	waits := map[plan.Doing]time.Duration{}
	for _, t := range p.Tasks() {
		doing, at, _, _ := t.Look()
		since := now.Sub(cmp.Or(d.tasks[t].at, now))
		if doing == plan.Running {
			s.Running++
		}
		if words, busy := busyWith(doing); busy {
			if s.Doing == Idle || since > s.Since {
				s.Doing, s.Since, s.Index = words, since, at.Index
				s.At = Position{Part: at.Part, Offset: at.Offset, Record: at.Record, Key: at.Key}
			}
		} else {
			waits[doing] = max(waits[doing], since)
		}
	}
	if s.Doing != Idle {
		return s
	}
	below := false
	for _, in := range n.Inputs {
		if q := probes[in]; q != nil && q.Pulls.Load() > 0 {
			below = true
		}
	}
	slot, wantsSlot := waits[plan.AwaitingSlot]
	credit, wantsCredit := waits[plan.AwaitingCredit]
	switch {
	case wantsSlot:
		s.Doing, s.Since = WaitingForWorker, slot
	case below:
		s.Doing = WaitingForInput
	case wantsCredit && pulled:
		s.Doing, s.Since = WaitingForTurn, credit
	case wantsCredit:
		s.Doing, s.Since = WaitingForCredit, credit
	case pulled && n.Kind == plan.Source:
		s.Doing = WaitingForData
	case pulled:
		s.Doing = RunningFunction
	}
	return s
}

// busyWith is what a task is at, unless it waits.
func busyWith(d plan.Doing) (words Doing, busy bool) {
	switch d {
	case plan.Running:
		return RunningFunction, true
	case plan.Opening:
		return OpeningRun, true
	case plan.Writing:
		return Writing, true
	case plan.Checkpointing:
		return Checkpointing, true
	case plan.Closing:
		return Closing, true
	case plan.Idle, plan.AwaitingInput, plan.AwaitingCredit, plan.AwaitingSlot:
	}
	return Idle, false
}
