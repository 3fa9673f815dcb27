package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

// script is a clock that does what is due as it is moved on.
type script struct {
	now   time.Time
	steps []step
}

// step is something that happens some time after the step before.
type step struct {
	after time.Duration
	do    func()
}

func (s *script) Now() time.Time { return s.now }

func (s *script) AfterFunc(d time.Duration, f func()) func() bool {
	s.move(d)
	f()
	return func() bool { return false }
}

// move lets time pass.
func (s *script) move(d time.Duration) {
	for len(s.steps) > 0 && s.steps[0].after <= d {
		next := s.steps[0]
		s.steps = s.steps[1:]
		s.now, d = s.now.Add(next.after), d-next.after
		next.do()
	}
	if len(s.steps) > 0 {
		s.steps[0].after -= d
	}
	s.now = s.now.Add(d)
}

// writer writes a log and rotates it, and keeps what a reader should see.
type writer struct {
	t      require.TestingT
	path   string
	scheme string   // how rotated files are called
	old    []string // rotated files, the oldest first
	lines  int
	days   int
	parts  []string // what was in each of the files
}

var schemes = []string{"numbers", "growing numbers", "dates", "dates inside"}

func (w *writer) append(text string) {
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(w.t, err)
	_, err = f.WriteString(text)
	require.NoError(w.t, err)
	require.NoError(w.t, f.Close())
	w.parts[len(w.parts)-1] += text
}

func (w *writer) line() string {
	w.lines++
	return fmt.Sprintf("line %d%s\n", w.lines, strings.Repeat(".", w.lines*w.lines%50))
}

// place makes room for a file that is rotated away, and returns its name.
func (w *writer) place() string {
	w.days++
	ext := filepath.Ext(w.path)
	var name string
	switch w.scheme {
	case "numbers":
		for i := range w.old { // the oldest first
			to := fmt.Sprintf("%s.%d", w.path, len(w.old)-i+1)
			require.NoError(w.t, os.Rename(w.old[i], to))
			w.old[i] = to
		}
		name = w.path + ".1"
	case "growing numbers":
		name = fmt.Sprintf("%s.%d", w.path, w.days)
	case "dates":
		name = fmt.Sprintf("%s-202601%02d", w.path, w.days)
	case "dates inside":
		name = fmt.Sprintf("%s-2026-01-31T%d-00%s", strings.TrimSuffix(w.path, ext), w.days, ext)
	}
	w.old = append(w.old, name)
	return name
}

func (w *writer) exists() bool {
	_, err := os.Stat(w.path)
	return err == nil
}

func (w *writer) rename() {
	if w.exists() {
		require.NoError(w.t, os.Rename(w.path, w.place()))
		w.parts = append(w.parts, "")
	}
}

func (w *writer) copytruncate() {
	if w.exists() {
		b, err := os.ReadFile(w.path)
		require.NoError(w.t, err)
		require.NoError(w.t, os.WriteFile(w.place(), b, 0o600))
		require.NoError(w.t, os.Truncate(w.path, 0))
		w.parts = append(w.parts, "")
	}
}

// want is what a reader should see.
func (w *writer) want() (lines []string) {
	lines = []string{}
	for _, p := range w.parts {
		if p != "" {
			lines = append(lines, strings.Split(strings.TrimSuffix(p, "\n"), "\n")...)
		}
	}
	return lines
}

// logs draws a writer with its script. copies says that files are copied and truncated.
func logs(t *rapid.T, dir string, scheme string, copies bool) (*writer, *script) {
	w := &writer{t: t, path: filepath.Join(dir, "app.log"), scheme: scheme, parts: []string{""}}
	s := &script{now: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)}
	ops := map[string]func(){ // what is written twice cannot be told from what was there
		"line":   func() { w.append(w.line()) },
		"lines":  func() { w.append(w.line() + w.line() + "\n" + w.line()) },
		"part":   func() { w.append(strings.TrimSuffix(w.line(), "\n") + " and ") },
		"long":   func() { w.append(strings.TrimSuffix(w.line(), "\n") + strings.Repeat("0123456789abcdef", 100) + "\n") },
		"create": func() { w.append("") },
		"rotate": w.rename,
	}
	if copies {
		ops["rotate"] = w.copytruncate
	}
	names := make([]string, 0, len(ops))
	for name := range ops {
		names = append(names, name)
	}
	slices.Sort(names)
	for range rapid.IntRange(0, 25).Draw(t, "steps") {
		after := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 100 * time.Millisecond, 2 * time.Second, 5 * time.Second}).Draw(t, "after")
		name := rapid.SampledFrom(names).Draw(t, "op")
		s.steps = append(s.steps, step{after, ops[name]})
	}
	return w, s
}

