package checkpoint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ChangedError says that a saved state is not of the pipeline that there is now.
type ChangedError struct {
	// Differences are what changed, a line each, in words for the user.
	Differences []string
}

// Error implements error.
func (e *ChangedError) Error() string {
	return "checkpoint: the pipeline has changed since: " + strings.Join(e.Differences, "; ")
}

// Compare compares what must not change between the run that saved s and the one
// that is to go on from it: the pipeline's name, its topology, and the names and
// fingerprints of its sources. It returns nil or a *ChangedError that names every
// difference. Fingerprints are compared as JSON values, member by member; the
// form in which they are written does not matter.
func (s State) Compare(now State) error {
	var d []string
	if s.Pipeline != now.Pipeline {
		d = append(d, fmt.Sprintf("the pipeline was %q, is %q", s.Pipeline, now.Pipeline))
	}
	d = append(d, s.Topology.compare(now.Topology)...)
	for i := range max(len(s.Sources), len(now.Sources)) {
		switch {
		case i >= len(now.Sources):
			d = append(d, fmt.Sprintf("source %d: %s: is gone", i+1, s.Sources[i].Name))
		case i >= len(s.Sources):
			d = append(d, fmt.Sprintf("source %d: %s: is new", i+1, now.Sources[i].Name))
		default:
			d = append(d, s.Sources[i].compare(i+1, now.Sources[i])...)
		}
	}
	if d == nil {
		return nil
	}
	return &ChangedError{d}
}

func (t Topology) compare(now Topology) []string {
	if slices.Equal(t.Stages, now.Stages) {
		if t.Hash == now.Hash {
			return nil
		}
		return []string{fmt.Sprintf("the stages have the same names but other settings: their hash was %s, is %s", t.Hash, now.Hash)}
	}
	was, is := t.Stages, now.Stages
	from := 0
	for from < min(len(was), len(is)) && was[from] == is[from] {
		from++
	}
	was, is = was[from:], is[from:]
	for len(was) > 0 && len(is) > 0 && was[len(was)-1] == is[len(is)-1] {
		was, is = was[:len(was)-1], is[:len(is)-1]
	}
	switch {
	case len(was) == 0:
		return []string{fmt.Sprintf("%s: %s: new", places(from, len(is)), names(is))}
	case len(is) == 0:
		return []string{fmt.Sprintf("%s: %s: gone", places(from, len(was)), names(was))}
	}
	return []string{fmt.Sprintf("%s: was %s, is %s", places(from, max(len(was), len(is))), names(was), names(is))}
}

// places names n stages from the one at index i on.
func places(i, n int) string {
	if n == 1 {
		return fmt.Sprintf("stage %d", i+1)
	}
	return fmt.Sprintf("stages %d to %d", i+1, i+n)
}

func names(stages []string) string {
	quoted := make([]string, len(stages))
	for i, s := range stages {
		quoted[i] = strconv.Quote(s)
	}
	return strings.Join(quoted, ", ")
}

func (s Source) compare(number int, now Source) (d []string) {
	if s.Name != now.Name {
		return []string{fmt.Sprintf("source %d: was %s, is %s", number, s.Name, now.Name)}
	}
	was, is := parse(s.Fingerprint), parse(now.Fingerprint)
	for _, text := range differ("", was, is) {
		d = append(d, fmt.Sprintf("source %d: %s: %s", number, s.Name, text))
	}
	return d
}

// member is a member of an object, or no member.
type member struct {
	value json.RawMessage
	there bool
}

// parse is a fingerprint as a value in a canonical form. What is not JSON is
// compared as it is.
func parse(m json.RawMessage) member {
	if len(m) == 0 {
		return member{}
	}
	v := jsontext.Value(slices.Clone(m))
	err := v.Format(jsontext.CanonicalizeRawFloats(false), jsontext.CanonicalizeRawInts(false), jsontext.ReorderRawObjects(true))
	if err != nil {
		return member{m, true}
	}
	return member{json.RawMessage(v), true}
}

// differ says how two values differ, member by member where both are objects.
func differ(path string, was, is member) []string {
	if was.there == is.there && string(was.value) == string(is.value) {
		return nil
	}
	before, ok := members(was)
	after, ok2 := members(is)
	if !ok || !ok2 {
		if path == "" {
			path = "fingerprint"
		}
		switch {
		case !was.there:
			return []string{fmt.Sprintf("%s is %s, was not there", path, readable(is.value))}
		case !is.there:
			return []string{fmt.Sprintf("%s was %s, is not there", path, readable(was.value))}
		}
		return []string{fmt.Sprintf("%s was %s, is %s", path, readable(was.value), readable(is.value))}
	}
	var keys []string
	for k := range before {
		keys = append(keys, k)
	}
	for k := range after {
		if _, both := before[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var d []string
	for _, k := range keys {
		p := k
		if path != "" {
			p = path + "." + k
		}
		w, ok := before[k]
		i, ok2 := after[k]
		d = append(d, differ(p, member{w, ok}, member{i, ok2})...)
	}
	return d
}

func members(m member) (map[string]json.RawMessage, bool) {
	if !m.there || len(m.value) == 0 || m.value[0] != '{' {
		return nil, false
	}
	var out map[string]json.RawMessage
	err := jsonv2.Unmarshal(m.value, &out)
	return out, err == nil
}

// readable is a value as a person reads it: whole numbers in groups of three
// digits, and not too much of anything.
func readable(m json.RawMessage) string {
	s := string(m)
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return grouped(s)
	}
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

func grouped(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
