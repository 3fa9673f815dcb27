package blocks

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// step is how many bytes are looked at before what was found in them is noted.
const step = 64

// direct splits a block without quotes in two steps, as simdjson does with JSON
// (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", VLDB Journal
// 2019): first the places of all separators and newlines are noted, without a
// branch that depends on a single byte, then records are made of these, so many
// for each. Records that are not as they should be are split on their own.
func (s *splitting) direct() {
	room := max(1024, 2*s.Width) + step
	if len(s.ends) < room {
		s.ends = make([]int32, room)
	}
	ends := s.ends[:room]
	line := 0
	for p, n := 0, 0; p < len(s.block); {
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

// separators has a bit for each separator and newline in the step from p.
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
	return found
}

// records makes records of the places where fields end, as far as they go, from
// the one that begins at line. It returns how many places it used, and where the
// next record begins.
func (s *splitting) records(ends []int32, line int) (used, next int) {
	b, width, pick := s.block, s.Width, s.Pick
	keep := width
	if pick != nil {
		keep = len(pick)
	}
	i := 0
	for {
		for i < len(ends) && int(ends[i]) < line { // a record that was split on its own
			i++
		}
		if i+max(width, 1) > len(ends) {
			return i, line
		}
		if width == 0 || !s.regular(ends[i:i+width], line) {
			if bytes.IndexByte(b[line:], '\n') < 0 {
				return i, line
			}
			line = s.single(line)
			continue
		}
		row := ends[i : i+width]
		at := int(row[width-1])
		if b[at-1] == '\r' {
			row[width-1]--
		}
		if cap(s.Fields)-len(s.Fields) < keep {
			s.Fields = slices.Grow(s.Fields, (len(ends)/width+1)*keep)
		}
		fields := s.Fields[len(s.Fields) : len(s.Fields)+keep]
		if pick == nil {
			start := line
			for k, end := range row {
				fields[k] = field(start, int(end))
				start = int(end) + 1
			}
		} else {
			for k, c := range pick {
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
		line = at + 1
		i += width
	}
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
