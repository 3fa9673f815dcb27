package sink

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/atomicfile"
	"github.com/penstock-go/penstock/stage"
)

type keyedRow struct {
	Key string `csv:"key"`
	N   int    `csv:"n"`
}

func byKey(r keyedRow) string { return r.Key }

// tree are the regular files below a folder, unpacked, by path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			got[rel] = unpack(t, path)
		}
		return err
	}))
	return got
}

func TestPartitioned(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	s := Partitioned(root, "part.csv.gz", CSVEncoder[keyedRow](), By("key", byKey).And("odd", func(r keyedRow) string { return strconv.Itoa(r.N % 2) }))
	require.NoError(t, run(t, s, 2, keyedRow{"LAS", 1}, keyedRow{"PHX", 2}, keyedRow{"LAS", 3}, keyedRow{"LAS", 4}, keyedRow{"", 5}))
	assert.Equal(t, map[string]string{
		"key=LAS/odd=1/part-00001.csv.gz":                        "key,n\nLAS,1\nLAS,3\n",
		"key=PHX/odd=0/part-00001.csv.gz":                        "key,n\nPHX,2\n",
		"key=LAS/odd=0/part-00001.csv.gz":                        "key,n\nLAS,4\n",
		"key=__HIVE_DEFAULT_PARTITION__/odd=1/part-00001.csv.gz": "key,n\n,5\n",
	}, tree(t, root))

	// Another run replaces the files of the folders that it writes to.
	require.NoError(t, os.WriteFile(filepath.Join(root, "key=LAS/odd=1/part-00007.csv.gz"), nil, 0o600))
	require.NoError(t, run(t, s, 2, keyedRow{"LAS", 9}))
	got := tree(t, root)
	assert.Equal(t, "key,n\nLAS,9\n", got["key=LAS/odd=1/part-00001.csv.gz"])
	assert.Len(t, got, 4)

	// A run that fails leaves all as it was.
	w := open(t, s)
	require.NoError(t, w.Write(t.Context(), &stage.Chunk[keyedRow]{Items: []keyedRow{{"LAS", 1}, {"NEW", 1}}}))
	require.NoError(t, w.Close(t.Context(), errBoom))
	assert.Equal(t, got, tree(t, root))
	assert.NoDirExists(t, filepath.Join(root, "key=NEW"))
}

// Whatever the chunks, the number of open files and the split, each key's files
// hold its items in order, and nothing else is there.
func TestPartitionedKeepsEveryItem(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		root := filepath.Join(dir, "root")
		require.NoError(r, os.RemoveAll(root))
		keys := rapid.SliceOfNDistinct(rapid.String(), 1, 8, rapid.ID[string]).Draw(r, "keys")
		n := rapid.IntRange(0, 100).Draw(r, "items")
		var rows []keyedRow
		want := map[string]string{}
		for i := range n {
			k := rapid.SampledFrom(keys).Draw(r, "key")
			rows = append(rows, keyedRow{k, i})
			want[k] += strconv.Itoa(i) + "\n"
		}
		name := rapid.SampledFrom([]string{"p.txt", "p.txt.gz", "p.txt.zst"}).Draw(r, "name")
		s := Partitioned(root, name, numbersEncoder{}, By("k", byKey),
			MaxOpen(rapid.IntRange(0, 3).Draw(r, "open")), MaxBytes(rapid.SampledFrom([]int64{0, 1, 9}).Draw(r, "split")))
		long := false
		for _, k := range keys {
			long = long || len(escapeValue(k)) > 200
		}
		if long {
			return
		}
		require.NoError(r, run(t, s, rapid.IntRange(1, 30).Draw(r, "chunk"), rows...))
		got := map[string]string{}
		entries, err := os.ReadDir(root)
		require.NoError(r, err)
		for _, e := range entries {
			parts := tree(t, filepath.Join(root, e.Name()))
			for i := range len(parts) {
				part, ok := parts[partsOf(name).name(i+1)]
				require.True(r, ok)
				got[e.Name()] += part
			}
		}
		require.Len(r, got, len(want))
		for k, text := range want {
			require.Equal(r, text, got["k="+escapeValue(k)], "%q", k)
		}
	})
}

