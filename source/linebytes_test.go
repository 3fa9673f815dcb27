package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

func TestLineBytesAreLikeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab\r\n\n\n\x00é\ufeff"))).Draw(t, "text")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		max := stage.Limit{Items: rapid.IntRange(0, 5).Draw(t, "items"), Bytes: rapid.Int64Range(0, 30).Draw(t, "bytes")}
		opts := []Option{BlockSize(rapid.IntRange(0, 40).Draw(t, "block")), MaxRecord(rapid.IntRange(1, 20).Draw(t, "limit"))}
		want, got := read(t, Lines(path, opts...), max), read(t, LineBytes(path, opts...), max)
		require.Len(t, got.items, len(want.items))
		for i, line := range got.items {
			require.Equal(t, want.items[i], string(line))
			require.Equal(t, len(line), cap(line), "appending to a line must not write into the next")
		}
		require.Equal(t, want.places, got.places)
		require.Equal(t, want.errs, got.errs)
	})
}

func TestLineBytesKeepTheirBlock(t *testing.T) {
	p := filler(t, LineBytes(file(t, "in", strings.Repeat("abcdefg\n", 100))))
	var c stage.Chunk[[]byte]
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
	require.NoError(t, p.Fill(t.Context(), &c))
	require.Len(t, c.Items, 100)
	assert.Len(t, c.Block, 800)
	assert.Same(t, &c.Block[8], &c.Items[1][0])
}

// A block that Reduce gives back is not written to while a worker still needs it.
func TestLineBytesRecycledBlocks(t *testing.T) {
	var text bytes.Buffer
	for i := range 60_000 {
		fmt.Fprintf(&text, "line %d %s\n", i, strings.Repeat("x", i%41))
	}
	path := file(t, "in", text.String())
	seed := maphash.MakeSeed()
	var want uint64
	for line := range bytes.Lines(text.Bytes()) {
		want += maphash.Bytes(seed, bytes.TrimSuffix(line, []byte("\n")))
	}
	for _, workers := range []int{1, 2, 7} {
		for _, size := range []int{0, 100, minBlock, 100_000} {
			p := pool.New(workers)
			for _, opts := range [][]pool.Option{nil, {pool.ChunkSize(50)}, {pool.InFlight(10)}, {pool.InFlightBytes(100_000)}} {
				got, err := pool.Reduce(t.Context(), p, LineBytes(path, BlockSize(size)), func() uint64 { return 0 },
					func(_ context.Context, sum uint64, line []byte) (uint64, error) {
						return sum + maphash.Bytes(seed, line), nil
					},
					func(a, b uint64) (uint64, error) { return a + b, nil }, opts...)
				require.NoError(t, err)
				require.Equal(t, want, got, "%d workers, blocks of %d", workers, size)
			}
			require.NoError(t, p.Wait())
			p.Close()
		}
	}
}

const minBlock = 16 << 10 // what is worth recycling

// However many blocks are counted later, an error names the record and the byte.
func TestPlacesBehindAPool(t *testing.T) {
	var text strings.Builder
	var at []int
	for i := range 20_000 {
		at = append(at, text.Len())
		fmt.Fprintf(&text, "%d\n", i)
	}
	path := file(t, "in", text.String())
	p := pool.New(3)
	defer p.Close()
	failing := func(_ context.Context, line string) (string, error) {
		if strings.HasSuffix(line, "77") {
			return "", errBoom
		}
		return line, nil
	}
	for _, opts := range [][]pool.Option{
		nil, {pool.Unordered()}, {pool.ChunkSize(100)}, {pool.ChunkSize(100), pool.Unordered()}, {pool.InFlight(30)},
	} {
		for _, size := range []int{0, 500, 10_000} {
			failed := 0
			for _, err := range pool.Imap(p, Lines(path, BlockSize(size)), failing, opts...).All(t.Context()) {
				if err == nil {
					continue
				}
				e, ok := errors.AsType[*stage.ItemError](err)
				require.True(t, ok)
				failed++
				line := e.At.Record
				require.Equal(t, fmt.Sprint(line), e.Input)
				require.Equal(t, line, e.Index)
				require.Equal(t, int64(at[line]), e.At.Offset)
				require.Equal(t, path, e.At.Key)
			}
			require.Equal(t, 200, failed)
		}
	}
	_, err := pool.Map(t.Context(), p, Lines(path, BlockSize(500)), failing)
	require.EqualError(t, err, fmt.Sprintf("Map: %s: record 78, byte %d: boom", path, at[77]))
}

func TestReduceKeepsWhatFailed(t *testing.T) {
	path := file(t, "in", strings.Repeat("good line of some length\n", 5000)+"bad\n"+strings.Repeat("good line of some length\n", 50_000))
	p := pool.New(2)
	defer p.Close()
	_, err := pool.Reduce(t.Context(), p, LineBytes(path), func() int { return 0 }, func(_ context.Context, n int, line []byte) (int, error) {
		if string(line) == "bad" {
			return 0, errBoom
		}
		return n + 1, nil
	}, func(a, b int) (int, error) { return a + b, nil })
	e, ok := errors.AsType[*stage.ItemError](err)
	require.True(t, ok)
	assert.Equal(t, []byte("bad"), e.Input)
	assert.Equal(t, int64(5000), e.At.Record)
	assert.Equal(t, int64(5000*25), e.At.Offset)
}

// A file's own error knows the record although the blocks before it were not
// filled.
func TestReadErrorBehindUncountedBlocks(t *testing.T) {
	data := packed(t, "gz", strings.Repeat("hello\n", 20_000))
	path := file(t, "in", data[:len(data)-4])
	p := filler(t, Lines(path, BlockSize(minBlock)))
	var chunks []*stage.Chunk[string]
	for {
		c := new(stage.Chunk[string])
		err := p.Pull(t.Context(), c, stage.Limit{Bytes: 1 << 20})
		if err != nil {
			require.EqualError(t, err, "source: "+path+": record 20001, byte 120000: unexpected EOF")
			break
		}
		chunks = append(chunks, c)
	}
	require.Greater(t, len(chunks), 5)
	for _, c := range slices.Backward(chunks) {
		require.NoError(t, p.Fill(t.Context(), c))
		assert.Equal(t, c.Tokens[0].At.Offset, 6*c.Tokens[0].First)
		assert.Equal(t, c.Tokens[0].At.Record, c.Tokens[0].First)
	}
}
