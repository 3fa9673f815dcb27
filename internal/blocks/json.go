package blocks

import "strings"

// JSON is the Splitter of the elements of a JSON array: a record is an element
// with the bracket or comma before it. What is valid JSON it leaves to whoever
// decodes the elements; it knows brackets, commas and strings. What the input's
// end leaves is a record only if it is not the end of the array; that record is
// none: the array is cut off, or something follows it.
type JSON struct {
	begun bool // a record was found
	torn  bool // the last record was what the end left

	// Where the search for the first record's end goes on.
	pos    int
	depth  int  // brackets open in the element
	opened byte // the bracket or comma before pos that the record begins with
	filled bool // there is something of the element
	quoted bool // in a string
	over   bool // behind the array, or there is none
}

// Cut implements Splitter.
func (s *JSON) Cut(data []byte, want, records int) (n int, count int64) {
	for n < want && (records <= 0 || count < int64(records)) {
		end := s.end(data)
		if end < 0 || n > 0 && end > want {
			break
		}
		n = end
		count++
		s.next(end)
	}
	if n > 0 {
		s.next(0)
	}
	return n, count
}

// next begins with the record at pos.
func (s *JSON) next(pos int) { *s = JSON{begun: true, pos: pos} }

// end looks for the end of the record that the splitter is in: where the comma or
// bracket behind it is; -1 means that the record goes on after data.
func (s *JSON) end(data []byte) int {
	if s.over {
		return -1
	}
	for ; s.pos < len(data); s.pos++ {
		c := data[s.pos]
		switch {
		case s.quoted:
			switch c {
			case '\\':
				if s.pos+1 == len(data) {
					return -1
				}
				s.pos++
			case '"':
				s.quoted = false
			}
		case c == ' ' || c == '\n' || c == '\r' || c == '\t':
		case s.opened == 0:
			if c != ',' && c != '[' {
				s.over = true
				return -1
			}
			s.opened = c
		case s.depth == 0 && c == ']' && !s.filled && s.opened == '[':
			s.over = true // an empty array
			return -1
		case s.depth == 0 && (c == ']' || c == ','):
			return s.pos
		default:
			s.filled = true
			switch c {
			case '"':
				s.quoted = true
			case '[', '{':
				s.depth++
			case ']', '}':
				s.depth = max(0, s.depth-1)
			}
		}
	}
	return -1
}

// resume begins with a record that is not the first, at the second byte of the
// seam: at its comma, or at the element behind that, where a part of a block began.
// It returns how many bytes at the seam's end the record has, 0 if none can begin
// there. What was between the comma and the element becomes the comma.
func (s *JSON) resume(seam *[2]byte) int {
	s.next(0)
	switch {
	case seam[1] == ',':
		return 1
	case spaceJSON(seam[1]):
		seam[1] = ','
		return 1
	case seam[0] == ',' || spaceJSON(seam[0]):
		seam[0] = ','
		return 2
	}
	return 0
}

// Skip implements Splitter.
func (s *JSON) Skip(data []byte) (n int, ended bool) {
	if end := s.end(data); end >= 0 {
		s.next(0)
		return end, true
	}
	if s.over {
		return len(data), false
	}
	n, s.pos = s.pos, 0
	return n, false
}

// Rest implements Splitter.
func (s *JSON) Rest(data []byte) int64 {
	rest := strings.Trim(string(data), " \t\r\n")
	if !s.begun {
		if rest == "" {
			return 0
		}
		if after, ok := strings.CutPrefix(rest, "["); ok {
			rest = strings.TrimLeft(after, " \t\r\n")
		} else {
			rest = ""
		}
	}
	if rest == "]" {
		return 0
	}
	s.torn = true
	return 1
}

// Torn reports whether the last record that was handed on is what the input's
// end left.
func (s *JSON) Torn() bool { return s.torn }

// Open implements Splitter.
func (s *JSON) Open() bool { return false }

// Reset implements Splitter.
func (s *JSON) Reset() { *s = JSON{} }

// Element is how many bytes of block, where a record of a JSON array begins, that
// record is, and where in it the element is.
func Element(block []byte) (n, from, to int) {
	var s JSON
	if n = s.end(block); n < 0 {
		n = len(block)
	}
	from, to = 0, n
	for from < to && spaceJSON(block[from]) {
		from++
	}
	if from < to {
		from++ // the bracket or comma
	}
	for from < to && spaceJSON(block[from]) {
		from++
	}
	for from < to && spaceJSON(block[to-1]) {
		to--
	}
	return n, from, to
}

func spaceJSON(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
