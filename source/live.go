package source

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/internal/codec"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// live reads an input that may keep its reader waiting: standard input, a pipe,
// a terminal. Opening and reading happen on a goroutine of their own, one read
// at a time, so that who waits for it can stop waiting. What a read delivers
// after that is kept for the next.
type live struct {
	name   string
	limits *codec.Limits
	open   func() (*os.File, error)
	owned  bool // the file is ours to close

	pending bool   // a read is under way
	left    []byte // what was read and not handed on
	err     error
	results chan error // of one read: its error

	state   atomic.Int32
	stopped atomic.Bool // do not begin to read
	file    atomic.Pointer[os.File]

	// Only for the goroutine while a read is under way.
	body *codec.Reader
	buf  []byte
	n    int
}

// The states of a live's goroutine.
const (
	idle      = iota
	reading   // a read is under way
	abandoned // and whoever waited has gone: the goroutine lets go of the file
)

func newLive(name string, limits *codec.Limits, owned bool, open func() (*os.File, error)) *live {
	return &live{name: name, limits: limits, open: open, owned: owned, results: make(chan error, 1), buf: make([]byte, defaultBlockSize)}
}

// read implements blocks.ReadFunc.
func (l *live) read(ctx context.Context, p []byte) (int, error) {
	if len(l.left) == 0 && l.err == nil {
		if err := l.wait(ctx); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	if len(l.left) == 0 {
		return n, l.err
	}
	return n, nil
}

// wait waits for the read that is under way, or a new one. Its only error is
// blocks.ErrGaveUp.
func (l *live) wait(ctx context.Context) error {
	if !l.pending {
		l.pending = true
		l.state.Store(reading)
		go l.once()
	}
	defer plan.Lend(ctx)()
	select {
	case err := <-l.results:
		l.pending = false
		l.left, l.err = l.buf[:l.n], err
		return nil
	case <-ctx.Done():
		return blocks.ErrGaveUp
	}
}

// once reads once.
func (l *live) once() {
	err := l.fetch()
	if !l.state.CompareAndSwap(reading, idle) {
		_ = l.release() // nobody is left to be told
	}
	l.results <- err
}

var errStopped = errors.New("the stream is closed")

// fetch opens the file if need be and reads from it into buf.
func (l *live) fetch() (err error) {
	l.n = 0
	defer func() {
		if v := recover(); v != nil {
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if l.body == nil {
		f, err := l.open()
		if err != nil {
			return err
		}
		l.body = codec.NewReader(f, l.name, l.limits, 1)
		l.file.Store(f)
	}
	if l.stopped.Load() {
		return errStopped
	}
	l.n, err = l.body.Read(l.buf)
	return err
}

// close lets go of the file. A read that is under way is interrupted where the
// system can do that, and abandoned otherwise.
func (l *live) close() error {
	if l.pending {
		l.stopped.Store(true)
		f := l.file.Load()
		switch {
		case f != nil && f.SetReadDeadline(time.Unix(1, 0)) == nil:
			l.err = <-l.results
			if !l.owned {
				_ = f.SetReadDeadline(time.Time{}) // it could be set before
			}
		case l.state.CompareAndSwap(reading, abandoned):
			return nil
		}
	}
	return l.release()
}

func (l *live) release() error {
	if l.body != nil {
		l.body.Close()
	}
	if f := l.file.Load(); f != nil && l.owned {
		return f.Close()
	}
	return nil
}
