package rotation

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNamesOfRotatedFiles(t *testing.T) {
	for _, c := range []struct {
		scheme Scheme
		file   string
		want   string // kind, runs of digits and whether it is compressed; "": none
	}{
		{Scheme{Base: "app.log"}, "app.log", ""},
		{Scheme{Base: "app.log"}, "app.log.1", "1 [1] false"},
		{Scheme{Base: "app.log"}, "app.log.010", "1 [10] false"},
		{Scheme{Base: "app.log"}, "app.log.0", "1 [] false"},
		{Scheme{Base: "app.log"}, "app.log.2.gz", "1 [2] true"},
		{Scheme{Base: "app.log"}, "app.log.gz", "0 [] true"},
		{Scheme{Base: "app.log"}, "app.log.old", "0 [] false"},
		{Scheme{Base: "app.log"}, "app.log~", "0 [] false"},
		{Scheme{Base: "app.log"}, "app.log.1000", "2 [1000] false"},
		{Scheme{Base: "app.log"}, "app.log-20260131", "2 [20260131] false"},
		{Scheme{Base: "app.log"}, "app.log-20260131.zst", "2 [20260131] true"},
		{Scheme{Base: "app.log"}, "app-2026-01-31T10-00-00.log", "2 [2026 1 31 10  ] false"},
		{Scheme{Base: "app.log"}, "app.1.log", "1 [1] false"},
		{Scheme{Base: "app.log"}, "app-errors.log", ""},
		{Scheme{Base: "app.log"}, "app.logger", ""},
		{Scheme{Base: "app.log"}, "application.log.1", ""},
		{Scheme{Base: "app.log"}, "other.log.1", ""},
		{Scheme{Base: "app"}, "app.1", "1 [1] false"},
		{Scheme{Base: "app.log", Pattern: "old-*.log"}, "old-7.log", "1 [7] false"},
		{Scheme{Base: "app.log", Pattern: "old-*.log"}, "old-7.log.gz", "1 [7] true"},
		{Scheme{Base: "app.log", Pattern: "old-*.log"}, "app.log.1", ""},
		{Scheme{Base: "app.log", Pattern: "last.log"}, "last.log", "0 [] false"},
		{Scheme{Base: "log.12", Link: true}, "log.9", "2 [9] false"},
		{Scheme{Base: "log.12", Link: true}, "log.13", ""},
		{Scheme{Base: "log.12"}, "log.9", ""},
	} {
		n, ok := c.scheme.parse(c.file)
		got := ""
		if ok {
			got = fmt.Sprint(n.kind, n.runs, n.compressed)
		}
		assert.Equal(t, c.want, got, "%s beside %+v", c.file, c.scheme)
	}
}

// Whatever files are called: nothing panics, a name is not one of its own, and what
// rotation gives is recognised and has the order of its number or date.
func FuzzNames(f *testing.F) {
	f.Add("app.log", "app.log.1", "", uint16(3))
	f.Add("app", "app-20260131.gz", "app-*", uint16(30))
	f.Add("", ".1", "[", uint16(0))
	f.Add("é.log", "é.\xff.log", "*?[\\", uint16(999))
	f.Fuzz(func(t *testing.T, base, file, pattern string, at uint16) {
		for _, link := range []bool{false, true} {
			n, ok := Scheme{Base: base, Pattern: pattern, Link: link}.parse(file)
			if ok && n.kind == number {
				require.Less(t, n.value(), 1000)
			}
			if ok {
				require.Zero(t, n.compare(n))
			}
		}
		_, self := Scheme{Base: base}.parse(base)
		if base != "" && !slices.ContainsFunc(compressed, func(end string) bool { return strings.HasSuffix(base, end) }) {
			require.False(t, self, base)
			last, this := int(at)%999, int(at)%999+1
			older, ok := Scheme{Base: base}.parse(fmt.Sprintf("%s.%d", base, last))
			require.True(t, ok)
			newer, ok := Scheme{Base: base}.parse(fmt.Sprintf("%s.%d.gz", base, this))
			require.True(t, ok)
			require.True(t, newer.compressed)
			require.Negative(t, older.compare(newer))
		}
	})
}

// folder makes files with the names, the oldest first, each changed later than the one
// before it.
func folder(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, name := range names {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(name), 0o600))
		at := time.Date(2026, 1, 31, 0, 0, i, 0, time.UTC)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	return dir
}

