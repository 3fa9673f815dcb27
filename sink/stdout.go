package sink

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/penstock-go/penstock/stage"
)

// standardOutput is written to as it comes.
type standardOutput struct {
	f   *os.File
	end func() error
}

// openStandardOutput opens standard output a second time: writing to a broken pipe
// there is an error, where the runtime would end the program if it were the first.
func openStandardOutput() (files, error) {
	f, end, err := duplicate(os.Stdout)
	if err != nil {
		return nil, err
	}
	return standardOutput{f, end}, nil
}

func (s standardOutput) next() (io.Writer, error) { return s, nil }
func (standardOutput) finish() error              { return nil }

// Write implements io.Writer.
func (s standardOutput) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err // the caller names it
	}
	if errors.Is(err, syscall.EPIPE) {
		err = fmt.Errorf("%w: %w", stage.ErrEnough, err)
	}
	return n, err
}

// Commit closes the second opening.
func (s standardOutput) Commit() error { return s.end() }

// Abort closes it too.
func (s standardOutput) Abort() error { return s.end() }
