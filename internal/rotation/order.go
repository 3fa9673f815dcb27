package rotation

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// Past is what was seen of a folder while the file that is looked from was still
// under its own name: what stood beside it then is older.
type Past struct{ Siblings []Sibling }

// knows reports whether s was there.
func (p *Past) knows(s *Sibling) bool { return Known(p.Siblings, s) }

// After finds the files that came after all[from] and were rotated away as well,
// the oldest first. why is not empty if it cannot be told for sure that those are
// all; it says what is in doubt. from < 0 stands for a file that is not among them: what
// past does not know is taken to be newer then. A nil past says that nothing was
// seen, and from is not negative.
//
// Numbers grow with a file's age, unless past shows that it is the other way round;
// without a past, modification times must not contradict. Other digits are taken for
// dates, which grow with time.
func After(all []Sibling, from int, past *Past) (next []Sibling, why string) {
	if from < 0 {
		return unknown(all, past)
	}
	f := all[from]
	peers := ranked(all, f.name.kind)
	at := slices.IndexFunc(peers, func(s Sibling) bool { return s.name.compare(f.name) == 0 })
	next = peers[at+1:]
	switch f.name.kind {
	case text:
		return nil, ""
	case stamp:
		next = slices.DeleteFunc(slices.Clone(next), func(s Sibling) bool { return past != nil && past.knows(&s) })
	case number:
		if past != nil && contradicted(peers, at, past) {
			slices.Reverse(peers)
			at = len(peers) - 1 - at
			next = peers[at+1:]
			if contradicted(peers, at, past) {
				next = slices.DeleteFunc(plain(next), func(s Sibling) bool { return past.knows(&s) })
				return next, contradiction
			}
			why = missing(peers[at:], +1)
		} else if past == nil && !inTime(peers) {
			return plain(next), outOfTime
		} else {
			why = missing(peers[at:], -1)
		}
	}
	return plain(next), cmp.Or(why, anyCompressed(next))
}

// anyCompressed says which of the files is compressed, if one is.
func anyCompressed(files []Sibling) string {
	for i := range files {
		if files[i].Compressed() {
			return filepath.Base(files[i].Path) + " is compressed"
		}
	}
	return ""
}

// unknown are the files that were not there before.
func unknown(all []Sibling, past *Past) (next []Sibling, why string) {
	for _, k := range []kind{text, stamp, number} {
		peers := ranked(all, k)
		isNew := func(s Sibling) bool { return !s.Compressed() && !past.knows(&s) }
		at := slices.IndexFunc(peers, isNew)
		if at < 0 {
			continue
		}
		if k == number && !isNew(peers[len(peers)-1]) { // perhaps numbers grow with time
			slices.Reverse(peers)
			at = slices.IndexFunc(peers, isNew)
			why = missing(peers[at:], +1)
		} else if k == number {
			why = missing(peers[at:], -1)
			if at == 0 && !inTime(peers) {
				why = outOfTime
			}
		}
		fresh := slices.DeleteFunc(slices.Clone(peers[at:]), func(s Sibling) bool { return !isNew(s) })
		switch {
		case len(next) > 0 || k == text && len(fresh) > 1:
			why = "nothing tells in which order the files beside it came"
		case len(fresh) < len(peers)-at:
			why = cmp.Or(anyCompressed(peers[at:]), contradiction)
		}
		next = append(next, fresh...)
	}
	return next, why
}

const (
	contradiction = "the names of the files in its folder contradict what was there before"
	outOfTime     = "the names of the files in its folder contradict the times of their last changes"
)

// ranked are the files with names of a kind, the oldest first. Of a file and its
// compressed form there is only one.
func ranked(all []Sibling, k kind) []Sibling {
	peers := slices.DeleteFunc(slices.Clone(all), func(s Sibling) bool { return s.name.kind != k })
	slices.SortStableFunc(peers, func(a, b Sibling) int {
		switch order := a.name.compare(b.name); {
		case order == 0 && a.Compressed() != b.Compressed():
			if a.Compressed() {
				return 1
			}
			return -1
		case k == number:
			return -order
		default:
			return order
		}
	})
	if k == text {
		return peers
	}
	return slices.CompactFunc(peers, func(a, b Sibling) bool {
		return a.name.compare(b.name) == 0 && b.Compressed()
	})
}

// contradicted reports whether what was seen before shows that the files before
// peers[at] are not all older, or those behind it not all newer. Compressing makes
// other files, which show nothing.
func contradicted(peers []Sibling, at int, past *Past) bool {
	for i := range peers {
		if i != at && !peers[i].Compressed() && past.knows(&peers[i]) != (i < at) {
			return true
		}
	}
	return false
}

// inTime reports whether no file was changed last before an older one was.
func inTime(peers []Sibling) bool {
	var last time.Time
	for i := range peers {
		if peers[i].Compressed() {
			continue
		}
		if t := peers[i].Info.ModTime(); t.Before(last) {
			return false
		} else if t.After(last) {
			last = t
		}
	}
	return true
}

// missing says which number there is none of, going step by step from the oldest.
// Where numbers fall, the last one is 1, or 0.
func missing(peers []Sibling, step int) string {
	want := peers[0].name.value()
	for i := range peers {
		if got := peers[i].name.value(); got != want {
			return fmt.Sprintf("there is %s and none with the number %d", filepath.Base(peers[i].Path), want)
		}
		want += step
	}
	if last := peers[len(peers)-1]; step < 0 && want > 0 {
		return fmt.Sprintf("there is %s and none with the number %d", filepath.Base(last.Path), want)
	}
	return ""
}

// plain are those that are not compressed.
func plain(siblings []Sibling) []Sibling {
	return slices.DeleteFunc(slices.Clone(siblings), func(s Sibling) bool { return s.Compressed() })
}
