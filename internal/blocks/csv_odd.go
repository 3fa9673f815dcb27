package blocks

import (
	"bytes"
	"encoding/csv"
	"unicode"
	"unicode/utf8"
)

// oddEnd is end in a dialect that asks for more. It looks at each byte.
func (s *CSV) oddEnd(data []byte) int {
	for s.pos < len(data) {
		rest := data[s.pos:]
		switch s.state {
		case atRecord:
			switch begun, whole := begins(rest, s.comment); {
			case whole:
				s.state = inComment
			case begun:
				return -1
			default:
				s.state = atField
			}
		case inComment, broken:
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				s.pos = len(data)
				return -1
			}
			return s.pos + i + 1
		case atField:
			if rest[0] == '\n' {
				return s.pos + 1
			}
			if s.dialect.Trim {
				if !utf8.FullRune(rest) {
					return -1
				}
				if r, size := utf8.DecodeRune(rest); unicode.IsSpace(r) {
					s.pos += size
					continue
				}
			}
			s.state = inField
			if rest[0] == s.dialect.Quote {
				s.pos++
				s.state = inQuotes
			}
		case inField:
			switch begun, whole := begins(rest, s.comma); {
			case rest[0] == '\n':
				return s.pos + 1
			case whole:
				s.pos += len(s.comma)
				s.state = atField
			case begun:
				return -1
			case rest[0] == s.dialect.Quote && !s.dialect.Lazy:
				s.state = broken
			default:
				s.pos++
			}
		case inQuotes:
			i := bytes.IndexByte(rest, s.dialect.Quote)
			if i < 0 {
				s.pos = len(data)
				return -1
			}
			s.pos += i + 1
			s.state = afterQuote
		case afterQuote:
			switch begun, whole := begins(rest, s.comma); {
			case rest[0] == s.dialect.Quote:
				s.pos++
				s.state = inQuotes
			case whole:
				s.pos += len(s.comma)
				s.state = atField
			case begun:
				return -1
			case rest[0] == '\n':
				return s.pos + 1
			case rest[0] == '\r':
				s.pos++
				s.state = afterCR
			default:
				s.misplaced()
			}
		case afterCR:
			if rest[0] == '\n' {
				return s.pos + 1
			}
			s.misplaced()
		}
	}
	return -1
}

// misplaced goes on behind a quote that does not end its field.
func (s *CSV) misplaced() {
	s.state = broken
	if s.dialect.Lazy {
		s.state = inQuotes
	}
}

// begins reports whether data begins with what, or is too short to tell.
func begins(data, what []byte) (begun, whole bool) {
	if len(what) == 0 {
		return false, false
	}
	n := min(len(data), len(what))
	begun = bytes.Equal(data[:n], what[:n])
	return begun, begun && n == len(what)
}

// odd splits a block in a dialect that asks for more, as encoding/csv does it.
func (s *splitting) odd() {
	s.cr = true
	comma, comment := s.comma(), s.comment()
	for p := 0; p < len(s.block); {
		end, next := s.lineEnd(p)
		line := s.block[p:next]
		if end == p || comment != nil && bytes.HasPrefix(line, comment) {
			p = next
			continue
		}
		end, next, err := s.oddRecord(p, comma)
		s.done(p, end, s.size(p, next), err)
		p = next
	}
}

// Record splits the record at the start of block into fields: copies. n is how
// many bytes it is with its line end, with an error too. A blank line or a comment
// has no fields.
func (d *Dialect) Record(block []byte) (fields []string, n int, err error) {
	s := splitting{Columns: &Columns{Dialect: *d}, Table: new(Table), block: block, cr: true}
	end, n := s.lineEnd(0)
	if comment := d.comment(); end == 0 || comment != nil && bytes.HasPrefix(block, comment) {
		return nil, n, nil
	}
	_, n, err = s.oddRecord(0, d.comma())
	if err != nil {
		return nil, n, err
	}
	for _, f := range s.Fields {
		fields = append(fields, string(s.text(f)))
	}
	return fields, n, nil
}

// oddRecord is record in any dialect.
func (s *splitting) oddRecord(p int, comma []byte) (end, next int, err error) {
	b := s.block
	end, next = s.lineEnd(p)
	for {
		if s.Trim {
			p += spaces(b[p:end])
		}
		if s.Quote == 0 || p >= end || b[p] != s.Quote {
			rest := b[p:end]
			i := bytes.Index(rest, comma)
			text := rest
			if i >= 0 {
				text = rest[:i]
			}
			if !s.Lazy && s.Quote != 0 && hasByte(text, s.Quote) {
				return end, next, csv.ErrBareQuote
			}
			s.Fields = append(s.Fields, field(p, p+len(text)))
			if i < 0 {
				return end, next, nil
			}
			p += i + len(comma)
			continue
		}
		p++
		start, escaped, closed := p, false, false
		for !closed {
			i := bytes.IndexByte(b[p:], s.Quote)
			if i < 0 {
				if !s.Lazy {
					return len(b), len(b), ErrOpenQuote
				}
				p = len(b)
				if p > start && b[p-1] == '\r' {
					p--
				}
				s.Fields = append(s.Fields, s.unescaped(start, p, true))
				return p, len(b), nil
			}
			p += i + 1
			end, next = s.lineEnd(p)
			switch rest := b[p:end]; {
			case len(rest) > 0 && rest[0] == s.Quote:
				escaped = true
				p++
			case bytes.HasPrefix(rest, comma):
				s.Fields = append(s.Fields, s.unescaped(start, p-1, escaped))
				p += len(comma)
				closed = true
			case len(rest) == 0:
				s.Fields = append(s.Fields, s.unescaped(start, p-1, escaped))
				return end, next, nil
			case !s.Lazy:
				return end, next, csv.ErrQuote
			}
		}
	}
}
