package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tenTimes is ours over ten times as much: the input named ten times.
const tenTimes = "penstock, input 10 times"

// runFiles is the suite of jobs over files: every run is a process of its own.
func runFiles(ctx context.Context, set settings, cases *regexp.Regexp, p *printer, stderr io.Writer) (n int, err error) {
	var chosen []fileCase
	for _, c := range fileCases(fileTools{}) {
		if cases.MatchString(c.name) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return 0, nil
	}
	tools, err := openFiles(ctx, set.quick)
	if err != nil {
		return 0, fmt.Errorf("files: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tools.dir)) }()
	if tools.noDuck != "" {
		fmt.Fprintf(stderr, "peers: files: duckdb is not measured: %s\n", tools.noDuck)
	}
	if err := p.filesHead("files"); err != nil {
		return 0, err
	}
	for _, c := range fileCases(tools) {
		if !cases.MatchString(c.name) {
			continue
		}
		n++
		rows, err := measureFiles(ctx, c, tools, set)
		if err != nil {
			return n, fmt.Errorf("files: %s: %w", c.name, err)
		}
		if err := p.fileRows(rows); err != nil {
			return n, err
		}
	}
	return n, nil
}

// fileRunner is one implementation in a case.
type fileRunner struct {
	rival
	row     fileRow
	absent  bool
	seconds []float64
}

// measureFiles runs all implementations of a case in turns, then ours once over
// ten times as much.
func measureFiles(ctx context.Context, c fileCase, tools fileTools, set settings) ([]*fileRow, error) {
	own := c.own
	if own == nil {
		own = []string{tools.job, cmp.Or(c.job, c.name), "{out}", inputArg}
	}
	field := []*fileRunner{{rival: rival{name: ourName, argv: own}}}
	for _, r := range c.rival {
		field = append(field, &fileRunner{rival: r})
	}
	field = slices.DeleteFunc(field, func(f *fileRunner) bool { return set.impls != nil && !set.impls.MatchString(f.name) })
	for _, f := range field {
		f.row = fileRow{Suite: "files", Case: c.name, Impl: f.name, Note: f.note}
		if why := f.missing(tools); why != "" {
			f.absent, f.row.Note = true, "not measured: "+why
		}
	}
	m := fileMeasure{c: c, tools: tools, times: max(1, c.repeat)}
	for round := range set.rounds {
		for i := range field {
			f := field[(i+round)%len(field)]
			if f.absent {
				continue
			}
			if err := m.once(ctx, f); err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	if !c.once && (set.impls == nil || set.impls.MatchString(ourName)) {
		ten := &fileRunner{rival: rival{name: tenTimes, argv: own}}
		ten.row = fileRow{Suite: "files", Case: c.name, Impl: tenTimes}
		m.times = 10
		if err := m.once(ctx, ten); err != nil {
			return nil, fmt.Errorf("%s: %w", ten.name, err)
		}
		field = append(field, ten)
	}
	return m.rows(field, set.quick)
}

// missing says why the process cannot be run.
func (f *fileRunner) missing(tools fileTools) string {
	switch {
	case f.needs != "":
		if _, err := exec.LookPath(f.needs); err != nil {
			return "no " + f.needs + " in the path"
		}
	case f.argv[0] == "":
		return tools.noDuck
	}
	return ""
}

// fileMeasure is a case that is being measured.
type fileMeasure struct {
	c      fileCase
	tools  fileTools
	times  int // how often the input is named
	answer string
	of     string // whose answer it is
}

// once runs one process and compares its answer with the first one.
func (m *fileMeasure) once(ctx context.Context, f *fileRunner) (err error) {
	folder, err := os.MkdirTemp(m.tools.dir, "out")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	out := filepath.Join(folder, "out"+m.c.out)
	var said, failed bytes.Buffer
	argv := m.argv(f, out)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // of the table in files.go
	cmd.Dir, cmd.Stderr, cmd.WaitDelay = folder, &failed, 5*time.Second
	if !f.mute {
		cmd.Stdout = &said // without it the output goes to the null device
	}
	start := time.Now()
	err = cmd.Run()
	took := time.Since(start)
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(failed.String()))
	}
	f.seconds = append(f.seconds, took.Seconds())
	f.row.PeakRSSMB = max(f.row.PeakRSSMB, round(peakRSS(cmd.ProcessState)))
	if f.mute {
		return nil
	}
	return m.check(ctx, f, out, said.String())
}

func (m *fileMeasure) argv(f *fileRunner, out string) []string {
	var argv []string
	in := filepath.Join(m.tools.dir, m.c.input)
	for _, arg := range f.argv {
		if arg == inputArg {
			for range m.times {
				argv = append(argv, in)
			}
			continue
		}
		argv = append(argv, strings.NewReplacer(inputArg, in, "{out}", out).Replace(arg))
	}
	return argv
}

// check compares the answer with the one of who was first. That of ten times as
// much is another one, unless it is made of means.
func (m *fileMeasure) check(ctx context.Context, f *fileRunner, out, said string) error {
	answer, err := m.answerOf(ctx, f, out, said)
	if err != nil || m.times > max(1, m.c.repeat) && !m.c.means {
		return err
	}
	if m.of == "" {
		m.answer, m.of = answer, f.name
	}
	if answer != m.answer {
		return fmt.Errorf("its answer is not that of %s: %s, want %s", m.of, brief(answer), brief(m.answer))
	}
	return nil
}

func (m *fileMeasure) answerOf(ctx context.Context, f *fileRunner, out, said string) (string, error) {
	switch {
	case m.c.look != "":
		info, err := os.Stat(out)
		if err != nil {
			return "", err
		}
		f.row.OutMB = figure(float64(info.Size()) / 1e6)
		cmd := exec.CommandContext(ctx, m.tools.job, m.c.look, "", out) //nolint:gosec // our own program
		seen, err := cmd.Output()
		f.row.Answer = strings.TrimSpace(string(seen))
		return f.row.Answer, err
	case m.c.out != "":
		return hashOf(out)
	default:
		return normal(said), nil
	}
}

// hashOf is the sum of a file's bytes.
func hashOf(path string) (_ string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	h := sha256.New()
	n, err := io.Copy(h, file)
	return fmt.Sprintf("%d bytes, sha256 %x", n, h.Sum(nil)), err
}

// normal makes answers of different programs comparable: sorted lines, without
// the file's name behind a count, numbers with six digits behind the point.
func normal(said string) string {
	var lines []string
	for line := range strings.Lines(said) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) == 1 {
			fields[0], _, _ = strings.Cut(fields[0], " ")
		}
		for i, field := range fields {
			if v, err := strconv.ParseFloat(field, 64); err == nil {
				fields[i] = strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
			}
		}
		lines = append(lines, strings.Join(fields, ","))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// brief is the beginning of an answer.
func brief(answer string) string {
	const most = 120
	if len(answer) > most {
		return answer[:most] + "..."
	}
	return answer
}

// rows makes the rows of the case.
func (m *fileMeasure) rows(field []*fileRunner, quick bool) ([]*fileRow, error) {
	info, err := os.Stat(filepath.Join(m.tools.dir, cmp.Or(m.c.size, m.c.input)))
	if err != nil {
		return nil, err
	}
	rows := make([]*fileRow, len(field))
	named := map[string]*fileRow{}
	for i, f := range field {
		r := &f.row
		rows[i], named[f.name] = r, r
		if f.absent {
			continue
		}
		bytes := float64(info.Size()) * float64(max(1, m.c.repeat))
		if f.name == tenTimes {
			bytes *= 10
		}
		took := median(f.seconds)
		r.Seconds, r.Rounds, r.MBPerS = round(took), len(f.seconds), round(bytes/1e6/took)
		if ours := field[0]; ours.name == ourName && i > 0 && f.name != tenTimes {
			r.Ratio = figure(median(ours.seconds) / took)
		}
	}
	if !quick {
		fileBounds(m.c, named)
	}
	return rows, nil
}
