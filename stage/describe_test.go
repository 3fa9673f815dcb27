package stage

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstock-go/penstock/internal/plan"
)

// workers is a stand-in for a pool stage.
func workers[T any](in Stream[T], detail string) Stream[T] {
	return Assemble[T](&plan.Node{Op: "Imap", Kind: plan.Workers, Detail: detail, Inputs: []*plan.Node{in.Plan()}}, nil)
}

func TestDescribe(t *testing.T) {
	under := Map(ints(3).Named("lines"), inc)
	inner := workers(Zip(under.Take(5), ints(3)).Filter(func(Pair[int, int]) bool { return true }), "")
	outer := workers(Batch(inner, 10), "8 workers, ordered").Named("parse")
	s := Concat(Unbatch(outer), Stream[Pair[int, int]]{}).Named("all")
	want := strings.Join([]string{
		`Concat "all"                   serial, in the consumer`,
		`├─ Unbatch                     serial, in the consumer`,
		`│  └─ Imap "parse"             workers (8 workers, ordered)`,
		`│     └─ Batch                 serial (of 10), under the pull lock of Imap "parse"`,
		`│        └─ Imap               workers`,
		`│           └─ Filter          serial, under the pull lock of Imap`,
		`│              └─ Zip          serial, under the pull lock of Imap`,
		`│                 ├─ Take      serial (5 items), under the pull lock of Imap`,
		`│                 │  └─ Map    serial, under the pull lock of Imap`,
		`│                 │     └─ script "lines"  source, under the pull lock of Imap`,
		`│                 └─ script    source, under the pull lock of Imap`,
		`└─ empty                       source, in the consumer`,
	}, "\n")
	squeeze := func(s string) string {
		var lines []string
		for line := range strings.Lines(s) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		return strings.Join(lines, "\n")
	}
	got := s.Describe()
	assert.Equal(t, squeeze(want), squeeze(got))
	column := -1
	for line := range strings.Lines(got) {
		i := len([]rune(line[:strings.Index(line, "  s")+1]))
		if w := strings.Index(line, "  workers"); w >= 0 {
			i = len([]rune(line[:w+1]))
		}
		if column < 0 {
			column = i
		}
		assert.Equal(t, column, i, "aligned: %s", line)
	}
}