// A log that is rotated at any moment, in any way that keeps its files, is read line
// by line: each once, in order. From every place that a run was at, another one reads
// the rest, whatever happened meanwhile.
func TestFollowReadsEachLineOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "follow") //nolint:usetesting // one for each script
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(dir)) }()
		scheme := rapid.SampledFrom(schemes).Draw(t, "scheme")
		copies := rapid.Bool().Draw(t, "copies")
		w, s := logs(t, dir, scheme, copies)
		if rapid.Bool().Draw(t, "old files") || scheme == "growing numbers" { // which old ones show
			for range 3 {
				w.append("before\n")
				w.rename()
			}
			w.parts = []string{""}
		}
		s.move(rapid.SampledFrom([]time.Duration{0, time.Second, 10 * time.Second}).Draw(t, "first"))
		w.parts = w.parts[len(w.parts)-1:] // what was rotated away before is not read
		stream := Follow(w.path, OnClock(s), IdleFor(10*time.Second))
		max := rapid.SampledFrom(limits()).Draw(t, "limit")
		crash := rapid.IntRange(0, 60).Draw(t, "pulls before the crash")

		p, err := stream.Open(context.Background())
		require.NoError(t, err)
		var c stage.Chunk[string]
		got := []string{}
		var tokens []stage.Token
		for err == nil {
			if crash--; crash == 0 {
				s.move(time.Hour)
			}
			if rapid.Bool().Draw(t, "slow") {
				s.move(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 3 * time.Second}).Draw(t, "for"))
			}
			err = p.Pull(context.Background(), &c, max)
			require.Empty(t, c.Errors)
			require.Len(t, c.Tokens, min(1, len(c.Tokens)))
			for _, tok := range c.Tokens {
				require.Equal(t, int64(len(got)), tok.First)
				require.Equal(t, int64(len(c.Items)), tok.N)
				tokens = append(tokens, tok)
			}
			for _, line := range c.Items {
				got = append(got, strings.Clone(line))
			}
			if crash == 0 {
				break
			}
		}
		require.NoError(t, p.Close())
		if len(s.steps) > 0 {
			return // a silence before the log's end has ended the stream
		}
		want := w.want()
		if crash > 0 {
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, want, got)
		} else {
			require.Equal(t, want[:len(got)], got)
		}
		if scheme == "growing numbers" {
			return // another run has not seen that they do
		}
		for _, tok := range tokens {
			p, err := sought(t, Follow(w.path, OnClock(s), IdleFor(3*time.Second)), tok.At, tok.First)
			if strings.Contains(tok.At.Key, ":0:") && errors.Is(err, ErrGap) {
				continue // it was empty
			}
			require.NoError(t, err, "%+v", tok)
			rest := restOf(t, p, tok.First)
			require.Equal(t, want[tok.First:], rest, "%+v", tok)
			require.NoError(t, p.Close())
		}
	})
}

// restOf is what is left of a followed file.
func restOf(t require.TestingT, p stage.Puller[string], next int64) (lines []string) {
	lines = []string{}
	var c stage.Chunk[string]
	for {
		err := p.Pull(context.Background(), &c, stage.Limit{})
		require.Empty(t, c.Errors)
		for _, tok := range c.Tokens {
			require.Equal(t, next, tok.First)
			next += tok.N
		}
		lines = append(lines, c.Items...)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			return lines
		}
	}
}
