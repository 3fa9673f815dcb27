package blocks

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Dialect is how CSV is written. The zero value of a field but Comma switches
// what it is for off.
type Dialect struct {
	Comma   rune // between fields
	Quote   byte // around fields; 0: quotes are characters like any other
	Comment rune // a line that begins with it is no record
	Lazy    bool // a quote that is misplaced stands for itself
	Trim    bool // white space at the beginning of a field is dropped
}

// ErrOpenQuote says that a quoted field goes on to the end of the input.
var ErrOpenQuote = fmt.Errorf("a quote is never closed: %w", csv.ErrQuote)

// comma is the separator's bytes.
func (d *Dialect) comma() []byte { return utf8.AppendRune(nil, d.Comma) }

// comment is what a comment begins with, or nothing.
func (d *Dialect) comment() []byte {
	if d.Comment == 0 {
		return nil
	}
	return utf8.AppendRune(nil, d.Comment)
}

// odd reports whether the dialect asks for more than a separator of one byte and
// quotes in the right places.
func (d *Dialect) odd() bool {
	return d.Comma >= utf8.RuneSelf || d.Comment != 0 || d.Lazy || d.Trim
}

// simple reports whether in block, quotes apart, every separator ends a field and
// every newline a record.
func (d *Dialect) simple(block []byte) bool {
	return d.Comma < utf8.RuneSelf && !d.Trim && (d.Comment == 0 || !hasByte(block, d.comment()[0]))
}

// spaces is how many bytes of white space are at the start of line. Like
// encoding/csv it looks at nothing else, not even at the separator.
func spaces(line []byte) int {
	if i := bytes.IndexFunc(line, func(r rune) bool { return !unicode.IsSpace(r) }); i >= 0 {
		return i
	}
	return len(line)
}