// numbersEncoder writes the numbers of rows, a line each.
type numbersEncoder struct{ lineFormat }

func (numbersEncoder) Encode(dst []byte, c *stage.Chunk[keyedRow]) ([]byte, error) {
	for _, r := range c.Items {
		if r.N < 0 {
			return dst, errBoom
		}
		dst = fmt.Appendln(dst, r.N)
	}
	return dst, nil
}

// Files that are closed for want of room are gone on with.
func TestPartitionedFewOpenFiles(t *testing.T) {
	for _, name := range []string{"p", "p.gz", "p.zst"} {
		root := filepath.Join(t.TempDir(), "root")
		s := Partitioned(root, name, numbersEncoder{}, By("k", byKey), MaxOpen(2))
		w := open(t, s)
		pw, ok := w.(*partitionWriter[keyedRow])
		require.True(t, ok)
		want := map[string]string{}
		for i := range 60 {
			k := strconv.Itoa(i % 6)
			require.NoError(t, w.Write(t.Context(), &stage.Chunk[keyedRow]{Items: []keyedRow{{k, i}}}))
			want["k="+k+"/"+partsOf(name).name(1)] += strconv.Itoa(i) + "\n"
			require.NoError(t, pw.flush(pw.partitions["k="+k]))
			require.LessOrEqual(t, pw.opened.Len(), 2)
		}
		require.NoError(t, w.Close(t.Context(), nil))
		assert.Equal(t, want, tree(t, root))
	}
}

// The buffers of all partitions together are bounded.
func TestPartitionedMemory(t *testing.T) {
	s := Partitioned(filepath.Join(t.TempDir(), "root"), "p", LinesEncoder[string](), By("k", func(s string) string { return s[:4] }))
	w := open(t, s)
	pw, ok := w.(*partitionWriter[string])
	require.True(t, ok)
	filler := strings.Repeat("x", 10_000)
	for i := range 4000 {
		require.NoError(t, w.Write(t.Context(), &stage.Chunk[string]{Items: []string{fmt.Sprintf("%04d%s", i%400, filler)}}))
		sum := 0
		for _, p := range pw.partitions {
			sum += len(p.buf)
		}
		require.Equal(t, sum, pw.waiting)
		require.LessOrEqual(t, sum, partitionBuffers)
	}
	require.NoError(t, w.Close(t.Context(), errBoom))
}

func TestPartitionedErrors(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	s := Partitioned(root, "p", numbersEncoder{}, By("k", byKey), MaxPartitions(2))
	err := run(t, s, 2, keyedRow{"a", 1}, keyedRow{"b", 1}, keyedRow{"a", 1}, keyedRow{"c", 1})
	require.ErrorIs(t, err, ErrTooManyPartitions)
	require.EqualError(t, err, "sink: "+root+": item 3: too many partitions: more than MaxPartitions(2)")
	assert.NoDirExists(t, root)

	err = run(t, s, 2, keyedRow{strings.Repeat("é", 200), 1})
	require.ErrorIs(t, err, ErrKeyTooLong)
	require.ErrorContains(t, err, "item 0: ")
	err = run(t, s, 3, keyedRow{"a", 1}, keyedRow{"b", 1}, keyedRow{"a", -1})
	require.EqualError(t, err, "sink: "+root+": item 2: boom")
	bad := Partitioned(root, "p", numbersEncoder{}, By("k", func(keyedRow) string { panic("no key") }))
	require.EqualError(t, run(t, bad, 1, keyedRow{}), "sink: "+root+": item 0: panic: no key")
	assert.NoDirExists(t, root)

	for _, op := range []atomicfile.Op{atomicfile.Write, atomicfile.Sync, atomicfile.Close, atomicfile.Rename, atomicfile.SyncFolder} {
		s := Partitioned(root, "p", numbersEncoder{}, By("k", byKey), MaxOpen(1), faulty(func(o atomicfile.Op, _ string) error {
			if o == op {
				return syscall.ENOSPC
			}
			return nil
		}))
		err := run(t, s, 2, keyedRow{"a", 1}, keyedRow{"b", 1})
		require.ErrorIs(t, err, syscall.ENOSPC, op)
		require.ErrorContains(t, err, "sink: "+root+": ")
		assert.NoDirExists(t, root)
	}
}

