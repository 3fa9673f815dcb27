package source

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// stored is a text as a file has it: plain, as one gzip member, or as zstd in one
// frame or many.
func stored(t require.TestingT, how, text string) string {
	var frames, parts []string
	switch how {
	case "", "gz", "zst":
		return packed(t, how, text)
	}
	for rest := text; rest != ""; {
		n := min(len(rest), 1+len(rest)%7)
		if how == "streams" {
			frames = append(frames, packed(t, "zst", rest[:n]))
		} else {
			frames = append(frames, encoded(t, rest[:n]))
		}
		parts = append(parts, rest[:n])
		rest = rest[n:]
	}
	if how == "seekable" {
		return seekable(frames, parts)
	}
	return strings.Join(frames, "")
}

func storages() []string { return []string{"", "gz", "zst", "frames", "streams", "seekable"} }

// everywhere checks that a source goes on from every token that a run can have.
func everywhere[T any](t *testing.T, texts []string, plan func(path string, opts ...Option) stage.Stream[T], opts ...Option) {
	t.Helper()
	cuts := []stage.Limit{{}, {Items: 1}, {Items: 2}, {Bytes: 17}}
	for _, text := range texts {
		for _, how := range storages() {
			path := file(t, "in", stored(t, how, text))
			for _, cut := range cuts {
				for _, max := range cuts {
					if how != "" && max != cut {
						continue // the cut and the storage have nothing to do with each other
					}
					resumes(t, plan(path, opts...), cut, max)
				}
			}
		}
	}
}

func TestLinesResume(t *testing.T) {
	texts := []string{
		"", "a\nb\n\nc", "\ufeffa\r\nbb\r\n\r\nlast\r\n", "\n\n\n", "short\n" + strings.Repeat("long", 10) + "\nshort\n" + strings.Repeat("x", 30),
		"\ufeff\ufeffa\nb",
	}
	everywhere(t, texts, Lines, MaxRecord(20))
	everywhere(t, texts, LineBytes, MaxRecord(20), BlockSize(7))
}

func TestCSVResumes(t *testing.T) {
	rows := "1,\"x\ny\"\n\n2,\"a \"\"quoted\"\"\n\nthing\"\r\n3\n\"4\"x,y\n5,6\n,,\n7,a very long value is in here\n8,\"end\""
	texts := []string{"A,B\n" + rows, "\ufeffA,B\r\n" + rows, "A,B\n", "", "A,B\n1,\"never closed\n2,3\n"}
	everywhere(t, texts, CSV[pair], MaxRecord(25))
	everywhere(t, texts, Records, MaxRecord(25), PadShort())
	everywhere(t, texts, Records, Columns("B"), LazyQuotes(), BlockSize(9))
	// The number of columns is that of the first good record.
	everywhere(t, []string{"bad\"\n\n" + rows, "1,2\n1\n1,2,3\n4,5\n"}, Records, NoHeader(), MaxRecord(25))
	everywhere(t, []string{rows}, CSV[pair], NoHeader())
	everywhere(t, []string{rows}, CSV[pair], Header("B", "A"), Quote(0))
	everywhere(t, []string{"A;B\n# no\n1;2\n# no\n  3;' 4 '\n"}, CSV[pair], Comma(';'), Quote('\''), Comment('#'), TrimLeadingSpace())
}

func TestJSONResumes(t *testing.T) {
	lines := []string{"1\n\n2\n \n\"x\"\n{}\n3", "\ufeff1\r\n2\r\n", "1\n" + strings.Repeat("9", 30) + "\n2\n"}
	everywhere(t, lines, NDJSON[int], MaxRecord(20))
	everywhere(t, lines, JSONLines, MaxRecord(20), Validate())
	arrays := []string{
		"[1,2,3]", " [ 1 , 2\n,\n 3 , \"x,]\" , {} ]\n", "\ufeff[1,2 ,3]", "[]", "[1,,2]", ",1,2]", "[1,2", "[1,2] 3", "[[1],[2],3]",
		"[1," + strings.Repeat("9", 30) + ",2]",
	}
	everywhere(t, arrays, JSON[int], MaxRecord(20))
	everywhere(t, arrays, JSON[json.RawMessage], BlockSize(5))
}

