package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

func TestJSON(t *testing.T) {
	text := " [ {\"id\":1,\"name\":\"a,]\\\"}\\\\\"}\n, {\"id\":2,\"tags\":{\"k\":\"[\"}},{\"id\":3} ]\r\n"
	want := []event{{ID: 1, Name: "a,]\"}\\"}, {ID: 2, Tags: map[string]string{"k": "["}}, {ID: 3}}
	for _, how := range []string{"", "gz", "zst"} {
		for _, bom := range []string{"", "\ufeff"} {
			path := file(t, "in", packed(t, how, bom+text))
			for _, max := range limits() {
				r := read(t, JSON[event](path, Paths(path)), max)
				require.NoError(t, r.err)
				require.Empty(t, r.errs)
				require.Equal(t, append(want, want...), r.items)
				for i, at := range r.places {
					require.Equal(t, int64(i%3), at.Record)
					require.Contains(t, text[at.Offset-int64(len(bom)):][:7], fmt.Sprintf("{\"id\":%d", i%3+1))
				}
			}
		}
	}
	for _, empty := range []string{"", " \n", "[]", " [ \n] "} {
		assert.Empty(t, all(t, JSON[event](file(t, "in", empty)), stage.Limit{}))
	}
	assert.Equal(t, []any{1.0, "a", nil, []any{}}, all(t, JSON[any](file(t, "in", `[1,"a",null,[]]`)), stage.Limit{}))
}

func TestJSONRecordErrors(t *testing.T) {
	text := `[1,x,,"y", [2] ,` + strings.Repeat("3", 40) + `,4}5,6,]`
	path := file(t, "in.json", text)
	for _, max := range limits() {
		r := read(t, JSON[int](path, MaxRecord(30)), max)
		require.NoError(t, r.err)
		assert.Equal(t, []int{1, 6}, r.items)
		assert.Equal(t, "ieeeeeeie", r.order)
		for i, want := range []string{
			"record 2, byte 3: jsontext: ", "record 3, byte 5: an element is missing", "record 4, byte 6: json: ", "record 5, byte 11: json: ",
			"record 6, byte 16: record too long: 40 bytes, limit 30", "record 7, byte 57: jsontext: ", "record 9, byte 63: an element is missing",
		} {
			assert.Contains(t, r.errs[i].Error(), "source: "+path+": "+want)
		}
		assert.Equal(t, "[2]", r.errs[3].Input)
	}
}

// A file that is cut anywhere is an error, after the elements before.
func TestJSONFileErrors(t *testing.T) {
	text := ` [{"id":1}, {"id":2,"name":"a\"b"} ] `
	for n := 1; n < len(text)-2; n++ {
		path := file(t, "in", text[:n])
		for _, max := range limits() {
			r := read(t, JSON[event](path), max)
			if strings.TrimSpace(text[:n]) == "" {
				require.NoError(t, r.err)
				continue
			}
			require.ErrorIs(t, r.err, io.ErrUnexpectedEOF, text[:n])
			require.Empty(t, r.errs)
			require.LessOrEqual(t, len(r.items), 1)
			e, ok := errors.AsType[*Error](r.err)
			require.True(t, ok)
			require.Equal(t, int64(len(r.items)+1), e.Record)
			require.Equal(t, int64(n), e.Byte)
		}
	}
	for text, want := range map[string]string{
		`{"id":1}`:      "record 1, byte 8: not a JSON array",
		"1\n2\n":        "record 1, byte 4: not a JSON array",
		`[] x`:          "record 1, byte 4: there is something behind the array",
		`[{"id":1}][]`:  "record 2, byte 12: there is something behind the array",
		`[{"id":1}] ,1`: "record 2, byte 13: there is something behind the array",
	} {
		path := file(t, "in", text)
		r := read(t, JSON[event](path), stage.Limit{})
		require.EqualError(t, r.err, "source: "+path+": "+want, text)
	}
	path := file(t, "in", " ,1,2]")
	r := read(t, JSON[int](path), stage.Limit{})
	require.NoError(t, r.err)
	require.Equal(t, "ei", r.order)
	require.EqualError(t, r.errs[0], "source: "+path+": record 1, byte 2: not a JSON array")
	r = read(t, JSON[int](file(t, "in", strings.Repeat("x,[1]\"", 100_000)), MaxRecord(1000)), stage.Limit{})
	require.NoError(t, r.err)
	require.Len(t, r.errs, 1)
	require.ErrorIs(t, r.errs[0], ErrTooLong)
}

