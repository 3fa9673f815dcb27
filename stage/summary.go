package stage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-go/penstock/internal/plan"
)

// Summary is what a run did. It is complete also when the run failed.
type Summary struct {
	Stages       []StageSummary // one per stage of the plan, inputs before what reads them
	Read         int64          // items that came out of the sources, failed ones included
	Written      int64          // items that the sink took
	Failed       int64          // items whose failure reached the run
	DeadLettered int64          // failed items that went to the dead-letter sink
	Enough       bool           // the sink wanted no more before the stream had ended: see ErrEnough
	Elapsed      time.Duration

	// Guarantee is what a run with a checkpoint promises of its sink: ExactlyOnce or
	// AtLeastOnce. Empty without a checkpoint.
	Guarantee string
	// Resumed says what the run went on from; nil if it began anew.
	Resumed *Resumed
}

// StageSummary is what one stage of a run did. Items add up:
// In + Expanded = Out + Filtered + Failed + Merged + Abandoned.
type StageSummary struct { //nolint:revive // "Summary" is the run's
	Name string // the user's name for it, or the operator's
	Op   string // the operator

	source bool

	In, Out             int64 // items
	ChunksIn, ChunksOut int64
	Filtered            int64 // items dropped on purpose
	Failed              int64 // items that failed in this stage
	Expanded            int64 // items more than came in
	Merged              int64 // items less than came in, because several became one
	Abandoned           int64 // items taken in and not handed on, because the run stopped early
	Caught              int64 // failed items of stages before that Catch let go: they are in none of the above
	Late                int64 // items whose windows were gone: they are among those filtered or, with FailLate, failed

	PeakInFlight int64         // items in flight at most
	ChunkSize    int64         // items a chunk that a pool asked for at the end: what the automatic size settled on
	CreditWait   time.Duration // workers waited for credit, all together
	PullWait     time.Duration // workers waited for the pull lock
	ConsumerWait time.Duration // finished results waited for the consumer

	// BranchWait is, of a branch of Tee or Partition, how long it waited for each
	// branch, by number, to make room; nil if it never did.
	BranchWait []time.Duration
}

// stagesOf makes the stages' summaries of a plan and the meters of its run. A
// stage that was not opened has zeros. Of a stage that occurs more than once in
// the plan, the runs are given to its places in the order in which they began.
func stagesOf(node *plan.Node, meters []*plan.Meter) []StageSummary {
	opened := map[*plan.Node][]*plan.Meter{}
	for _, m := range meters {
		opened[m.Node] = append(opened[m.Node], m)
	}
	var stages []StageSummary
	walk(node, func(n *plan.Node) {
		m := &plan.Meter{}
		if of := opened[n]; len(of) > 0 {
			m, opened[n] = of[0], of[1:]
		}
		stages = append(stages, StageSummary{
			Name: n.Label(), Op: n.Op, source: n.Kind == plan.Source,
			In: m.In, Out: m.Out, ChunksIn: m.ChunksIn, ChunksOut: m.ChunksOut,
			Filtered: m.Filtered, Failed: m.Failed, Expanded: m.Expanded, Merged: m.Merged, Abandoned: m.Abandoned,
			Caught: m.Caught, Late: m.Late,
			PeakInFlight: m.PeakInFlight, ChunkSize: m.ChunkSize,
			CreditWait: m.CreditWait, PullWait: m.PullWait, ConsumerWait: m.ConsumerWait, BranchWait: m.BranchWait,
		})
	})
	return stages
}

// walk visits the nodes of a plan, inputs before what reads them. What branches of
// one split share is visited once.
func walk(n *plan.Node, visit func(*plan.Node)) { walkOn(n, map[*plan.Split]bool{}, visit) }

func walkOn(n *plan.Node, seen map[*plan.Split]bool, visit func(*plan.Node)) {
	if n.Split == nil || !seen[n.Split] {
		if n.Split != nil {
			seen[n.Split] = true
		}
		for _, in := range n.Inputs {
			walkOn(in, seen, visit)
		}
	}
	visit(n)
}