func TestManyFilesResume(t *testing.T) {
	a, b := file(t, "a", "A,B\n1,2\n3,4\n"), file(t, "b.gz", packed(t, "gz", "B,A\n5,6\n7\n"))
	empty := file(t, "empty", "A,B\n")
	for _, cut := range limits() {
		for _, max := range limits() {
			whole := resumes(t, CSV[pair](a, Paths(empty, b, a)), cut, max)
			require.Len(t, whole.items, 5)
			resumes(t, CSV[pair](a, Paths(b, "missing"), Header("A", "B")), cut, max)
		}
	}
	// A file that turns out to be cut off says so at the same place.
	var lots string
	for i := range 3000 {
		lots += strconv.Itoa(i*i) + "\n"
	}
	cutOff := file(t, "cut.gz", packed(t, "gz", lots)[:len(packed(t, "gz", lots))/2])
	resumes(t, Lines(a, Paths(cutOff)), stage.Limit{Items: 100}, stage.Limit{Items: 100})
}

func TestSectionsResume(t *testing.T) {
	text := "A,B\n1,\"x\ny\"\n2,3\n4,5\n6,7\n8\n9,10\n"
	for _, how := range storages() {
		path := file(t, "in", stored(t, how, text))
		sections, err := Split(t.Context(), 3, path)
		require.NoError(t, err)
		for _, s := range sections {
			for _, max := range []stage.Limit{{}, {Items: 1}} {
				resumes(t, CSV[pair](path, Within(s)), max, max)
				resumes(t, Records(path, NoHeader(), Within(s)), max, max)
				resumes(t, Lines(path, Within(s)), max, max)
			}
		}
	}
}

func TestFingerprintsOfFiles(t *testing.T) {
	path := file(t, "in.csv", "A,B\n1,2\n3,4\n")
	was := printOf(t, CSV[pair](path))
	same := func(opts ...Option) bool { return printOf(t, CSV[pair](path, opts...)) == was }
	require.True(t, same())
	require.True(t, same(BlockSize(7), MaxTotal(1<<30)), "what does not change the records may change")
	for _, opt := range []Option{
		Comma(';'), Quote('\''), Quote(0), Comment('#'), LazyQuotes(), TrimLeadingSpace(), Header("A", "B"), NoHeader(), PadShort(), Null("x"),
		MaxRecord(100), Paths(path),
	} {
		require.False(t, same(opt), "%+v", opt)
	}
	copied := file(t, "in.csv", "A,B\n1,2\n3,4\n")
	require.NotEqual(t, was, printOf(t, CSV[pair](copied)), "the path counts")
	require.NoError(t, os.WriteFile(path, []byte("A,B\n1,2\n3,5\n"), 0o600))
	require.False(t, same(), "so does what is in it")
}

func TestSeekRefuses(t *testing.T) {
	path := file(t, "in", "one\ntwo\nthree\n")
	for _, at := range []stage.Position{
		{Offset: -1, Record: 1}, {Offset: 4, Record: -1}, {Part: 1, Offset: 4}, {Part: -1}, {Offset: 4, Record: 2}, {Record: 1}, {Offset: 4, Record: 1, Key: "else"},
	} {
		_, err := sought(t, Lines(path), at, 1)
		require.ErrorContains(t, err, "is no place to go on from", "%+v", at)
	}
	_, err := sought(t, Lines(path, Within(Section{{Path: path, From: 5, To: 9, Size: 14}})), stage.Position{Offset: 10, Record: 1}, 1)
	require.ErrorContains(t, err, "the section is from byte 5 to byte 9")

	for _, c := range []struct {
		at   stage.Position
		want string
	}{
		{stage.Position{Offset: 5, Record: 1}, "record 2, byte 5: no record begins here"},
		{stage.Position{Offset: 14, Record: 3}, "record 4, byte 14: the file ends before the record to go on with: unexpected EOF"},
		{stage.Position{Offset: 1000, Record: 3}, "record 4, byte 1000: the file ends before the record to go on with: unexpected EOF"},
	} {
		for _, how := range storages() {
			path := file(t, "in", stored(t, how, "one\ntwo\nthree\n"))
			p, err := sought(t, Lines(path), c.at, 10)
			require.NoError(t, err)
			r := drained(t, p, 10, stage.Limit{})
			require.NoError(t, p.Close())
			require.EqualError(t, r.err, "source: "+path+": "+c.want)
			require.Empty(t, r.items)
		}
	}
}
