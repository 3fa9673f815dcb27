package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// print prints the groups, and then what was read. If the groups are CSV, what was
// read goes elsewhere, so that a program can read them.
func (r *result) print(j *job, stdout, stderr io.Writer) error {
	groups := r.groups
	if j.top > 0 && len(groups) > j.top {
		groups = groups[:j.top]
	}
	if !j.csv {
		_, err := io.WriteString(stdout, asTable(j, groups)+r.account())
		return err
	}
	text, err := asCSV(j, groups)
	if err != nil {
		return err
	}
	_, err = stdout.Write(text)
	_, failed := io.WriteString(stderr, r.account())
	return errors.Join(err, failed)
}

// asTable is the groups as a table for people.
func asTable(j *job, groups []*group) string {
	if len(groups) == 0 {
		return ""
	}
	width := utf8.RuneCountInString(shown(j.by))
	for _, g := range groups {
		width = max(width, utf8.RuneCountInString(shown(g.key)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s  %9s  mean %s\n", width, shown(j.by), "rows", shown(j.of))
	for _, g := range groups {
		mean := "-"
		if m, ok := g.mean(); ok {
			mean = strconv.FormatFloat(m, 'f', 2, 64)
		}
		fmt.Fprintf(&b, "%-*s  %9d  %*s\n", width, shown(g.key), g.rows, len("mean ")+utf8.RuneCountInString(shown(j.of)), mean)
	}
	b.WriteByte('\n')
	return b.String()
}

// shown is a key as a terminal may show it.
func shown(key string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if key == "" || !utf8.ValidString(key) || strings.ContainsFunc(key, odd) {
		return strconv.Quote(key)
	}
	return key
}

// asCSV is the groups as CSV; a group without values has an empty mean.
func asCSV(j *job, groups []*group) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write([]string{j.by, "rows", "missing", "mean_" + j.of}); err != nil {
		return nil, err
	}
	for _, g := range groups {
		mean := ""
		if m, ok := g.mean(); ok {
			mean = strconv.FormatFloat(m, 'f', -1, 64)
		}
		if err := w.Write([]string{g.key, strconv.FormatInt(g.rows, 10), strconv.FormatInt(g.missing, 10), mean}); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// account is what was read, and how fast.
func (r *result) account() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Groups  %9d\nRows    %9d", len(r.groups), r.rows)
	if r.missing > 0 {
		fmt.Fprintf(&b, "  %d of them without a value, in no mean", r.missing)
	}
	fmt.Fprintf(&b, "\nSkipped %9d", r.skipped)
	if r.first != nil {
		fmt.Fprintf(&b, "  the first: %v", r.first)
	}
	seconds := max(r.elapsed.Seconds(), 1e-9)
	fmt.Fprintf(&b, "\n%.2f s, %.0f rows and %.0f MB per second\n",
		r.elapsed.Seconds(), float64(r.rows+r.skipped)/seconds, float64(r.bytes)/1e6/seconds)
	return b.String()
}