// String returns the summary as an aligned table, one line per stage, and a line
// of totals. Columns in which nothing happened are left out.
func (s Summary) String() string {
	table := make([][]string, 1+len(s.Stages))
	table[0] = []string{"stage"}
	for i, st := range s.Stages {
		name := st.Name
		if st.Op != st.Name {
			name += " (" + st.Op + ")"
		}
		table[1+i] = []string{name}
	}
	for _, col := range summaryColumns {
		happened := func(st StageSummary) bool {
			_, zero := col.value(&st)
			return !zero
		}
		if !col.always && !slices.ContainsFunc(s.Stages, happened) {
			continue
		}
		table[0] = append(table[0], col.head)
		for i := range s.Stages {
			v, _ := col.value(&s.Stages[i])
			table[1+i] = append(table[1+i], v)
		}
	}
	var b strings.Builder
	writeTable(&b, table)
	fmt.Fprintf(&b, "read %d, written %d", s.Read, s.Written)
	if s.Failed > 0 {
		fmt.Fprintf(&b, ", failed %d", s.Failed)
	}
	if s.DeadLettered > 0 {
		fmt.Fprintf(&b, ", dead-lettered %d", s.DeadLettered)
	}
	fmt.Fprintf(&b, " in %v\n", round(s.Elapsed))
	return b.String()
}

type summaryColumn struct {
	head   string
	always bool
	value  func(*StageSummary) (text string, zero bool)
}

//nolint:gochecknoglobals // a table that nobody changes
var summaryColumns = []summaryColumn{
	{"in", true, number(func(s *StageSummary) int64 { return s.In })},
	{"out", true, number(func(s *StageSummary) int64 { return s.Out })},
	{"filtered", false, number(func(s *StageSummary) int64 { return s.Filtered })},
	{"failed", false, number(func(s *StageSummary) int64 { return s.Failed })},
	{"expanded", false, number(func(s *StageSummary) int64 { return s.Expanded })},
	{"merged", false, number(func(s *StageSummary) int64 { return s.Merged })},
	{"abandoned", false, number(func(s *StageSummary) int64 { return s.Abandoned })},
	{"caught", false, number(func(s *StageSummary) int64 { return s.Caught })},
	{"late", false, number(func(s *StageSummary) int64 { return s.Late })},
	{"chunks in", false, number(func(s *StageSummary) int64 { return s.ChunksIn })},
	{"chunks out", false, number(func(s *StageSummary) int64 { return s.ChunksOut })},
	{"peak in flight", false, number(func(s *StageSummary) int64 { return s.PeakInFlight })},
	{"chunk size", false, number(func(s *StageSummary) int64 { return s.ChunkSize })},
	{"credit wait", false, duration(func(s *StageSummary) time.Duration { return s.CreditWait })},
	{"pull wait", false, duration(func(s *StageSummary) time.Duration { return s.PullWait })},
	{"consumer wait", false, duration(func(s *StageSummary) time.Duration { return s.ConsumerWait })},
	{"branch wait", false, branchWait},
}

// branchWait says whom a branch waited for, as in "1: 2.5s".
func branchWait(s *StageSummary) (text string, zero bool) {
	var waits []string
	for i, d := range s.BranchWait {
		if d > 0 {
			waits = append(waits, fmt.Sprintf("%d: %v", i, round(d)))
		}
	}
	if len(waits) == 0 {
		return "0s", true
	}
	return strings.Join(waits, ", "), false
}

func number(of func(*StageSummary) int64) func(*StageSummary) (string, bool) {
	return func(s *StageSummary) (string, bool) {
		n := of(s)
		return strconv.FormatInt(n, 10), n == 0
	}
}

func duration(of func(*StageSummary) time.Duration) func(*StageSummary) (string, bool) {
	return func(s *StageSummary) (string, bool) {
		d := of(s)
		return round(d).String(), d == 0
	}
}

// round leaves about four digits of a duration.
func round(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 10_000 {
		unit *= 10
	}
	return d.Round(unit)
}

// writeTable writes rows of equal length in columns, the first to the left, the
// others to the right.
func writeTable(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteByte('\n')
	}
}
