package source

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

func TestJSONLines(t *testing.T) {
	text := "{\"id\":1}\n\n \t\r\n  {\"id\":2}\r\nnot json\n{\"id\":3,\"id\":3}\n" + strings.Repeat("4", 50) + "\n[5]"
	for _, how := range []string{"", "gz", "zst"} {
		path := file(t, "in", packed(t, how, text))
		for _, max := range limits() {
			r := read(t, JSONLines(path, MaxRecord(40)), max)
			require.NoError(t, r.err)
			require.Equal(t, "iiiiei", r.order)
			var got []string
			for _, line := range r.items {
				require.Len(t, line, cap(line))
				got = append(got, string(line))
			}
			require.Equal(t, []string{"{\"id\":1}", "  {\"id\":2}", "not json", "{\"id\":3,\"id\":3}", "[5]"}, got)
			require.EqualError(t, r.errs[0], "source: "+path+": record 5, byte 51: record too long: 50 bytes, limit 40")

			r = read(t, JSONLines(path, Validate()), max)
			require.Equal(t, "iieeii", r.order)
			require.Contains(t, r.errs[0].Error(), "record 3, byte 26: jsontext: ")
			require.Equal(t, "not json", r.errs[0].Input)
			require.Contains(t, r.errs[1].Error(), "duplicate")
		}
	}
	for _, bad := range []string{"{}{}", "1 2", "{", "\"\xff\""} {
		r := read(t, JSONLines(file(t, "in", bad), Validate()), stage.Limit{})
		assert.Equal(t, "e", r.order, bad)
	}
}

func TestJSONLinesBehindAPool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.StringMatching(`( |\t|\{"a":[0-9]{1,9}\}|[0-9]{1,20})?\r?`)).Draw(t, "lines")
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
		want := []string{}
		for _, line := range lines {
			if strings.TrimSpace(line) != "" {
				want = append(want, strings.TrimSuffix(line, "\r"))
			}
		}
		p := pool.New(rapid.IntRange(1, 4).Draw(t, "workers"))
		defer p.Close()
		s := JSONLines(path, BlockSize(rapid.IntRange(1, 100).Draw(t, "block")))
		chunk := pool.ChunkSize(rapid.SampledFrom([]int{0, 1, 2, 7, 100}).Draw(t, "chunk"))
		text := stage.Pure(func(v json.RawMessage) string { return string(v) })
		got, err := pool.Imap(p, s, text, chunk).Collect(context.Background())
		require.NoError(t, err)
		require.Equal(t, want, append([]string{}, got...))
		got, err = pool.ImapUnordered(p, s, text, chunk).Collect(context.Background())
		require.NoError(t, err)
		require.ElementsMatch(t, want, got)
	})
}

// A line that is valid on its own is an item, any other an error.
func FuzzJSONLines(f *testing.F) {
	path := filepath.Join(f.TempDir(), "in")
	for _, text := range []string{"{}\n[1]\r\n\n x", "\"\\ud800\"\n1 2", "{\"a\":1,\"a\":2}", "\ufeff1\n\xff"} {
		f.Add(text, uint8(0), uint8(1))
		f.Add(text, uint8(2), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, items, block uint8) {
		if compressed(text) {
			return
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		r := read(t, JSONLines(path, BlockSize(int(block)+1), Validate()), stage.Limit{Items: int(items)})
		require.NoError(t, r.err)
		order := ""
		for line := range bytes.Lines([]byte(strings.TrimPrefix(text, "\ufeff"))) {
			line = bytes.TrimSuffix(line, []byte{'\n'})
			switch {
			case len(bytes.Trim(line, " \t\r")) == 0:
			case valid(line) == nil:
				require.True(t, json.Valid(line))
				order += "i"
			default:
				order += "e"
			}
		}
		require.Equal(t, order, r.order)
	})
}
