package parquet

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/penstock-go/penstock/internal/paths"
	"github.com/penstock-go/penstock/stage"
)

// ErrNoMatch says that no file matches a pattern.
var ErrNoMatch = paths.ErrNoMatch

// ErrCorrupted says that a file is damaged, is cut off, or is no Parquet file.
var ErrCorrupted = errCorrupted

// ErrTooLarge says that a page is larger than [MaxPage] allows.
var ErrTooLarge = errors.New("page too large")

// Error is the failure of a file: it ends the stream, after the rows before the
// chunk that could not be read.
type Error struct {
	File     string // the file, or the pattern, as it was given
	RowGroup int    // which row group was being read, from 0; -1 if it did not come to that
	Row      int64  // which row of the file was being read, from 1; 0 if it did not come to that
	Column   string // which column was at fault, if one was
	Err      error  // the cause
}

// Error names the file, the place as far as it is known, and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "source: %s: ", e.File)
	if e.RowGroup >= 0 {
		fmt.Fprintf(&b, "row group %d, ", e.RowGroup)
	}
	if e.Row > 0 {
		fmt.Fprintf(&b, "row %d, ", e.Row)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, "column %q, ", e.Column)
	}
	return strings.TrimSuffix(b.String(), ", ") + colon(&b) + e.Err.Error()
}

// colon is what separates the cause from a place.
func colon(b *strings.Builder) string {
	if strings.HasSuffix(b.String(), ", ") {
		return ": "
	}
	return ""
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// fileError is a failure of a file that has no place in it.
func fileError(file string, err error) error {
	return &Error{File: file, RowGroup: -1, Err: paths.Pathless(err)}
}

// columnError is a failure of a column, on its way to an Error.
type columnError struct {
	column string
	err    error
}

func (e *columnError) Error() string { return fmt.Sprintf("column %q: %v", e.column, e.err) }
func (e *columnError) Unwrap() error { return e.err }

// located makes an Error of a failure in a row group. That the context ended is
// no failure of the file.
func located(ctx context.Context, file string, group int, row int64, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return context.Cause(ctx)
	}
	e := &Error{File: file, RowGroup: group, Row: row, Err: err}
	if ce, ok := errors.AsType[*columnError](err); ok {
		e.Column, e.Err = ce.column, ce.err
	}
	e.Err = paths.Pathless(e.Err)
	return e
}

// safely calls f. That damaged data makes the library panic is an error of the
// data.
func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %w", errCorrupted, &stage.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return f()
}
