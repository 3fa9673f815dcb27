package source

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

// across reads the sections one after the other, each through its JSON.
func across[T any](t require.TestingT, sections []Section, max stage.Limit, plan func(Option) stage.Stream[T]) (items []T, offsets []int64) {
	for _, s := range sections {
		data, err := json.Marshal(s)
		require.NoError(t, err)
		var back Section
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, s, back)
		r := read(t, plan(Within(back)), max)
		require.NoError(t, r.err)
		require.Empty(t, r.errs)
		items = append(items, r.items...)
		for _, at := range r.places {
			offsets = append(offsets, int64(at.Part)<<32|at.Offset)
		}
	}
	return items, offsets
}

// Cut at any two bytes, the sections give what the whole file gives.
func TestSectionsAtEveryByte(t *testing.T) {
	texts := []string{
		"one\ntwo\n\nthree\r\n\r\nlast", "\n\n\n", "a\n", "a", "\ufeffone\ntwo\n", "\ufeff\n\nx", "one long line without an end",
	}
	for _, text := range texts {
		path := file(t, "in", text)
		size := int64(len(text))
		lines := func(o Option) stage.Stream[string] { return Lines(path, o, BlockSize(3)) }
		whole := read(t, Lines(path), stage.Limit{})
		for a := int64(1); a < size; a++ {
			for b := a + 1; b <= size; b++ {
				sections := []Section{
					{{Path: path, To: a, Size: size}},
					{{Path: path, From: a, At: a, To: b, Size: size}},
					{{Path: path, From: b, At: b, Size: size}},
				}
				for _, max := range []stage.Limit{{}, {Items: 1}, {Bytes: 100}} {
					got, offsets := across(t, sections, max, lines)
					require.Equal(t, whole.items, got, "%q cut at %d and %d", text, a, b)
					for i, at := range whole.places {
						require.Equal(t, at.Offset, offsets[i])
					}
				}
			}
		}
	}
}

type pair struct{ A, B string }

// A newline in quotes does not end a record, wherever the cut is.
func TestCSVSectionsAtEveryByte(t *testing.T) {
	text := "A,B\n1,\"x\ny\"\n\n2,\"a \"\"quoted\"\"\n\nthing\"\r\n\"3\n\n\",z\n4,end"
	path := file(t, "in.csv", text)
	size := int64(len(text))
	whole := read(t, CSV[pair](path), stage.Limit{})
	require.NoError(t, whole.err)
	require.Len(t, whole.items, 4)
	for a := int64(1); a < size; a++ {
		sections := []Section{{{Path: path, To: a, Size: size}}, {{Path: path, From: a, At: a, Size: size}}}
		for _, max := range limits() {
			got, offsets := across(t, sections, max, func(o Option) stage.Stream[pair] { return CSV[pair](path, o) })
			require.Equal(t, whole.items, got, "cut at %d, %+v", a, max)
			for i, at := range whole.places {
				require.Equal(t, at.Offset, offsets[i])
			}
		}
	}
}

// seekable appends the table of the seekable format.
func seekable(frames []string, texts []string) string {
	var table []byte
	for i, f := range frames {
		table = binary.LittleEndian.AppendUint32(table, uint32(len(f)))
		table = binary.LittleEndian.AppendUint32(table, uint32(len(texts[i])))
	}
	head := binary.LittleEndian.AppendUint32([]byte{0x5e, 0x2a, 0x4d, 0x18}, uint32(len(table)+9))
	tail := append(binary.LittleEndian.AppendUint32(nil, uint32(len(frames))), 0, 0xb1, 0xea, 0x92, 0x8f)
	return strings.Join(frames, "") + string(head) + string(table) + string(tail)
}

// encoded is one zstd frame that says how much it holds.
func encoded(t require.TestingT, text string) string {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	require.NoError(t, err)
	data := e.EncodeAll([]byte(text), nil)
	require.NoError(t, e.Close())
	return string(data)
}

