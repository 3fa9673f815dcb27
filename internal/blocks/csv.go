package blocks

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"unicode/utf8"
)

// csvState is where in a record a CSV splitter is.
type csvState uint8

const (
	atField    csvState = iota // where a field begins
	inField                    // in a field without quotes
	inQuotes                   // in a quoted field
	afterQuote                 // behind a quote in a quoted field: its end, or half of an escaped one
	afterCR                    // behind that and a carriage return
	broken                     // behind a misplaced quote: the record ends with the line
)

// CSV is the Splitter of CSV records: they end at a newline outside quotes. It
// agrees with encoding/csv on what a record is, and on what a record with a
// misplaced quote drags along: the rest of its line.
type CSV struct {
	comma []byte

	// Where the search for the first record's end goes on.
	pos   int
	state csvState
}

// NewCSV returns a splitter for fields that are separated by comma.
func NewCSV(comma rune) *CSV { return &CSV{comma: utf8.AppendRune(nil, comma)} }

// Cut implements Splitter.
func (s *CSV) Cut(data []byte, want, records int) (n int, count int64) {
	if s.pos == 0 && s.state == atField {
		head := data[:min(want, len(data))]
		if bytes.IndexByte(head, '"') < 0 {
			n, count = countTo(head, want, records, BlankCSV)
			if n > 0 {
				return n, count
			}
		}
	}
	for n < want && (records <= 0 || count < int64(records)) {
		end := s.end(data)
		if end < 0 || n > 0 && end > want {
			break
		}
		if !BlankCSV(data[n : end-1]) {
			count++
		}
		n = end
		s.pos, s.state = end, atField
	}
	if n > 0 {
		s.Reset()
	}
	return n, count
}

// end looks for the end of the record that the splitter is in, its newline
// included; -1 means that the record goes on after data.
func (s *CSV) end(data []byte) int {
	for s.pos < len(data) {
		rest := data[s.pos:]
		switch s.state {
		case atField, inField:
			if n := s.plain(rest); n >= 0 {
				return s.pos + n
			}
			if s.state <= inField {
				return -1
			}
		case inQuotes:
			i := bytes.IndexByte(rest, '"')
			if i < 0 {
				s.pos = len(data)
				return -1
			}
			s.pos += i + 1
			s.state = afterQuote
		case afterQuote:
			switch {
			case rest[0] == '\n':
				return s.pos + 1
			case rest[0] == '"':
				s.pos++
				s.state = inQuotes
			case rest[0] == '\r':
				s.pos++
				s.state = afterCR
			case bytes.HasPrefix(s.comma, rest[:min(len(rest), len(s.comma))]):
				if len(rest) < len(s.comma) {
					return -1 // half a comma
				}
				s.pos += len(s.comma)
				s.state = atField
			default:
				s.state = broken
			}
		case afterCR:
			if rest[0] == '\n' {
				return s.pos + 1
			}
			s.state = broken
		case broken:
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				s.pos = len(data)
				return -1
			}
			return s.pos + i + 1
		}
	}
	return -1
}

// plain goes on outside quotes, where rest begins at s.pos. It returns the
// record's length from there, or -1 when it met a quote or the end of the data.
func (s *CSV) plain(rest []byte) int {
	line := rest
	end := bytes.IndexByte(rest, '\n')
	if end >= 0 {
		line = rest[:end]
	}
	q := bytes.IndexByte(line, '"')
	switch {
	case q >= 0:
		first := q == 0 && s.state == atField || q > 0 && s.endsField(line[:q])
		s.pos += q + 1
		s.state = broken
		if first {
			s.state = inQuotes
		}
		return -1
	case end >= 0:
		return end + 1
	}
	// No newline yet. A comma at the end, or half of one, decides what a quote
	// after it means.
	n := len(line)
	if !s.endsField(line) {
		n = max(0, n-len(s.comma)+1)
	}
	if n > 0 {
		s.state = inField
		if s.endsField(line[:n]) {
			s.state = atField
		}
		s.pos += n
	}
	return -1
}

func (s *CSV) endsField(b []byte) bool { return bytes.HasSuffix(b, s.comma) }

// Skip implements Splitter.
func (s *CSV) Skip(data []byte) (n int, ended bool) {
	if end := s.end(data); end >= 0 {
		s.Reset()
		return end, true
	}
	n, s.pos = s.pos, 0
	return n, false
}

// Rest implements Splitter.
func (s *CSV) Rest(data []byte) int64 {
	s.Reset()
	if BlankCSV(data) {
		return 0
	}
	return 1
}

// Open implements Splitter.
func (s *CSV) Open() bool { return s.state == inQuotes }

// Reset implements Splitter.
func (s *CSV) Reset() { s.pos, s.state = 0, atField }

// ErrOpenQuote says that a quoted field goes on to the end of the input.
var ErrOpenQuote = fmt.Errorf("a quote is never closed: %w", csv.ErrQuote)

// Record splits the CSV record at the start of s, which is whole, into fields.
// They are appended to fields[:0] and are parts of s wherever nothing in them is
// escaped. It returns also how many bytes of s the record is, which holds for a
// record with an error too, and how many of those are its line end. A blank line
// is a record without fields.
//
// What it accepts, and the errors, are those of encoding/csv, with ErrOpenQuote
// for one of them.
func Record(s, comma string, fields []string) (out []string, n int, err error) {
	fields = fields[:0]
	for pos := 0; ; {
		line, next := physicalLine(s, pos)
		if pos == 0 && line == "" {
			return fields, next, nil
		}
		if line == "" || line[0] != '"' {
			field, rest, more := strings.Cut(line, comma)
			if strings.IndexByte(field, '"') >= 0 {
				return fields, next, csv.ErrBareQuote
			}
			fields = append(fields, field)
			if !more {
				return fields, next, nil
			}
			pos += len(line) - len(rest)
			if strings.IndexByte(rest, '"') < 0 {
				return appendSplit(fields, rest, comma), next, nil
			}
			continue
		}
		field, end, err := quoted(s, pos)
		if err != nil {
			return fields, len(s), err
		}
		line, next = physicalLine(s, end)
		fields = append(fields, field)
		switch {
		case line == "":
			return fields, next, nil
		case !strings.HasPrefix(line, comma):
			return fields[:len(fields)-1], next, csv.ErrQuote
		}
		pos = end + len(comma)
	}
}

// appendSplit appends the fields of a line without quotes.
func appendSplit(fields []string, line, comma string) []string {
	for {
		field, rest, more := strings.Cut(line, comma)
		fields = append(fields, field)
		if !more {
			return fields
		}
		line = rest
	}
}

// physicalLine is what is left of the line at pos, without its end, and where
// the next one begins.
func physicalLine(s string, pos int) (line string, next int) {
	line, next = s[pos:], len(s)
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line, next = line[:i], pos+i+1
	}
	return strings.TrimSuffix(line, "\r"), next
}

// quoted is the quoted field at pos, and where it ends.
func quoted(s string, pos int) (field string, end int, err error) {
	pos++
	escaped := false
	for p := pos; ; {
		i := strings.IndexByte(s[p:], '"')
		if i < 0 {
			return "", 0, ErrOpenQuote
		}
		p += i + 1
		if p < len(s) && s[p] == '"' {
			escaped = true
			p++
			continue
		}
		field, end = s[pos:p-1], p
		break
	}
	if escaped {
		field = strings.ReplaceAll(field, `""`, `"`)
	}
	if strings.IndexByte(field, '\r') >= 0 {
		field = strings.ReplaceAll(field, "\r\n", "\n")
	}
	return field, end, nil
}
