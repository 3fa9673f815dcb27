package parquet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// samples are small files of both kinds, plain and compressed.
func samples(tb testing.TB) map[string][]byte {
	tb.Helper()
	rich := []richRow{{ID: 1, Tags: []string{"a", "b"}, Where: &spot{Lat: 1}}, {ID: 2, Sizes: []int32{1, 2}, Marks: map[string]int64{"x": 1}}}
	return map[string][]byte{
		"plain":  encoded(tb, 20, flights(20), parquet.PageBufferSize(100), parquet.Compression(&parquet.Uncompressed)),
		"zstd":   encoded(tb, 12, flights(20), parquet.Compression(&parquet.Zstd)),
		"first":  encoded(tb, 20, flights(20), parquet.DataPageVersion(1), parquet.Compression(&parquet.Snappy)),
		"nested": encoded(tb, 1, rich, parquet.Compression(&parquet.Gzip)),
	}
}

// readAny reads a file as what it is a sample of. It returns how many rows came.
func readAny(tb require.TestingT, kind, path string) (n int, err error) {
	if kind == "nested" {
		items, _, err := read(tb, Source[richRow](path), stage.Limit{})
		return len(items), err
	}
	items, _, err := read(tb, Source[flight](path), stage.Limit{Items: 16})
	return len(items), err
}

func TestCutAtEveryOffset(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cut.parquet")
	for kind, content := range samples(t) {
		for n := range content {
			require.NoError(t, os.WriteFile(path, content[:n], 0o600))
			_, err := readAny(t, kind, path)
			require.Error(t, err, "%s: %d of %d bytes", kind, n, len(content))
			require.True(t, strings.HasPrefix(err.Error(), "source: "+path+": "), "%v", err)
		}
	}
}

// A file that shrinks behind its footer's back, as one does that is being
// rewritten, is cut off as well.
func TestFileShrinksWhileItIsRead(t *testing.T) {
	path := written(t, 1000, flights(5000))
	p, err := Source[flight](path).Open(t.Context())
	require.NoError(t, err)
	var c stage.Chunk[flight]
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
	require.NoError(t, os.Truncate(path, 5000))
	n := len(c.Items)
	for err == nil {
		err = p.Pull(t.Context(), &c, stage.Limit{})
		n += len(c.Items)
	}
	var bad *Error
	require.ErrorAs(t, err, &bad)
	assert.Positive(t, bad.RowGroup)
	assert.Equal(t, int64(n+1), bad.Row)
	assert.Contains(t, err.Error(), "unexpected EOF")
	require.NoError(t, p.Close())
}

// A flipped bit in a page is an error: its checksum says so. The rest of a file
// has no checksum: there a flip may go unnoticed, but neither a panic nor a row
// too few.
func TestFlippedBits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flipped.parquet")
	for kind, content := range samples(t) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		rows, err := readAny(t, kind, path)
		require.NoError(t, err)
		inPage := pageBytes(t, path)
		for i := range content {
			flipped := append([]byte(nil), content...)
			flipped[i] ^= 1 << (i * 5 % 8)
			require.NoError(t, os.WriteFile(path, flipped, 0o600))
			n, err := readAny(t, kind, path)
			if inPage[int64(i)] {
				require.Error(t, err, "%s: byte %d", kind, i)
			}
			if err == nil {
				require.Equal(t, rows, n, "%s: byte %d", kind, i)
			}
		}
	}
}

// pageBytes are the bytes of a file that are in pages.
func pageBytes(t *testing.T, path string) map[int64]bool {
	t.Helper()
	f, err := openFile(settings(path, nil), path)
	require.NoError(t, err)
	f.zstd = newZstd()
	in := make(map[int64]bool)
	for g := range f.meta.RowGroups {
		for c := range f.leaves {
			l, err := f.chunk(g, c).locate()
			require.NoError(t, err)
			pages := l.pages
			if l.dict != nil {
				pages = append(pages, *l.dict)
			}
			for _, p := range pages {
				for i := range int64(p.header.CompressedPageSize) {
					in[p.offset+i] = true
				}
			}
		}
	}
	require.NoError(t, f.release())
	require.NotEmpty(t, in)
	return in
}

func TestErrorsNameThePlace(t *testing.T) {
	content := encoded(t, 1000, flights(3000), parquet.PageBufferSize(800))
	path := stored(t, content)
	f, err := openFile(settings(path, nil), path)
	require.NoError(t, err)
	l, err := f.chunk(1, 2).locate()
	require.NoError(t, err)
	at := l.pages[3]
	content[at.offset+2] ^= 1
	require.NoError(t, f.release())
	path = stored(t, content)
	items, _, err := read(t, Source[flight](path), stage.Limit{Items: 10})
	require.ErrorIs(t, err, ErrCorrupted)
	var bad *Error
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, "delay", bad.Column)
	assert.Equal(t, 1, bad.RowGroup)
	assert.LessOrEqual(t, bad.Row, 1000+at.first+1)
	assert.Greater(t, bad.Row+10, 1000+at.first+1)
	assert.Len(t, items, int(bad.Row-1), "what came before it came")
	assert.Regexp(t, `^source: .*/rows.parquet: row group 1, row 1\d\d\d, column "delay": corrupted: checksum is [0-9a-f]{8}, want [0-9a-f]{8}$`, err.Error())
}

func TestPagesThatAreTooLarge(t *testing.T) {
	path := written(t, 1000, flights(1000))
	_, _, err := read(t, Source[flight](path, MaxPage(1000)), stage.Limit{})
	require.ErrorIs(t, err, ErrTooLarge)
	assert.Len(t, all(t, Source[flight](path, MaxPage(0)), stage.Limit{}), 1000)
}

func FuzzSource(f *testing.F) {
	for _, content := range samples(f) {
		f.Add(content)
		f.Add(content[:len(content)/2])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := stored(t, content)
		for _, opts := range [][]Option{nil, {AtLeast("delay", 5), MaxPage(1 << 20)}} {
			items, _, err := read(t, Source[flight](path, opts...), stage.Limit{})
			if err == nil {
				again, _, err := read(t, Source[flight](path, opts...), stage.Limit{Items: 3})
				require.NoError(t, err)
				require.Len(t, again, len(items))
			}
		}
		_, _, _ = read(t, Source[richRow](path, MaxPage(1<<20)), stage.Limit{})
	})
}
