package rotation

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
)

// kind is how a rotated file is named after the one that it was.
type kind uint8

const (
	text   kind = iota // app.log.old: nothing tells the order
	number             // app.log.1, app.1.log: of at most three digits
	stamp              // app.log-20260131, app-2026-01-31T10-00-00.log: whatever else has digits
)

// name is what a file's name says of its place among the rotated files.
type name struct {
	kind       kind
	runs       []string // the digits, run by run, without leading zeros
	compressed bool
}

// compressed are the endings that compressors add.
var compressed = []string{".gz", ".zst", ".bz2", ".xz", ".lz4", ".br", ".Z", ".zip"} //nolint:gochecknoglobals // a constant

// between is what may stand between a file's name and what rotation adds.
const between = ".-_~"

// Scheme tells the rotated files of one file from others by their names.
type Scheme struct {
	Base    string // the file's own name
	Pattern string // of rotated files' names; "" for the usual ones
	Link    bool   // the file is what a link points to: those before may differ in their digits only
}

// parse reads a file's name. ok says that it is one of a rotated file.
func (s Scheme) parse(file string) (n name, ok bool) {
	bare := file
	for _, end := range compressed {
		if cut, found := strings.CutSuffix(file, end); found {
			bare, n.compressed = cut, true
			break
		}
	}
	added, ok := s.added(bare)
	if !ok || bare == s.Base && !n.compressed {
		return n, false
	}
	added = strings.Trim(added, between)
	n.runs = digits(added)
	switch {
	case len(n.runs) == 0:
	case len(added) <= 3 && strings.Trim(added, "0123456789") == "":
		n.kind = number
	default:
		n.kind = stamp
	}
	return n, true
}

// added is what a name has beside that of the file.
func (s Scheme) added(file string) (added string, ok bool) {
	if s.Pattern != "" {
		ok, err := filepath.Match(s.Pattern, file)
		const special = `*?[\`
		from, to := strings.IndexAny(s.Pattern, special), strings.LastIndexAny(s.Pattern, special+"]")
		if !ok || err != nil || from < 0 {
			return "", ok && err == nil
		}
		return file[min(from, len(file)):max(min(from, len(file)), len(file)-(len(s.Pattern)-to-1))], true
	}
	if rest, found := strings.CutPrefix(file, s.Base); found {
		return rest, rest == "" || strings.ContainsRune(between, rune(rest[0]))
	}
	ext := filepath.Ext(s.Base)
	if rest, found := strings.CutPrefix(file, strings.TrimSuffix(s.Base, ext)); found && ext != "" {
		middle, found := strings.CutSuffix(rest, ext)
		if found && len(middle) > 1 && strings.ContainsRune(between, rune(middle[0])) && middle[1] >= '0' && middle[1] <= '9' {
			return middle, true
		}
	}
	older := s.Link && outline(file) == outline(s.Base) && compare(digits(file), digits(s.Base)) < 0
	return file, older
}

// digits are the runs of digits in a text, without leading zeros.
func digits(text string) []string {
	runs := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	for i := range runs {
		runs[i] = strings.TrimLeft(runs[i], "0")
	}
	return runs
}

// outline is a text with its runs of digits left out.
func outline(text string) string {
	var b strings.Builder
	in := false
	for _, r := range text {
		digit := r >= '0' && r <= '9'
		switch {
		case !digit:
			b.WriteRune(r)
		case !in:
			b.WriteByte('0')
		}
		in = digit
	}
	return b.String()
}

// compare orders runs of digits by their values, one after the other.
func compare(a, b []string) int {
	return slices.CompareFunc(a, b, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

// compare orders two names of one kind.
func (n name) compare(other name) int { return compare(n.runs, other.runs) }

// value is the number of a name of that kind.
func (n name) value() (v int) {
	for _, c := range n.runs[0] {
		v = 10*v + int(c-'0')
	}
	return v
}
