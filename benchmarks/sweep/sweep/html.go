package sweep

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// WriteHTML writes the reports as one page that needs nothing else: style and
// plots are in it, there are no scripts, and it is readable offline, in light and
// dark. It says what was measured where and when, the advice, the figures and how
// to read them.
func WriteHTML(w io.Writer, reports ...*Report) error {
	var b bytes.Buffer
	data := pageData{}
	if len(reports) > 0 {
		first := reports[0]
		data.Machine, data.Date = first.Machine.String(), first.Date.Format("2 January 2006, 15:04 MST")
	}
	counted := false
	names := fileNames(reports)
	for i, r := range reports {
		job, err := newPageJob(names[i], r)
		if err != nil {
			return err
		}
		data.Jobs = append(data.Jobs, job)
		counted = counted || r.Bytes > 0
	}
	for _, c := range columns(counted) {
		data.Columns = append(data.Columns, pageColumn{Head: c.head, About: c.about})
	}
	if err := page.Execute(&b, data); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

type pageData struct {
	Machine, Date string
	Jobs          []pageJob
	Columns       []pageColumn
}

type pageColumn struct {
	Head, About string
	Left        bool
}

type pageJob struct {
	ID, Name, Description, Facts, Advice string
	Throughput, Latency                  template.HTML
	Heads                                []pageColumn
	Rows                                 []pageRow
}

type pageRow struct {
	Kind  string // the class: best, auto, loop or nothing
	Cells []pageCell
}

type pageCell struct {
	Text string
	Left bool
}

func newPageJob(id string, r *Report) (pageJob, error) {
	j := pageJob{ID: id, Name: r.Job, Description: r.Description, Facts: r.facts(), Advice: r.Advice()}
	var err error
	if j.Throughput, err = inlineSVG(r.WriteThroughput); err != nil {
		return j, err
	}
	if j.Latency, err = inlineSVG(r.WriteLatency); err != nil {
		return j, err
	}
	cols, cells := r.grid()
	for _, c := range cols {
		j.Heads = append(j.Heads, pageColumn{Head: c.head, About: c.about, Left: c.left})
	}
	best := r.bestOfLines()
	rows := r.all()
	for i, line := range cells {
		row := pageRow{}
		switch {
		case rows[i].Mode == Sequential:
			row.Kind = "loop"
		case rows[i].automatic():
			row.Kind = "auto"
		case best[rows[i].Combination]:
			row.Kind = "best"
		}
		for k, text := range line {
			row.Cells = append(row.Cells, pageCell{Text: text, Left: cols[k].left})
		}
		j.Rows = append(j.Rows, row)
	}
	return j, nil
}

// bestOfLines are the best fixed sizes, one a mode and number of workers.
func (r *Report) bestOfLines() map[Combination]bool {
	best := map[Combination]bool{}
	for _, l := range r.lines() {
		if b := l.best(); b != nil {
			best[b.Combination] = true
		}
	}
	return best
}

// inlineSVG is a plot as a part of the page.
func inlineSVG(write func(io.Writer, Format) error) (template.HTML, error) {
	var b bytes.Buffer
	if err := write(&b, SVG); err != nil {
		return "", err
	}
	svg := b.Bytes()
	if start := bytes.Index(svg, []byte("<svg")); start > 0 {
		svg = svg[start:] // a page has no place for an XML declaration
	}
	return template.HTML(svg), nil //nolint:gosec // our own plot, in which all text is escaped
}
