package blocks

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"math/bits"
)

// Eight bytes are looked at in one step: zeros(x ^ eight(c)) has the top bit of
// each byte of x that is c, and no other.
const (
	ones = 0x0101010101010101
	low7 = 0x7f7f7f7f7f7f7f7f
)

func eight(c byte) uint64 { return ones * uint64(c) }

func zeros(x uint64) uint64 { return ^((x&low7 + low7) | x | low7) }

func hasByte(b []byte, c byte) bool { return bytes.IndexByte(b, c) >= 0 }

// lastBytes are fewer than eight bytes and zeros.
func lastBytes(b []byte) uint64 {
	var last [8]byte
	copy(last[:], b)
	return binary.LittleEndian.Uint64(last[:])
}

// line takes the record without quotes that is the line block[at:end].
func (s *splitting) line(at, end int) {
	size := end - at
	if BlankCSV(s.block[at:end]) {
		s.Fields = s.Fields[:s.base]
		return
	}
	if s.block[end-1] == '\r' {
		end--
		last := len(s.Fields) - 1
		s.Fields[last] = field(s.Fields[last].Start(), end)
	}
	s.done(at, end, size, nil)
}

// singleQuoted splits the record at p of a block with quotes, and returns where
// the next one begins.
func (s *splitting) singleQuoted(p int) (next int) {
	s.base = len(s.Fields)
	fields, end, next, err := s.record(s.Fields, p)
	s.Fields = fields
	if err == nil && end == p { // a blank line
		s.Fields = s.Fields[:s.base]
		return next
	}
	s.lost = s.lost || err != nil
	s.done(p, end, s.size(p, next), err)
	return next
}

// size is how long the record block[at:next] is without its newline.
func (s *splitting) size(at, next int) int {
	if s.block[next-1] == '\n' {
		next--
	}
	return next - at
}

// record splits the record at p, which ends at end; the next one begins at next.
func (s *splitting) record(fields []Field, p int) (out []Field, end, next int, err error) {
	b, comma, quote := s.block, byte(s.Comma), s.Quote
	commas, newlines, quotes := eight(comma), eight('\n'), eight(quote)
	for {
		if p < len(b) && b[p] == quote {
			start := p + 1
			closed, escaped := closing(b, start, quote)
			if closed < 0 {
				return fields, len(b), len(b), ErrOpenQuote
			}
			p = closed + 1
			if escaped || s.cr {
				fields = append(fields, s.unescaped(start, p-1, escaped))
			} else {
				fields = append(fields, field(start, p-1))
			}
			if p < len(b) && b[p] == comma {
				p++
				continue
			}
			if end, next = s.lineEnd(p); end != p {
				err = csv.ErrQuote
			}
			return fields, end, next, err
		}
		start := p
		for p < len(b) {
			var x uint64
			if p+8 <= len(b) {
				x = binary.LittleEndian.Uint64(b[p:])
			} else {
				x = lastBytes(b[p:])
			}
			if found := zeros(x^commas) | zeros(x^newlines) | zeros(x^quotes); found != 0 {
				p += bits.TrailingZeros64(found) >> 3
				break
			}
			p = min(p+8, len(b))
		}
		if p < len(b) && b[p] == comma {
			fields = append(fields, field(start, p))
			p++
			continue
		}
		if p < len(b) && b[p] == quote {
			end, next = s.lineEnd(p)
			return fields, end, next, csv.ErrBareQuote
		}
		end, next = p, min(p+1, len(b))
		if end > start && b[end-1] == '\r' {
			end--
		}
		return append(fields, field(start, end)), end, next, nil
	}
}

// closing is where the quote is that ends the field at p, or -1, and whether there
// are doubled ones before it.
func closing(b []byte, p int, quote byte) (at int, escaped bool) {
	for {
		i := bytes.IndexByte(b[p:], quote)
		if i < 0 {
			return -1, escaped
		}
		if p += i + 1; p == len(b) || b[p] != quote {
			return p - 1, escaped
		}
		escaped = true
		p++
	}
}

// lineEnd is where the line that p is in ends, and where the next begins.
func (s *splitting) lineEnd(p int) (end, next int) {
	end, next = len(s.block), len(s.block)
	if i := bytes.IndexByte(s.block[p:], '\n'); i >= 0 {
		end, next = p+i, p+i+1
	}
	if end > p && s.block[end-1] == '\r' {
		end--
	}
	return end, next
}
