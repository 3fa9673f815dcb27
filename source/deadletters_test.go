package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var errOdd = errors.New("odd")

// reject runs a stream of which every item fails into a dead-letter file.
func reject[T any](t require.TestingT, path string, in stage.Stream[T]) {
	bad := stage.Map(in, func(context.Context, T) (T, error) {
		var none T
		return none, errOdd
	}).Named("reject")
	sum, err := stage.Run(context.Background(), bad, sink.Discard[T](), stage.DeadLetter(sink.DeadLetters(path), 0))
	require.NoError(t, err)
	require.Zero(t, sum.Written)
}

func TestDeadLettersReplayRecords(t *testing.T) {
	dir := t.TempDir()
	in, dead := filepath.Join(dir, "in.csv"), filepath.Join(dir, "dead.ndjson")
	require.NoError(t, os.WriteFile(in, []byte("id,name\n1,ann\n2,\"b, \"\"c\"\"\"\n3,\n"), 0o600))
	for _, opt := range []source.Option{source.Header("id", "name"), source.NoHeader(), source.Columns("name")} {
		all, err := source.Records(in, opt).Collect(t.Context())
		require.NoError(t, err)
		reject(t, dead, source.Records(in, opt))
		i := 0
		for l, err := range source.Letters[source.Record](dead).All(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, all[i].Append(nil), l.First.Append(nil))
			assert.Equal(t, all[i].Names(), l.First.Names())
			assert.Equal(t, all[i].Position(), l.Second.At, "where it came from")
			assert.Equal(t, all[i].String(), l.First.String())
			assert.Equal(t, stage.Position{}, l.First.Position())
			require.EqualError(t, l.Second.Err, "odd")
			assert.Equal(t, []any{"reject", int64(i), l.First}, []any{l.Second.Stage, l.Second.Index, l.Second.Input})
			i++
		}
		assert.Len(t, all, i)
	}
	for _, bad := range []string{`1`, `null`, `{"a":1}`, `["a",["b"]]`, `[`, `{"a":"b"`} {
		var r source.Record
		require.Error(t, json.Unmarshal([]byte(bad), &r), bad)
		require.Error(t, r.UnmarshalJSON([]byte(bad)), bad)
	}
	var r source.Record
	require.NoError(t, json.Unmarshal([]byte(`[]`), &r))
	assert.Zero(t, r.Len())
}

// What a source could not decode is there as text.
func TestDeadLettersOfASource(t *testing.T) {
	type row struct {
		ID int `json:"id"`
	}
	dir := t.TempDir()
	in, dead := filepath.Join(dir, "in.ndjson"), filepath.Join(dir, "dead.ndjson.gz")
	require.NoError(t, os.WriteFile(in, []byte("{\"id\":1}\n{\"id\":}\n{\"id\":\"x\"}\n{\"id\":2}\n{\"id\":3        }\n"), 0o600))
	_, err := stage.Run(t.Context(), source.NDJSON[row](in, source.MaxRecord(12)), sink.Discard[row](), stage.DeadLetter(sink.DeadLetters(dead), 0))
	require.NoError(t, err)
	var got []string
	for l, err := range source.Letters[string](dead).All(t.Context()) {
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, fmt.Sprintf("%s %d %d", l.First, l.Second.At.Record, l.Second.At.Offset))
		assert.Equal(t, in, l.Second.At.Key)
	}
	require.Len(t, got, 3)
	assert.Equal(t, []string{`{"id":} 1 9`, `{"id":"x"} 2 17`}, got[:2])
	assert.Contains(t, got[2], "source: "+dead+": record 3, byte ")
	assert.Contains(t, got[2], ": the input was not kept")
}

// A line that is no letter fails alone, at its place.
func TestDeadLettersBadLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	require.NoError(t, os.WriteFile(path, []byte(`{"input":1}`+"\n\n"+`{"input":"x"}`+"\nbang\n"+`{"input":4}`), 0o600))
	p := pool.New(2)
	defer p.Close()
	var got []string
	for v, err := range pool.Imap(p, source.DeadLetters[int](path, source.BlockSize(8)), stage.Pure(func(v int) int { return v })).All(t.Context()) {
		if item, ok := errors.AsType[*stage.ItemError](err); ok {
			got = append(got, fmt.Sprintf("%v %d %d", item.Input, item.At.Record, item.At.Offset))
			continue
		}
		require.NoError(t, err)
		got = append(got, fmt.Sprint(v))
	}
	assert.Equal(t, []string{"1", `{"input":"x"} 1 13`, "bang 2 27", "4"}, got)
	assert.PanicsWithValue(t, "penstock: source.DeadLetters: an option is nil", func() { source.DeadLetters[int](path, nil) })
	assert.PanicsWithValue(t, "penstock: source.Letters: Decoder is an option of NDJSON, JSON only", func() {
		source.Letters[int](path, source.Decoder(json.Unmarshal))
	})
	_, err := source.DeadLetters[int](path + "x").Collect(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Through files, too, whatever went in comes out again, in order.
func TestDeadLettersRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.ndjson.zst")
	type thing struct {
		N int64
		S string
		B []byte
	}
	rapid.Check(t, func(t *rapid.T) {
		var things []thing
		var bytes [][]byte
		var strs []string
		for range rapid.IntRange(0, 9).Draw(t, "n") {
			b := rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(t, "bytes")
			bytes, strs = append(bytes, b), append(strs, string(b))
			things = append(things, thing{rapid.Int64().Draw(t, "int"), rapid.String().Draw(t, "string"), b})
		}
		require.Equal(t, things, replayed(t, path, things))
		require.Equal(t, bytes, replayed(t, path, bytes))
		require.Equal(t, strs, replayed(t, path, strs))
	})
}

func replayed[T any](t require.TestingT, path string, in []T) []T {
	reject(t, path, source.Slice(in))
	var got []T
	for v, err := range source.DeadLetters[T](path).All(context.Background()) {
		require.NoError(t, err)
		got = append(got, v)
	}
	return got
}

// No file brings the reader down: each line that is not blank is an item or a
// failed one.
func FuzzDeadLetters(f *testing.F) {
	path := filepath.Join(f.TempDir(), "dead.ndjson")
	f.Add("{\"input\":\"a\"}\n\n{\"input\":1}\r\nx")
	f.Add("{\"stage\":\"s\",\"record\":-9223372036854775808,\"input\":\"?\",\"encoding\":\"base64\"}")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1 && (text[:2] == "\x1f\x8b" || text[:2] == "\x28\xb5") {
			return // compressed
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		lines, err := source.JSONLines(path).Count(t.Context())
		require.NoError(t, err)
		got := int64(0)
		for l, err := range source.Letters[string](path).All(t.Context()) {
			got++
			if err != nil {
				_, item := errors.AsType[*stage.ItemError](err)
				require.True(t, item, err)
				continue
			}
			require.Equal(t, l.First, l.Second.Input)
		}
		require.Equal(t, lines, got)
	})
}