func list(t *testing.T, dir string) []Sibling {
	t.Helper()
	all, err := List(dir, Scheme{Base: "app.log"})
	require.NoError(t, err)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) // the order says nothing
	return all
}

func named(all []Sibling, name string) int {
	return slices.IndexFunc(all, func(s Sibling) bool { return filepath.Base(s.Path) == name })
}

func names(all []Sibling) (bases []string) {
	for _, s := range all {
		bases = append(bases, filepath.Base(s.Path))
	}
	return bases
}

// From each file those come that are newer, in their order, in each way of naming.
func TestAfter(t *testing.T) {
	for _, all := range [][]string{
		{"app.log.11", "app.log.10", "app.log.9", "app.log.8", "app.log.7", "app.log.6", "app.log.5", "app.log.4", "app.log.3", "app.log.2", "app.log.1"},
		{"app.log.2", "app.log.1", "app.log.0"},
		{"app-20251231.log", "app-20260101.log", "app-20260102.log"},
		{"app.log-2026-01-31-9", "app.log-2026-01-31-10", "app.log-2026-02-01-1"},
	} {
		dir := folder(t, append([]string{"app.log.old", "other.log.1"}, all...)...)
		for i, from := range all {
			now := list(t, dir)
			for _, past := range []*Past{nil, {Siblings: slices.DeleteFunc(list(t, dir), func(s Sibling) bool {
				return slices.Contains(all[i:], filepath.Base(s.Path))
			})}} {
				next, why := After(now, named(now, from), past)
				assert.Empty(t, why)
				assert.Equal(t, append([]string(nil), all[i+1:]...), names(next), "after %s", from)
			}
		}
	}
}

// What was seen before shows that numbers grow with time.
func TestAfterWithGrowingNumbers(t *testing.T) {
	dir := folder(t, "app.log.1", "app.log.2")
	past := &Past{Siblings: list(t, dir)}
	for i, name := range []string{"app.log.3", "app.log.4"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		at := time.Date(2026, 2, 1, 0, 0, i, 0, time.UTC)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	now := list(t, dir)
	next, why := After(now, named(now, "app.log.3"), past)
	assert.Empty(t, why)
	assert.Equal(t, []string{"app.log.4"}, names(next))
	next, why = After(now, -1, past)
	assert.Empty(t, why)
	assert.Equal(t, []string{"app.log.3", "app.log.4"}, names(next))

	_, why = After(now, named(now, "app.log.3"), nil)
	assert.Contains(t, why, "contradict the times")
}

// What cannot be told is said.
func TestAfterInDoubt(t *testing.T) {
	for _, c := range []struct {
		all  []string
		from string
		want string
	}{
		{[]string{"app.log.3", "app.log.1"}, "app.log.3", "there is app.log.1 and none with the number 2"},
		{[]string{"app.log.3", "app.log.2"}, "app.log.3", "there is app.log.2 and none with the number 1"},
		{[]string{"app.log.2", "app.log.1.gz"}, "app.log.2", "app.log.1.gz is compressed"},
		{[]string{"app.log-20260130", "app.log-20260131.zst"}, "app.log-20260130", "app.log-20260131.zst is compressed"},
		{[]string{"app.log.1", "app.log.2"}, "app.log.2", "contradict the times"},
	} {
		all := list(t, folder(t, c.all...))
		_, why := After(all, named(all, c.from), nil)
		assert.Contains(t, why, c.want)
	}
	all := list(t, folder(t, "app.log.old", "app.log.bak"))
	_, why := After(all, -1, &Past{})
	assert.Contains(t, why, "nothing tells in which order")
}

// A file of a listing before is known by what it is and not by its name.
func TestKnown(t *testing.T) {
	dir := folder(t, "app.log.1")
	before := list(t, dir)
	require.NoError(t, os.Rename(filepath.Join(dir, "app.log.1"), filepath.Join(dir, "app.log.2")))
	after := list(t, dir)
	assert.True(t, Known(before, &after[0]))
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, os.Chtimes(after[0].Path, at, at))
	changed := list(t, dir)
	assert.False(t, Known(before, &changed[0]))
	require.NoError(t, os.WriteFile(after[0].Path, []byte("more than before"), 0o600))
	after = list(t, dir)
	assert.False(t, Known(before, &after[0]))

	none, err := List(filepath.Join(dir, "none"), Scheme{Base: "app.log"})
	require.NoError(t, err)
	assert.Empty(t, none)
}
