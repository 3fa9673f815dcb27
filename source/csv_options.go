package source

import (
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/penstock-go/penstock/internal/blocks"
)

// csvOptions are the settings of a source of CSV files.
type csvOptions struct {
	dialect  blocks.Dialect
	names    []string // of the columns of files without a header
	noHeader bool     // their columns have no names
	pad      bool
	null     []string
	columns  []string // that are wanted, nil: all
	borrow   bool
}

// ofCSV is an option of the verbs that read CSV.
func ofCSV(name string, fn func(*csvOptions)) Option {
	return option{name: name, only: []string{"CSV", "Records"}, fn: func(s *options) { fn(&s.csv) }}
}

// Comma is what separates the fields of a [CSV] or [Records] source: any
// character but a double quote, a carriage return or a newline. The default is a
// comma. Comma panics if r cannot separate fields. That it differs from [Quote]
// and [Comment] is checked where they come together.
func Comma(r rune) Option {
	if !delimiter(r) || r == '"' {
		panic(fmt.Sprintf("penstock: source.Comma: r is %q, which cannot separate fields", r))
	}
	return ofCSV("Comma", func(s *csvOptions) { s.dialect.Comma = r })
}

// Comment is what lines that are no records begin with, in a [CSV] or [Records]
// source: any character but a quote, a carriage return or a newline. White space
// before it makes the line a record. Lines in a quoted field are no comments. By
// default, and with 0, there are no comments. Comment panics if r cannot begin one.
func Comment(r rune) Option {
	if r != 0 && (!delimiter(r) || r == '"') {
		panic(fmt.Sprintf("penstock: source.Comment: r is %q, which cannot begin a comment", r))
	}
	return ofCSV("Comment", func(s *csvOptions) { s.dialect.Comment = r })
}

// Quote is what stands around fields that may hold separators, newlines and
// quotes (doubled), in a [CSV] or [Records] source: an ASCII character but a
// letter, a digit, white space or a control character. The default is a double
// quote. With 0 no field is quoted, and every line is a record. Quote panics if r
// cannot be a quote.
func Quote(r rune) Option {
	if r != 0 && (r <= ' ' || r >= 0x7f || unicode.IsLetter(r) || unicode.IsDigit(r)) {
		panic(fmt.Sprintf("penstock: source.Quote: r is %q, want punctuation in ASCII", r))
	}
	return ofCSV("Quote", func(s *csvOptions) { s.dialect.Quote = byte(r) })
}

// LazyQuotes makes a [CSV] or [Records] source take quotes in places where they
// have no meaning for characters: one in a field that does not begin with a quote, and one in
// a quoted field that is neither doubled nor at the field's end. As with
// encoding/csv, a quoted field that is never closed goes on to the end of the
// file. By default each of these is the record's error.
func LazyQuotes() Option {
	return ofCSV("LazyQuotes", func(s *csvOptions) { s.dialect.Lazy = true })
}

// TrimLeadingSpace makes a [CSV] or [Records] source drop white space at the
// beginning of fields, before a quote too, even where the separator is white
// space.
func TrimLeadingSpace() Option {
	return ofCSV("TrimLeadingSpace", func(s *csvOptions) { s.dialect.Trim = true })
}

// Header says that the files of a [CSV] or [Records] source have no header, and
// what their columns are called, from the first to the last. Header panics if
// there are no names.
func Header(names ...string) Option {
	if len(names) == 0 {
		panic("penstock: source.Header: there are no names; see NoHeader")
	}
	names = slices.Clone(names)
	return ofCSV("Header", func(s *csvOptions) { s.names, s.noHeader = names, false })
}

// NoHeader says that the files of a [CSV] or [Records] source have no header. The
// columns of a CSV source are then T's fields in their order, and no others. Those
// of a Records source have no names, and their number is that of the file's first
// good record.
func NoHeader() Option {
	return ofCSV("NoHeader", func(s *csvOptions) { s.names, s.noHeader = nil, true })
}

// PadShort makes a [CSV] or [Records] source fill up records that have too few
// fields with empty ones. By default such a record is an item error, as one with
// too many always is; stage.DeadLetter collects those.
func PadShort() Option {
	return ofCSV("PadShort", func(s *csvOptions) { s.pad = true })
}

// Null says which values of a [CSV] or [Records] source, quoted or not, stand for
// none: they become empty. In a struct, a pointer is then nil, a field whose tag
// says omitempty stays as it is, and a string is empty; an empty value does not
// fit other fields. The option can be given several times.
func Null(values ...string) Option {
	values = slices.Clone(values)
	return ofCSV("Null", func(s *csvOptions) { s.null = append(slices.Clip(s.null), values...) })
}

// Columns says which columns of its files a [Records] source gives, and in what
// order: records then have these fields and no others, so that a field's index is
// the same in files that differ in their columns' order. A file that lacks one, or
// has it twice, is an [Error] at that file. Columns panics if there are no names
// or one comes twice.
func Columns(names ...string) Option {
	if len(names) == 0 {
		panic("penstock: source.Columns: there are no names")
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			panic(fmt.Sprintf("penstock: source.Columns: %q comes twice", name))
		}
	}
	names = slices.Clone(names)
	return option{name: "Columns", only: []string{"Records"}, fn: func(s *options) { s.csv.columns = names }}
}

// Borrow makes a [Records] source use the memory of fields again, too, where items
// are let go (pool.Reduce): what At, Get and Bytes return is then valid only while
// the function that was given the record runs, and strings.Clone is for what is
// kept. A map keeps the key with which an element is assigned, also in place of an
// equal one: look elements up with what is borrowed, assign them with a clone. The
// option saves the garbage collector most of its work. Everywhere else it changes
// nothing.
func Borrow() Option {
	return option{name: "Borrow", only: []string{"Records"}, fn: func(s *options) { s.csv.borrow = true }}
}

// delimiter reports whether encoding/csv would take r for a delimiter, but for
// the quote.
func delimiter(r rune) bool {
	return r != 0 && r != '\r' && r != '\n' && utf8.ValidRune(r) && r != utf8.RuneError
}

// check panics if options of a verb are at odds with each other.
func (s *csvOptions) check(verb string) {
	d := s.dialect
	quote := rune(d.Quote)
	what := ""
	switch {
	case d.Comma == d.Comment:
		what = "Comma and Comment"
	case d.Quote != 0 && d.Comma == quote:
		what = "Comma and Quote"
	case d.Quote != 0 && d.Comment == quote:
		what = "Comment and Quote"
	}
	if what != "" {
		panic("penstock: source." + verb + ": " + what + " are the same")
	}
	if s.columns == nil {
		return
	}
	if s.noHeader {
		panic("penstock: source." + verb + ": Columns needs names, and NoHeader has none")
	}
	if s.names != nil {
		if _, err := pick(s.names, s.columns); err != nil {
			panic("penstock: source." + verb + ": Columns and Header: " + err.Error())
		}
	}
}
