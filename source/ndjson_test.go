package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

type event struct {
	ID   int               `json:"id"`
	Name string            `json:"name"`
	Tags map[string]string `json:"tags"`
}

func TestNDJSON(t *testing.T) {
	text := "{\"id\":1,\"name\":\"a\\nb\"}\n\n \t\r\n  {\"id\":2,\"unknown\":[1],\"NAME\":\"x\"}\r\n{\"id\":3,\"tags\":{\"k\":\"v\"}}"
	want := []event{{ID: 1, Name: "a\nb"}, {ID: 2}, {ID: 3, Tags: map[string]string{"k": "v"}}}
	for _, how := range []string{"", "gz", "zst"} {
		for _, bom := range []string{"", "\ufeff"} {
			path := file(t, "in", packed(t, how, bom+text))
			for _, max := range limits() {
				r := read(t, NDJSON[event](path), max)
				require.NoError(t, r.err)
				require.Empty(t, r.errs)
				require.Equal(t, want, r.items)
				for i, at := range r.places {
					require.Equal(t, int64(i), at.Record)
					require.Contains(t, text[at.Offset-int64(len(bom)):][:12], fmt.Sprintf("{\"id\":%d", i+1))
				}
			}
		}
	}
}

func TestNDJSONAnyType(t *testing.T) {
	path := file(t, "in", "1\nnull\n-3\n")
	assert.Equal(t, []int{1, 0, -3}, all(t, NDJSON[int](path), stage.Limit{}))
	assert.Equal(t, []any{1.0, nil, -3.0}, all(t, NDJSON[any](path), stage.Limit{}))
}

func TestNDJSONRecordErrors(t *testing.T) {
	path := file(t, "in.ndjson", strings.Join([]string{
		`{"id":1}`, `{"id":}`, `{"id":"x"}`, ``, `{"id":2}{"id":3}`, `{"id":1,"id":2}`, "{\"name\":\"\xff\"}", `{"id":4`,
		`{"name":"` + strings.Repeat("x", 100) + `"}`, `{"id":5}`,
	}, "\n"))
	for _, max := range limits() {
		r := read(t, NDJSON[event](path, MaxRecord(60)), max)
		require.NoError(t, r.err)
		assert.Equal(t, "ieeeeeeei", r.order)
		assert.Equal(t, []event{{ID: 1}, {ID: 5}}, r.items)
		for i, want := range []string{
			"record 2, byte 9: jsontext: ", "record 3, byte 17: json: ", "record 4, byte 29: jsontext: ", "record 5, byte 46: jsontext: ",
			"record 6, byte 62: jsontext: ", "record 7, byte 75: jsontext: ", "record 8, byte 83: record too long: 111 bytes, limit 60",
		} {
			assert.Contains(t, r.errs[i].Error(), "source: "+path+": "+want)
		}
		assert.Equal(t, string(`{"id":"x"}`), r.errs[1].Input) //nolint:testifylint // byte for byte
		_, ok := errors.AsType[*jsonv2.SemanticError](r.errs[1])
		assert.True(t, ok)
		require.ErrorIs(t, r.errs[6], ErrTooLong)
	}
}

func TestNDJSONDecoder(t *testing.T) {
	path := file(t, "in", "{\"ID\":1}\n{\"Id\":2,\"id\":3}\nbang\n{\"id\":4}\n")
	decode := func(line []byte, into any) error {
		if string(line) == "bang" {
			panic("bang")
		}
		return json.Unmarshal(line, into)
	}
	for _, max := range limits() {
		r := read(t, NDJSON[event](path, Decoder(decode)), max)
		require.NoError(t, r.err)
		assert.Equal(t, []event{{ID: 1}, {ID: 3}, {ID: 4}}, r.items)
		assert.Equal(t, "iiei", r.order)
		assert.Equal(t, "source: "+path+": record 3, byte 25: panic: bang", r.errs[0].Error())
		assert.NotEmpty(t, r.errs[0].Stack)
	}
}

func TestNDJSONTruncated(t *testing.T) {
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "{\"id\":%d}\n", i*i)
	}
	for _, how := range []string{"gz", "zst"} {
		data := packed(t, how, text.String())
		for n := range len(data) {
			path := file(t, "in."+how, data[:n])
			r := read(t, NDJSON[event](path), stage.Limit{})
			require.ErrorIs(t, r.err, io.ErrUnexpectedEOF)
			require.Empty(t, r.errs)
			for i, e := range r.items {
				require.Equal(t, i*i, e.ID)
			}
		}
	}
}

// plainNDJSON decodes line by line: the values, or false in the place of an
// error.
func plainNDJSON(text string) (values []any) {
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if strings.Trim(line, " \t\r") == "" {
			continue
		}
		var v []any
		if jsonv2.Unmarshal([]byte(line), &v) != nil {
			values = append(values, false)
		} else {
			values = append(values, v)
		}
	}
	return values
}

func sameNDJSON(t require.TestingT, path, text string, max stage.Limit, block int) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	r := read(t, NDJSON[[]any](path, BlockSize(block)), max)
	require.NoError(t, r.err)
	var got []any
	i := 0
	for _, kind := range r.order {
		if kind == 'e' {
			got = append(got, false)
		} else {
			got = append(got, r.items[i])
			i++
		}
	}
	require.Equal(t, plainNDJSON(text), got)
}

func TestNDJSONAnyTextAnyLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.OneOf(
			rapid.StringMatching(`\[[0-9]{1,3},"[a-z ]{0,5}"\]`), rapid.StringMatching(`[ \t\r]{0,3}`),
			rapid.StringMatching(`[\[\]"1, ]{0,5}`),
		)
		text := strings.Join(rapid.SliceOf(line).Draw(t, "lines"), "\n")
		max := stage.Limit{Items: rapid.IntRange(0, 5).Draw(t, "items"), Bytes: rapid.Int64Range(0, 30).Draw(t, "bytes")}
		sameNDJSON(t, path, text, max, rapid.IntRange(1, 40).Draw(t, "block"))
	})
}

func FuzzNDJSON(f *testing.F) {
	path := filepath.Join(f.TempDir(), "in")
	for _, text := range []string{"[1]\n[2]", "\n\n[1]\r\n", " \t\n[\n]\n", "[1][2]\nnull\n{}", "\"\n\"\n", "\ufeff[1]\n", "P*M"} {
		f.Add(text, uint8(0), uint8(1))
		f.Add(text, uint8(1), uint8(7))
	}
	f.Fuzz(func(t *testing.T, text string, items, block uint8) {
		if strings.HasPrefix(text, "\x1f") || strings.HasPrefix(text, "\x28\xb5") || strings.Contains(text[:min(4, len(text))], "*M\x18") {
			return // compressed
		}
		sameNDJSON(t, path, text, stage.Limit{Items: int(items)}, int(block)+1)
	})
}

func BenchmarkNDJSON(b *testing.B) {
	const rows = 1 << 14
	type row struct {
		Date, Origin, Destination string
		Delay, Distance           int
	}
	text := strings.Repeat(`{"Date":"2001-01-01T00:01:00","Delay":14,"Distance":405,"Origin":"ABQ","Destination":"PHX"}`+"\n", rows)
	benchmark(b, NDJSON[row](file(b, "in", text)), len(text), rows)
}
