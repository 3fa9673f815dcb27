package blocks

import "bytes"

// csvState is where in a record a CSV splitter is.
type csvState uint8

const (
	atField    csvState = iota // where a field begins
	inField                    // in a field without quotes
	inQuotes                   // in a quoted field
	afterQuote                 // behind a quote in a quoted field: its end, or half of an escaped one
	afterCR                    // behind that and a carriage return
	broken                     // behind a misplaced quote: the record ends with the line
	atRecord                   // where a record or a comment begins
	inComment
)

// CSV is the Splitter of CSV records: they end at a newline outside quotes. It
// agrees with encoding/csv on what a record is, and on what a record with a
// misplaced quote drags along: the rest of its line.
type CSV struct {
	dialect Dialect
	odd     bool
	comma   []byte
	comment []byte

	// Where the search for the first record's end goes on.
	pos   int
	state csvState
}

// NewDialect returns a splitter for records in a dialect of CSV.
func NewDialect(d Dialect) Splitter {
	s := &CSV{dialect: d, odd: d.odd(), comma: d.comma(), comment: d.comment()}
	if d.Quote == 0 {
		return &Lines{Blank: s.blank}
	}
	s.Reset()
	return s
}

// blank tells a line that is no record.
func (s *CSV) blank(line []byte) bool {
	return BlankCSV(line) || s.comment != nil && bytes.HasPrefix(line, s.comment)
}

// Cut implements Splitter. It counts only what it was told to count.
func (s *CSV) Cut(data []byte, want, records int) (n int, count int64) {
	if s.pos == 0 && s.state == s.start() {
		head := data[:min(want, len(data))]
		switch {
		case records <= 0:
			n, count = s.lastEnd(head), -1
		case !hasByte(head, s.dialect.Quote):
			n, count = countTo(head, want, records, s.blank)
		}
		if n > 0 {
			return n, count
		}
	}
	n, count = s.walk(data, want, records)
	if n > 0 {
		s.Reset()
		if records <= 0 {
			count = -1
		}
	}
	return n, count
}

// walk goes from record to record.
func (s *CSV) walk(data []byte, want, records int) (n int, count int64) {
	for n < want && (records <= 0 || count < int64(records)) {
		end := s.end(data)
		if end < 0 || n > 0 && end > want {
			break
		}
		if s.state != inComment && !BlankCSV(data[n:end-1]) {
			count++
		}
		n = end
		s.pos, s.state = end, s.start()
	}
	return n, count
}

// hops is how many quoted fields back lastEnd looks for a newline.
const hops = 64

// lastEnd is where the last record that ends in head ends, where a record begins
// at head's start. It goes from quote to quote. Zero means that it did not find
// out: a quote is misplaced, or none of many fields ends a record.
func (s *CSV) lastEnd(head []byte) int {
	quote := s.dialect.Quote
	if !s.odd && hasByte(head, quote) {
		return s.hop(head)
	}
	if s.odd && hasByte(head, quote) {
		return 0
	}
	return 1 + bytes.LastIndexByte(head, '\n')
}

// hop is lastEnd where there are quotes.
func (s *CSV) hop(head []byte) int {
	comma, quote := s.comma[0], s.dialect.Quote
	var outside [hops]struct{ from, to int } // the latest parts outside quotes, by their number modulo hops
	parts := 0
	for p := 0; ; {
		i := bytes.IndexByte(head[p:], quote)
		part := &outside[parts%hops]
		parts++
		if i < 0 {
			part.from, part.to = p, len(head)
			break
		}
		part.from, part.to = p, p+i
		if p += i; p > 0 && head[p-1] != comma && head[p-1] != '\n' {
			return 0
		}
		for p++; ; p++ {
			i := bytes.IndexByte(head[p:], quote)
			if i < 0 {
				return latest(head, outside[:], parts)
			}
			if p += i + 1; p == len(head) {
				return latest(head, outside[:], parts)
			}
			if head[p] != quote {
				break
			}
		}
		if c := head[p]; c != comma && c != '\n' && string(head[p:min(p+2, len(head))]) != "\r\n" {
			return 0
		}
	}
	return latest(head, outside[:], parts)
}

// latest is where the line that ends last in the parts of head ends, or 0.
func latest(head []byte, outside []struct{ from, to int }, parts int) int {
	for n := parts - 1; n >= max(0, parts-hops); n-- {
		part := outside[n%hops]
		if i := bytes.LastIndexByte(head[part.from:part.to], '\n'); i >= 0 {
			return part.from + i + 1
		}
	}
	return 0
}

// Count implements Counter.
func (s *CSV) Count(block []byte) (count int64) {
	if !hasByte(block, s.dialect.Quote) {
		return (&Lines{Blank: s.blank}).Count(block)
	}
	c := CSV{dialect: s.dialect, odd: s.odd, comma: s.comma, comment: s.comment}
	c.Reset()
	n, count := c.walk(block, len(block), 0)
	if n < len(block) {
		count += c.Rest(block[n:])
	}
	return count
}

// end looks for the end of the record that the splitter is in, its newline
// included; -1 means that the record goes on after data.
func (s *CSV) end(data []byte) int {
	if s.odd {
		return s.oddEnd(data)
	}
	quote := s.dialect.Quote
	for s.pos < len(data) {
		rest := data[s.pos:]
		switch s.state {
		default:
			if n := s.plain(rest); n >= 0 {
				return s.pos + n
			}
			if s.state <= inField {
				return -1
			}
		case inQuotes:
			i := bytes.IndexByte(rest, quote)
			if i < 0 {
				s.pos = len(data)
				return -1
			}
			s.pos += i + 1
			s.state = afterQuote
		case afterQuote:
			switch rest[0] {
			case '\n':
				return s.pos + 1
			case quote:
				s.pos++
				s.state = inQuotes
			case '\r':
				s.pos++
				s.state = afterCR
			case s.comma[0]:
				s.pos++
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
	q := bytes.IndexByte(line, s.dialect.Quote)
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
	// No newline yet. A comma at the end decides what a quote after it means.
	if n := len(line); n > 0 {
		s.state = inField
		if s.endsField(line) {
			s.state = atField
		}
		s.pos += n
	}
	return -1
}

func (s *CSV) endsField(b []byte) bool { return b[len(b)-1] == s.comma[0] }

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
	if s.blank(data) {
		return 0
	}
	return 1
}

// Open implements Splitter.
func (s *CSV) Open() bool { return s.state == inQuotes }

// Reset implements Splitter.
func (s *CSV) Reset() { s.pos, s.state = 0, s.start() }

// start is the state in which a record begins.
func (s *CSV) start() csvState {
	if s.odd {
		return atRecord
	}
	return atField
}
