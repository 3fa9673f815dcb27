package blocks

import "bytes"

// Lines is the Splitter of records that end at a newline, whatever else they
// hold.
type Lines struct {
	// Blank tells lines that are no records; with nil there are none.
	Blank func(line []byte) bool

	scanned int // so many bytes of the first record are known to hold no newline
}

// Cut implements Splitter. It counts only what it was told to count.
func (s *Lines) Cut(data []byte, want, records int) (n int, count int64) {
	if records <= 0 {
		if n = 1 + bytes.LastIndexByte(data[:min(want, len(data))], '\n'); n > 0 {
			s.scanned = 0
			return n, -1
		}
	}
	if n = s.firstEnd(data); n < 0 {
		return 0, 0
	} else if records <= 0 {
		return n, -1
	}
	return countTo(data, want, records, s.Blank)
}

// firstEnd is where the first line ends, its newline included, or -1.
func (s *Lines) firstEnd(data []byte) int {
	i := bytes.IndexByte(data[s.scanned:], '\n')
	if i < 0 {
		s.scanned = len(data)
		return -1
	}
	i += s.scanned + 1
	s.scanned = 0
	return i
}

// Count implements Counter.
func (s *Lines) Count(block []byte) (count int64) {
	if s.Blank == nil {
		count = int64(bytes.Count(block, []byte{'\n'}))
		if n := len(block); n > 0 && block[n-1] != '\n' {
			count++
		}
		return count
	}
	for line := range bytes.Lines(block) {
		if !s.Blank(bytes.TrimSuffix(line, []byte{'\n'})) {
			count++
		}
	}
	return count
}

// countTo passes over the whole lines of data: at least one, no more than want
// bytes of them, and with records > 0 no more records than that.
func countTo(data []byte, want, records int, blank func([]byte) bool) (n int, count int64) {
	for records <= 0 || count < int64(records) {
		i := bytes.IndexByte(data[n:], '\n')
		if i < 0 || n > 0 && n+i+1 > want {
			break
		}
		if blank == nil || !blank(data[n:n+i]) {
			count++
		}
		n += i + 1
	}
	return n, count
}

// Skip implements Splitter.
func (s *Lines) Skip(data []byte) (n int, ended bool) {
	i := s.firstEnd(data)
	if i < 0 {
		s.scanned = 0
		return len(data), false
	}
	return i, true
}

// Rest implements Splitter.
func (s *Lines) Rest(data []byte) int64 {
	s.scanned = 0
	if s.Blank != nil && s.Blank(data) {
		return 0
	}
	return 1
}

// Open implements Splitter.
func (s *Lines) Open() bool { return false }

// Reset implements Splitter.
func (s *Lines) Reset() { s.scanned = 0 }

// BlankJSON tells a line of nothing but JSON's white space.
func BlankJSON(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// BlankCSV tells a line that encoding/csv passes over: an empty one.
func BlankCSV(line []byte) bool {
	return len(line) == 0 || len(line) == 1 && line[0] == '\r'
}