// No key gets out of the root, and links that lead out are not followed.
func TestPartitionedStaysInside(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	keys := []string{"..", ".", "/", "../..", "/etc/passwd", "a/b", "a\x00b", "", " ", "con", "NUL", "a.", "\xff", "a=b", "%", "C:\\x", "é", "\n", "*"}
	s := Partitioned(root, "p", numbersEncoder{}, By("k", byKey))
	var rows []keyedRow
	for i, k := range keys {
		rows = append(rows, keyedRow{k, i})
	}
	require.NoError(t, run(t, s, 3, rows...))
	assert.Equal(t, []string{"root"}, names(t, dir))
	assert.Len(t, names(t, root), len(keys), "each key has a folder of its own")
	for i, k := range keys {
		assert.Equal(t, strconv.Itoa(i)+"\n", content(t, filepath.Join(root, "k="+escapeValue(k), "p-00001")))
	}
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "k=out")))
	require.ErrorContains(t, run(t, s, 1, keyedRow{"out", 1}), "k=out: ")
	assert.Empty(t, names(t, outside))
	require.NoError(t, os.Symlink("k=é", filepath.Join(root, "k=E")))
	require.ErrorIs(t, run(t, s, 1, keyedRow{"é", 1}, keyedRow{"E", 1}), atomicfile.ErrSameFolder)
}

func TestEscape(t *testing.T) {
	for value, want := range map[string]string{
		"LAS": "LAS", "": defaultPartition, defaultPartition: "%5F_HIVE_DEFAULT_PARTITION__", "..": ".%2E", "a/b": "a%2Fb",
		"\x00": "%00", "50%": "50%25", "a b": "a b", "b ": "b%20", "\xff": "%FF", "é": "é", "12:30": "12%3A30",
	} {
		assert.Equal(t, want, escapeValue(value))
	}
}

func TestPartitionedArguments(t *testing.T) {
	enc := numbersEncoder{}
	by := By("k", byKey)
	assert.Equal(t, "penstock: sink.Partitioned: root is empty", panics(t, func() { Partitioned("", "p", enc, by) }))
	assert.Contains(t, panics(t, func() { Partitioned("r", "a/b", enc, by) }), "name is \"a/b\"")
	assert.Contains(t, panics(t, func() { Partitioned("r", "p", enc, Partition[keyedRow]{}) }), "by has no column")
	assert.Contains(t, panics(t, func() { Partitioned("r", "p", nil, by) }), "enc is nil")
	assert.Contains(t, panics(t, func() { By("", byKey) }), "column is empty")
	assert.Contains(t, panics(t, func() { by.And("x", nil) }), "value is nil")
	assert.Contains(t, panics(t, func() { Lines("p", MaxOpen(1)) }), "MaxOpen is an option of Partitioned")
	assert.Contains(t, panics(t, func() { Lines("-", MaxBytes(1)) }), "MaxBytes does not go with standard output")
	assert.Contains(t, panics(t, func() { Lines("a.gz", Level(10)) }), "Level(10) is more than 9")
	assert.Contains(t, panics(t, func() { MaxBytes(-1) }), "MaxBytes: n is -1")
	assert.Contains(t, panics(t, func() { Lines("") }), "path is empty")
}
