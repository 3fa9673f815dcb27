package sweep

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// column is a column of the tables that people read.
type column struct {
	head  string
	left  bool // text, not a number
	about string
	value func(*Row) string
}

func columns(bytes bool) []column {
	cols := []column{
		{"mode", true, "ordered: pool.Imap; unordered: pool.ImapUnordered; eager: pool.Map; sequential: the plain loop, without a pool",
			func(r *Row) string { return r.Mode.String() }},
		{"workers", false, "functions that run at once", func(r *Row) string { return itoa(r.Workers) }},
		{"chunk", false, "items a chunk; auto: the pool chooses", func(r *Row) string { return dash(r.chunk()) }},
		{"settled", false, "items a chunk that the pool asked for in the end", func(r *Row) string { return count(r.Settled) }},
		{"items/s", false, "throughput, by the median of the rounds", func(r *Row) string { return metric(r.ItemsPerSecond) }},
	}
	if bytes {
		cols = append(cols, column{"MB/s", false, "the same in units of 1,000,000 bytes",
			func(r *Row) string { return three(r.BytesPerSecond / 1e6) }})
	}
	return append(cols, []column{
		{"ns/item", false, "time of the run, divided by its items", func(r *Row) string { return three(r.NsPerItem) }},
		{"run", false, "median time of a run", func(r *Row) string { return period(r.Median) }},
		{"spread", false, "distance between the quartiles of the rounds, divided by the median",
			func(r *Row) string { return noise(r.Spread) }},
		{"first item", false, "time until the first result was delivered", func(r *Row) string { return period(r.FirstItem) }},
		{"allocs/item", false, "allocations of the process", func(r *Row) string { return three(r.AllocsPerItem) }},
		{"B/item", false, "bytes allocated", func(r *Row) string { return three(r.AllocBytesPerItem) }},
		{"heap MB", false, "growth of the heap at its peak, in units of 1,000,000 bytes",
			func(r *Row) string { return three(float64(r.PeakHeap) / 1e6) }},
		{"in flight", false, "items pulled and not yet let go, at most", func(r *Row) string { return count(r.PeakInFlight) }},
		{"source wait", false, "workers waited for their turn at the source, all together",
			waited(func(r *Row) time.Duration { return r.SourceWait })},
		{"credit wait", false, "workers waited for the in-flight budget", waited(func(r *Row) time.Duration { return r.CreditWait })},
		{"sink wait", false, "finished results waited for the sink", waited(func(r *Row) time.Duration { return r.ConsumerWait })},
	}...)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func noise(spread float64) string {
	if spread == 0 {
		return "-" // of one round
	}
	return percent(spread)
}

func count(n int64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func waited(of func(*Row) time.Duration) func(*Row) string {
	return func(r *Row) string {
		if r.Mode == Eager || r.Mode == Sequential {
			return "-"
		}
		return period(of(r))
	}
}

// grid is the table in cells: a head and a line per row, the baseline first.
func (r *Report) grid() (cols []column, cells [][]string) {
	cols = columns(r.Bytes > 0)
	rows := r.all()
	cells = make([][]string, len(rows))
	for i := range rows {
		for _, c := range cols {
			cells[i] = append(cells[i], c.value(&rows[i]))
		}
	}
	return cols, cells
}

// facts says what was run, in a line.
func (r *Report) facts() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s a run", plural(r.Items, "item"))
	if r.Bytes > 0 {
		fmt.Fprintf(&b, " (%s MB)", three(float64(r.Bytes)/1e6))
	}
	if r.Failed > 0 {
		fmt.Fprintf(&b, ", %d of which fail", r.Failed)
	}
	fmt.Fprintf(&b, "; medians of %s after one to warm up; %s in all", plural(int64(r.Rounds), "round"), period(r.Took))
	return b.String()
}

// WriteTable writes the report as an aligned table for a terminal, the baseline
// first, under a line that says what was run.
func (r *Report) WriteTable(w io.Writer) error {
	cols, cells := r.grid()
	width := make([]int, len(cols))
	for i, c := range cols {
		width[i] = utf8.RuneCountInString(c.head)
		for _, line := range cells {
			width[i] = max(width[i], utf8.RuneCountInString(line[i]))
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n", r.Job, r.facts())
	put := func(line func(int) string) {
		var text strings.Builder
		for i, c := range cols {
			s := line(i)
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(s))
			if c.left {
				text.WriteString(s + pad)
			} else {
				text.WriteString("  " + pad + s)
			}
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	put(func(i int) string { return cols[i].head })
	for _, line := range cells {
		put(func(i int) string { return line[i] })
	}
	_, err := w.Write(b.Bytes())
	return err
}

// WriteMarkdown writes the report as a section of a Markdown document: a heading,
// what was run where, the advice and the table.
func (r *Report) WriteMarkdown(w io.Writer) error {
	cols, cells := r.grid()
	var b bytes.Buffer
	fmt.Fprintf(&b, "## %s\n\n", inline(r.Job))
	if r.Description != "" {
		fmt.Fprintf(&b, "%s\n\n", inline(r.Description))
	}
	fmt.Fprintf(&b, "%s. %s. %s.\n\n**%s**\n\n", r.Date.Format(time.DateOnly), inline(r.Machine.String()), r.facts(), inline(r.Advice()))
	heads, rule := make([]string, len(cols)), make([]string, len(cols))
	for i, c := range cols {
		heads[i], rule[i] = c.head, "---:"
		if c.left {
			rule[i] = ":---"
		}
	}
	for _, line := range append([][]string{heads, rule}, cells...) {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(line, " | "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// inline keeps a text on its line and its characters from meaning something in
// Markdown.
func inline(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "|", `\|`, "<", "&lt;", "[", `\[`, "#", `\#`).Replace(s)
}