// jsonArray draws an array, with whitespace in it, and its elements as
// encoding/json sees them.
func jsonArray(t *rapid.T) (text string, want []any) {
	scalar := rapid.OneOf(
		rapid.Map(rapid.StringOf(rapid.RuneFrom([]rune("ab,[]{}\"\\ \né"))), func(s string) any { return s }),
		rapid.Map(rapid.Float64Range(-1e6, 1e6), func(f float64) any { return f }), rapid.Just[any](nil), rapid.Just[any](true),
	)
	value := rapid.OneOf(scalar,
		rapid.Map(rapid.SliceOfN(scalar, 0, 3), func(v []any) any { return v }),
		rapid.Map(rapid.MapOfN(rapid.StringOf(rapid.RuneFrom([]rune("ab\"]"))), scalar, 0, 3), func(v map[string]any) any { return v }))
	want = rapid.SliceOf(value).Draw(t, "array")
	space := rapid.StringOf(rapid.RuneFrom([]rune(" \n\t\r")))
	text = space.Draw(t, "space") + "["
	for i, v := range want {
		out, err := json.Marshal(v)
		require.NoError(t, err)
		if i > 0 {
			text += ","
		}
		text += space.Draw(t, "space") + string(out) + space.Draw(t, "space")
	}
	return text + "]" + space.Draw(t, "space"), want
}

func TestJSONBehindAPool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	rapid.Check(t, func(t *rapid.T) {
		text, want := jsonArray(t)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		p := pool.New(rapid.IntRange(1, 4).Draw(t, "workers"))
		defer p.Close()
		s := JSON[any](path, BlockSize(rapid.IntRange(1, 100).Draw(t, "block")))
		chunk := pool.ChunkSize(rapid.SampledFrom([]int{0, 1, 2, 7, 100}).Draw(t, "chunk"))
		keep := stage.Pure(func(v any) any { return v })
		got, err := pool.Imap(p, s, keep, chunk).Collect(context.Background())
		require.NoError(t, err)
		require.ElementsMatch(t, want, got)
		require.True(t, len(want) == 0 || assert.ObjectsAreEqual(want, got))
		got, err = pool.ImapUnordered(p, s, keep, chunk).Collect(context.Background())
		require.NoError(t, err)
		require.ElementsMatch(t, want, got)
	})
}

// What encoding/json takes for an array we take for the same; what it does not is
// an error.
func FuzzJSON(f *testing.F) {
	path := filepath.Join(f.TempDir(), "in")
	for _, text := range []string{"[1,2]", " [ ] ", "[\"a\\\"],\",{\"b\":[]}]", "[1", "[1,", "[1]x", "{}", "[,]", "[1,]", "[{]}]", "[\"\\", "[}1]"} {
		f.Add(text, uint8(0), uint8(1))
		f.Add(text, uint8(2), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, items, block uint8) {
		if compressed(text) {
			return
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		r := read(t, JSON[json.RawMessage](path, BlockSize(int(block)+1), Decoder(json.Unmarshal)), stage.Limit{Items: int(items)})
		var want []json.RawMessage
		err := json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &want)
		switch {
		case err == nil && strings.TrimSpace(text) != "null":
			require.NoError(t, r.err)
			require.Empty(t, r.errs)
			require.Len(t, r.items, len(want))
			for i := range want {
				require.Equal(t, string(want[i]), string(r.items[i]))
			}
		case strings.Trim(strings.TrimPrefix(text, "\ufeff"), " \t\r\n") == "":
			require.NoError(t, r.err)
		default:
			require.True(t, r.err != nil || len(r.errs) > 0)
		}
	})
}
