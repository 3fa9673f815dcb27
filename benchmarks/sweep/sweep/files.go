package sweep

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// WriteDir writes everything that the package can write about the reports into a
// directory, which it makes if need be: index.html with all of them, and per
// report, named after its job, the table as .csv, .json and .md and both plots as
// .svg and .png. Files of those names are replaced, others left alone.
func WriteDir(dir string, reports ...*Report) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := writeFile(dir, "index.html", func(w io.Writer) error { return WriteHTML(w, reports...) }); err != nil {
		return err
	}
	for i, name := range fileNames(reports) {
		r := reports[i]
		for _, f := range []struct {
			suffix string
			write  func(io.Writer) error
		}{
			{".csv", r.WriteCSV},
			{".json", r.WriteJSON},
			{".md", r.WriteMarkdown},
			{"-throughput.svg", func(w io.Writer) error { return r.WriteThroughput(w, SVG) }},
			{"-throughput.png", func(w io.Writer) error { return r.WriteThroughput(w, PNG) }},
			{"-latency.svg", func(w io.Writer) error { return r.WriteLatency(w, SVG) }},
			{"-latency.png", func(w io.Writer) error { return r.WriteLatency(w, PNG) }},
		} {
			if err := writeFile(dir, name+f.suffix, f.write); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeFile(dir, name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600)
}

// fileNames are names of files, and of places in the page, for the reports' jobs,
// no two the same.
func fileNames(reports []*Report) []string {
	names := make([]string, len(reports))
	taken := map[string]bool{}
	for i, r := range reports {
		base := fileName(r.Job)
		name := base
		for n := 2; taken[name]; n++ {
			name = base + "-" + itoa(n)
		}
		names[i], taken[name] = name, true
	}
	return names
}

// fileName is a job's name in small letters and digits, hyphens for all else.
func fileName(job string) string {
	job = strings.NewReplacer("µ", "u", "μ", "u").Replace(strings.ToLower(job))
	words := strings.FieldsFunc(job, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "job"
	}
	return strings.Join(words, "-")
}
