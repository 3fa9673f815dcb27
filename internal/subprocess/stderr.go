package subprocess

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// tailSize is how much of what a process writes to stderr is kept for errors.
const tailSize = 4 << 10

// tail keeps the end of what is written to it.
type tail struct {
	kept []byte
	cut  bool
}

func (t *tail) write(p []byte) {
	t.kept = append(t.kept, p...)
	if more := len(t.kept) - tailSize; more > 0 {
		t.kept = t.kept[:copy(t.kept, t.kept[more:])]
		t.cut = true
	}
}

// text is the end in words, without the line that it begins in.
func (t *tail) text() string {
	kept := string(t.kept)
	if t.cut {
		if _, whole, more := strings.Cut(kept, "\n"); more && whole != "" {
			kept = whole
		}
		kept = "... " + kept
	}
	return strings.TrimSpace(strings.ToValidUTF8(kept, "\uFFFD"))
}

// Stderr hands on what processes write to stderr, one at a time. After its first
// error, or a panic, the writer is left alone.
type Stderr struct {
	lock  chan struct{} // not a mutex: a user's code runs under it
	w     io.Writer
	panic func(value any, stack []byte) error
	err   error
}

// NewStderr makes a Stderr that writes to w. panicked makes an error of a panic of
// w's.
func NewStderr(w io.Writer, panicked func(value any, stack []byte) error) *Stderr {
	return &Stderr{lock: make(chan struct{}, 1), w: w, panic: panicked}
}

func (s *Stderr) write(p []byte) {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	if s.err != nil {
		return
	}
	s.err = io.ErrClosedPipe // unless the writer returns
	defer func() {
		if v := recover(); v != nil {
			s.err = fmt.Errorf("stderr: %w", s.panic(v, debug.Stack()))
		}
	}()
	_, err := s.w.Write(p)
	if err != nil {
		err = fmt.Errorf("stderr: %w", err)
	}
	s.err = err
}

// failure is the error of the writer, if it has one.
func (s *Stderr) failure() error {
	if s == nil {
		return nil
	}
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	return s.err
}
