package blocks

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// step is how many bytes are looked at before what was found in them is noted.
const step = 64

// direct splits a block in two steps, as simdjson does with JSON (Langdale and
// Lemire, "Parsing Gigabytes of JSON per Second", VLDB Journal 2019): first the
// places of all separators and newlines outside quotes are noted, without a branch
// that depends on a single byte, then records are made of these, so many for each.
// Records that are not as they should be are split on their own; behind one with a
// misplaced quote all are, as nobody knows any more what is inside quotes.
func (s *splitting) direct() {
	room := max(1024, 2*s.Width) + step
	if len(s.ends) < room {
		s.ends = make([]int32, room)
	}
	ends := s.ends[:room]
	line := 0
	for p, n := 0, 0; p < len(s.block) && !s.lost; {
		for p < len(s.block) && n+step <= len(ends) {
			for found := s.separators(p); found != 0; found &= found - 1 {
				ends[n] = int32(p + bits.TrailingZeros64(found))
				n++
			}
			p += step
		}
		var used int
		used, line = s.records(ends[:n], line)
		n = copy(ends, ends[used:n])
	}
	for line < len(s.block) {
		line = s.single(line)
	}
}

// separators has a bit for each separator and newline outside quotes in the step
// from p.
func (s *splitting) separators(p int) (found uint64) {
	b := s.block[p:]
	var last [step]byte
	if len(b) < step {
		copy(last[:], b)
		b = last[:]
	}
	commas, newlines := eight(byte(s.Comma)), eight('\n')
	for k := 0; k < step; k += 8 {
		x := binary.LittleEndian.Uint64(b[k : k+8])
		c, n := x^commas, x^newlines
		// The top bits of the bytes that are 0 in c or in n, as in zeros.
		m := ^((c&low7 + low7 | c) & (n&low7 + low7 | n)) &^ low7
		found |= m >> 7 * 0x0102040810204080 >> 56 << k // the eight bits side by side
	}
	if s.quotes {
		found &^= s.insides(b)
	}
	return found
}

// insides has a bit for each byte of the step that is inside quotes, or is an
// opening one.
func (s *splitting) insides(b []byte) (in uint64) {
	quotes := eight(s.Quote)
	for k := 0; k < step; k += 8 {
		m := zeros(binary.LittleEndian.Uint64(b[k:k+8]) ^ quotes)
		in |= m >> 7 * 0x0102040810204080 >> 56 << k
	}
	// Each bit becomes the parity of those up to it.
	for shift := 1; shift < step; shift <<= 1 {
		in ^= in << shift
	}
	in ^= s.inside
	s.inside = -(in >> (step - 1))
	return in
}

// records makes records of the places where fields end, as far as they go, from
// the one that begins at line. It returns how many places it used, and where the
// next record begins.
func (s *splitting) records(ends []int32, line int) (used, next int) {
	width := s.Width
	keep := width
	if s.Pick != nil {
		keep = len(s.Pick)
	}
	i := 0
	for {
		for i < len(ends) && int(ends[i]) < line { // a record that was split on its own
			i++
		}
		if i+max(width, 1) > len(ends) || s.lost {
			return i, line
		}
		if width == 0 || !s.regular(ends[i:i+width], line) {
			if bytes.IndexByte(s.block[line:], '\n') < 0 {
				return i, line
			}
			line = s.single(line)
			continue
		}
		if cap(s.Fields)-len(s.Fields) < keep {
			s.Fields = slices.Grow(s.Fields, (len(ends)/width+1)*keep)
		}
		row := ends[i : i+width]
		at := int(row[width-1])
		if !s.note(row, line, keep) {
			line = s.single(line)
			continue
		}
		line = at + 1
		i += width
	}
}

// note takes the record whose fields end there, if the quotes in it are such that
// it can. The places are used up.
func (s *splitting) note(row []int32, line, keep int) bool {
	fields := s.Fields[len(s.Fields) : len(s.Fields)+keep]
	last := len(row) - 1
	at := row[last]
	if s.block[at-1] == '\r' {
		row[last]--
	}
	switch {
	case s.quotes:
		if !s.unquoted(row, line, fields) {
			row[last] = at
			return false
		}
	case s.Pick == nil:
		start := line
		for k, end := range row {
			fields[k] = field(start, int(end))
			start = int(end) + 1
		}
	default:
		for k, c := range s.Pick {
			start := line
			if c > 0 {
				start = int(row[c-1]) + 1
			}
			fields[k] = field(start, int(row[c]))
		}
	}
	if len(s.Null) > 0 {
		s.nulls(fields)
	}
	s.Fields = s.Fields[:len(s.Fields)+keep]
	s.base = len(s.Fields)
	s.Starts = append(s.Starts, int32(line))
	return true
}

// unquoted notes the fields of a record without the quotes around them. It
// reports false if there are others: then something is escaped, or misplaced.
func (s *splitting) unquoted(row []int32, line int, fields []Field) bool {
	b, quotes := s.block, 0
	if len(s.whole) < len(row) {
		s.whole = make([]Field, len(row))
	}
	whole := s.whole[:len(row)]
	start := line
	for k, e := range row {
		from, end := start, int(e)
		start = end + 1
		if end > from && b[from] == s.Quote {
			if end < from+2 || b[end-1] != s.Quote || s.cr && hasByte(b[from:end], '\r') {
				return false
			}
			from, end = from+1, end-1
			quotes += 2
		}
		whole[k] = field(from, end)
	}
	if bytes.Count(b[line:row[len(row)-1]], s.mark[:]) != quotes {
		return false
	}
	if s.Pick == nil {
		copy(fields, whole)
		return true
	}
	for k, c := range s.Pick {
		fields[k] = whole[c]
	}
	return true
}

// regular reports whether the record at line, whose fields may end there, needs
// nothing but to be noted.
func (s *splitting) regular(ends []int32, line int) bool {
	last := len(ends) - 1
	at := int(ends[last])
	for _, end := range ends[:last] {
		if s.block[end] == '\n' {
			return false
		}
	}
	blank := at == line || at == line+1 && s.block[line] == '\r'
	return s.block[at] == '\n' && !blank && at-line <= s.MaxRecord
}

// single splits the record at line, whatever it looks like, and returns where the
// next one begins.
func (s *splitting) single(line int) (next int) {
	if s.quotes {
		return s.singleQuoted(line)
	}
	end, next := len(s.block), len(s.block)
	if i := bytes.IndexByte(s.block[line:], '\n'); i >= 0 {
		end, next = line+i, line+i+1
	}
	if s.base = len(s.Fields); end == line {
		return next
	}
	for start := line; ; {
		i := bytes.IndexByte(s.block[start:end], byte(s.Comma))
		if i < 0 {
			s.Fields = append(s.Fields, field(start, end))
			break
		}
		s.Fields = append(s.Fields, field(start, start+i))
		start += i + 1
	}
	s.line(line, end)
	return next
}
