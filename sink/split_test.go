package sink

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

func TestSplit(t *testing.T) {
	for _, chunk := range []int{1, 10} {
		dir, path := old(t, "part.csv")
		keep := filepath.Join(dir, "part-00001.txt")
		require.NoError(t, run(t, Lines(keep), 1, "another's"))
		s := CSV[product](path, MaxBytes(30))
		require.NoError(t, run(t, s, chunk, product{1, "a\nb", nil}, product{2, "two", nil}, product{3, "three", nil}, product{4, "four", nil}))
		assert.Equal(t, map[string]string{
			"part.csv": "old", "part-00001.txt": "another's\n",
			"part-00001.csv": "id,name,price\n1,\"a\nb\",\n2,two,\n",
			"part-00002.csv": "id,name,price\n3,three,\n4,four,\n",
		}, tree(t, dir))
		require.NoError(t, run(t, s, chunk))
		assert.Equal(t, map[string]string{
			"part.csv": "old", "part-00001.txt": "another's\n", "part-00001.csv": "id,name,price\n",
		}, tree(t, dir), "the files of the run before are replaced")
	}
}

// A file ends with the record that reaches the size, whatever the format.
func TestCutAtRecords(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		enc := newCSVEncoder[product]("test")
		format, ok := enc.(stage.Format)
		require.True(r, ok)
		var b []byte
		var ends []int
		for _, name := range rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("a\"\n,"))), 1, 9).Draw(r, "names") {
			var err error
			b, err = enc.Encode(b, &stage.Chunk[product]{Items: []product{{Name: name}}})
			require.NoError(r, err)
			ends = append(ends, len(b))
		}
		n := rapid.IntRange(1, len(b)).Draw(r, "n")
		want := 0
		for _, end := range ends {
			if end >= n {
				want = end
				break
			}
		}
		require.Equal(r, want, format.Cut(b, n))
	})
	assert.Equal(t, 4, lineFormat{}.Cut([]byte("abc\ndef\n"), 4))
	assert.Equal(t, 8, lineFormat{}.Cut([]byte("abc\ndef\n"), 5))
	assert.Equal(t, 3, lineFormat{}.Cut([]byte("abc"), 2))
}

func TestPartNames(t *testing.T) {
	for base, want := range map[string]string{
		"part.ndjson.gz": "part-00012.ndjson.gz", "a.b.csv": "a.b-00012.csv", "x": "x-00012", ".csv": ".csv-00012", "a.zst": "a-00012.zst",
	} {
		p := partsOf(base)
		assert.Equal(t, want, p.name(12))
		assert.True(t, p.has(want))
		assert.True(t, p.has(p.name(1234567)))
		for _, other := range []string{base, strings.Replace(want, "-00012", "-0012", 1), strings.Replace(want, "-00012", "-000x2", 1), "y" + want} {
			assert.False(t, p.has(other), other)
		}
	}
}

// Blocks without a format are written as they are, and never cut.
func TestFileOfBlocks(t *testing.T) {
	dir, path := old(t, "out")
	freed := 0
	block := func(text string) stage.Block {
		return stage.Block{Bytes: []byte(text), Free: func([]byte) { freed++ }}
	}
	require.NoError(t, run(t, File(path), 2, block("one "), block(""), block("two")))
	assert.Equal(t, "one two", content(t, path))
	assert.Equal(t, 3, freed)
	require.NoError(t, run(t, File(path, MaxBytes(4)), 2, block("a"), block("bcdefgh"), block("i")))
	assert.Equal(t, map[string]string{"out": "one two", "out-00001": "abcdefgh", "out-00002": "i"}, tree(t, dir))
	require.NoError(t, run(t, File(path), 1))
	assert.Empty(t, content(t, path))
	_, err := File(filepath.Join(dir, "missing", "out")).Open(t.Context(), nil)
	require.ErrorContains(t, err, "sink: "+filepath.Join(dir, "missing", "out")+": folder ")
	_, err = File(filepath.Join(dir, "missing", "out"), MaxBytes(1)).Open(t.Context(), nil)
	require.ErrorContains(t, err, "folder "+filepath.Join(dir, "missing")+": ")
	got := standard(t, func(*os.File) {
		require.NoError(t, run(t, File("-"), 1, block("x"), block("y")))
	})
	assert.Equal(t, "xy", got)
}