// However many files of whatever kind are split into however many sections, they
// give what the whole gives.
func TestSplitAnything(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var paths []string
		for i := range rapid.IntRange(1, 4).Draw(t, "files") {
			text := rapid.StringOf(rapid.RuneFrom([]rune("ab\n\n\r\x00é"))).Draw(t, "text")
			var data string
			switch how := rapid.SampledFrom([]string{"", "gz", "zst", "frames", "streams", "seekable"}).Draw(t, "how"); how {
			case "frames", "streams", "seekable":
				var frames, parts []string
				for text != "" {
					n := rapid.IntRange(1, len(text)).Draw(t, "frame")
					if how == "streams" {
						frames = append(frames, packed(t, "zst", text[:n]))
					} else {
						frames = append(frames, encoded(t, text[:n]))
					}
					parts = append(parts, text[:n])
					text = text[n:]
				}
				data = strings.Join(frames, "")
				if how == "seekable" {
					data = seekable(frames, parts)
				}
			default:
				data = packed(t, how, text)
			}
			path := filepath.Join(dir, fmt.Sprint(i))
			require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
			paths = append(paths, path)
		}
		n := rapid.IntRange(1, 12).Draw(t, "n")
		sections, err := Split(t.Context(), n, paths...)
		require.NoError(t, err)
		require.LessOrEqual(t, len(sections), n)
		whole := read(t, Lines(paths[0], Paths(paths[1:]...)), stage.Limit{})
		require.NoError(t, whole.err)
		got, offsets := across(t, sections, stage.Limit{}, func(o Option) stage.Stream[string] { return Lines(paths[0], o) })
		require.Equal(t, whole.items, got)
		for i, at := range whole.places {
			require.Equal(t, int64(at.Part)<<32|at.Offset, offsets[i])
		}
	})
}

func TestSplitIsEven(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 1000)
	plain := file(t, "plain", text)
	sections, err := Split(t.Context(), 4, plain)
	require.NoError(t, err)
	require.Equal(t, []Section{
		{{Path: plain, To: 4000, Size: 16000}}, {{Path: plain, From: 4000, At: 4000, To: 8000, Size: 16000}},
		{{Path: plain, From: 8000, At: 8000, To: 12000, Size: 16000}}, {{Path: plain, From: 12000, At: 12000, Size: 16000}},
	}, sections)
	for _, s := range sections {
		n, err := Lines(plain, Within(s)).Count(t.Context())
		require.NoError(t, err)
		assert.InDelta(t, 250, n, 1)
	}

	frames := file(t, "frames", strings.Repeat(encoded(t, text[:1600]), 10))
	sections, err = Split(t.Context(), 5, frames)
	require.NoError(t, err)
	require.Len(t, sections, 5)
	assert.Equal(t, int64(3200), sections[1][0].From)

	skippable := "\x50\x2a\x4d\x18\x02\x00\x00\x00xx"
	led := file(t, "led", strings.Repeat(skippable+encoded(t, text[:1600]), 10))
	sections, err = Split(t.Context(), 5, led)
	require.NoError(t, err)
	require.Len(t, sections, 5)
	got, _ := across(t, sections, stage.Limit{}, func(o Option) stage.Stream[string] { return Lines(led, o) })
	require.Len(t, got, 1000)

	gz := file(t, "in.gz", packed(t, "gz", text))
	sections, err = Split(t.Context(), 5, gz)
	require.NoError(t, err)
	require.Len(t, sections, 1, "a gzip file stays whole")

	empty := file(t, "empty", "")
	sections, err = Split(t.Context(), 5, empty, empty)
	require.NoError(t, err)
	require.Empty(t, sections)
}

func TestSplitFailures(t *testing.T) {
	_, err := Split(t.Context(), 2, "-")
	require.EqualError(t, err, "source: stdin: only files can be split")
	missing := filepath.Join(t.TempDir(), "missing")
	_, err = Split(t.Context(), 2, missing)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Split(t.Context(), 2, os.DevNull)
	require.EqualError(t, err, "source: "+os.DevNull+": only files can be split")
	assert.Equal(t, "penstock: source.Split: n is 0, want 1 or more", panics(t, func() { _, _ = Split(t.Context(), 0) }))
	assert.Contains(t, panics(t, func() { Within(Section{{Path: "x", From: -1}}) }), "penstock: source.Within: s[0] is no section of a file")

	path := file(t, "in", "one\ntwo\n")
	sections, err := Split(t.Context(), 2, path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("one\ntwo\nthree\n"), 0o600))
	r := read(t, Lines(path, Within(sections[0])), stage.Limit{})
	require.EqualError(t, r.err, "source: "+path+": the file changed since it was split: it has 14 bytes, had 8")

	// A broken table or header is no reason to fail: whoever reads will say so.
	data := encoded(t, "one\n") + encoded(t, "two\n")
	for n := range data {
		path := file(t, "cut.zst", data[:n])
		_, err := Split(t.Context(), 3, path)
		require.NoError(t, err, "cut to %d", n)
	}
}
