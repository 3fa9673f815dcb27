package source

import (
	"errors"
	"fmt"

	inputs "github.com/penstock-go/penstock/internal/paths"
	"github.com/penstock-go/penstock/stage"
)

var (
	// ErrNoMatch says that no file matches a pattern.
	ErrNoMatch = inputs.ErrNoMatch

	// ErrTooLong says that a record is longer than MaxRecord allows.
	ErrTooLong = errors.New("record too long")
)

// Error is the failure of a file: it ends the stream, after all items before
// it. The failure of a single record is a *stage.ItemError instead.
type Error struct {
	File   string // the file, or the pattern, as it was given
	Record int64  // which record was being read, from 1; 0 if it did not come to that
	Byte   int64  // how many bytes of the (decompressed) file were read
	Err    error  // the cause
}

// Error names the file, the place if there is one, and the cause.
func (e *Error) Error() string {
	if e.Record == 0 {
		return fmt.Sprintf("source: %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("source: %s: record %d, byte %d: %v", e.File, e.Record, e.Byte, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// pathless is an error of package os without the path, which our own errors
// name.
func pathless(err error) error { return inputs.Pathless(err) }

// tooLong is the cause for a record of n bytes. open says that it ends with the
// file, inside quotes.
func tooLong(n int64, limit int, open bool) error {
	err := fmt.Errorf("%w: %d bytes, limit %d", ErrTooLong, n, limit)
	if open {
		err = fmt.Errorf("%w (a quote in it is never closed)", err)
	}
	return err
}

// itemError is the failure of the i-th record of the block that t accounts for,
// which begins offset bytes into that block.
func itemError(t stage.Token, i, offset int64, input any, err error) *stage.ItemError {
	at := t.At
	at.Record += i
	at.Offset += offset
	return &stage.ItemError{Stage: "source", Index: t.First + i, Input: input, At: at, Err: err}
}
