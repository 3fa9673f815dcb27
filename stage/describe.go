package stage

import (
	"strings"
	"unicode/utf8"

	"github.com/penstock-go/penstock/internal/plan"
)

// Describe returns the plan as a tree, one line per stage, each above what it
// reads, for instance
//
//	Filter "valid"       serial, in the consumer
//	└─ Imap "parse"      workers (8 workers, ordered)
//	   └─ Map            serial, under the pull lock of Imap "parse"
//	      └─ Lines       source, under the pull lock of Imap "parse"
//
// A stage in the consumer runs in the goroutine that ranges over the stream or
// called Run; one under a pull lock runs in whichever worker pulls, one at a
// time; a pool stage runs in its workers.
func (s Stream[T]) Describe() string {
	var rows [][]string
	describe(&rows, s.Plan(), "", "", "")
	width := 0
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r[0]))
	}
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r[0])
		b.WriteString(strings.Repeat(" ", width-utf8.RuneCountInString(r[0])+2))
		b.WriteString(r[1])
		b.WriteByte('\n')
	}
	return b.String()
}

// describe adds the rows of a node and what it reads. first and rest are what
// stands before the node's line and before those below it; puller is the pool
// stage that pulls it, or "".
func describe(rows *[][]string, n *plan.Node, first, rest, puller string) {
	name := n.Op
	if n.Name != "" {
		name += ` "` + n.Name + `"`
	}
	*rows = append(*rows, []string{first + name, where(n, puller)})
	if n.Kind == plan.Workers {
		puller = name
	}
	for i, in := range n.Inputs {
		branch, trunk := "├─ ", "│  "
		if i == len(n.Inputs)-1 {
			branch, trunk = "└─ ", "   "
		}
		describe(rows, in, rest+branch, rest+trunk, puller)
	}
}

// where says where a node's work runs.
func where(n *plan.Node, puller string) string {
	var text string
	switch n.Kind {
	case plan.Source:
		text = "source"
	case plan.Serial:
		text = "serial"
	case plan.Workers:
		text = "workers"
	}
	if n.Detail != "" {
		text += " (" + n.Detail + ")"
	}
	switch {
	case n.Kind == plan.Workers:
		return text
	case puller != "":
		return text + ", under the pull lock of " + puller
	default:
		return text + ", in the consumer"
	}
}
