package deadletter

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type word string

type order struct {
	ID    int64             `json:"id"`
	Name  string            `json:"name"`
	Price float64           `json:"price"`
	Took  time.Duration     `json:"took"`
	Tags  map[string]string `json:"tags"`
	Raw   []byte            `json:"raw"`
	Next  *order            `json:"next"`
}

// text writes a letter as a file has it.
func text(t require.TestingT, l stage.Letter) []byte {
	b, err := jsonv2.Marshal(New(&l))
	require.NoError(t, err)
	return b
}

func roundTrip[T any](t require.TestingT, input T) T {
	l := stage.Letter{
		Stage: "s", Index: 3, At: stage.Position{Part: 2, Offset: 9, Record: 7, Key: "f"}, Input: input, Reason: "bad", Stack: "at\n", Attempts: 2,
	}
	var got T
	line, err := Decode(text(t, l), &got)
	require.NoError(t, err)
	again := line.Letter()
	require.EqualError(t, again.Err, "bad")
	again.Err, l.Input = nil, nil
	require.Equal(t, l, again)
	return got
}

// Whatever went in comes out again.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		str := rapid.String().Draw(t, "string")
		require.Equal(t, str, roundTrip(t, str))
		require.Equal(t, string(bytes), roundTrip(t, string(bytes)))
		require.Equal(t, word(bytes), roundTrip(t, word(bytes)))
		require.Equal(t, append([]byte{}, bytes...), roundTrip(t, bytes))
		require.Equal(t, []byte(str), roundTrip(t, []byte(str)))
		number := rapid.Int64().Draw(t, "int")
		require.Equal(t, number, roundTrip(t, number))
		require.Equal(t, time.Duration(number), roundTrip(t, time.Duration(number)))
		unsigned := rapid.Uint64().Draw(t, "uint")
		require.Equal(t, unsigned, roundTrip(t, unsigned))
		float := rapid.Float64().Draw(t, "float")
		require.InDelta(t, float, roundTrip(t, float), 0)
		when := time.Unix(number%1e11, number%1e9).UTC()
		if y := when.Year(); y >= 0 && y < 10_000 {
			require.True(t, when.Equal(roundTrip(t, when)))
		}
		o := order{
			ID: number, Name: str, Price: float, Took: time.Duration(number), Tags: map[string]string{str: "x"}, Raw: append([]byte{}, bytes...),
			Next: &order{Tags: map[string]string{}, Raw: []byte{}},
		}
		require.Equal(t, o, roundTrip(t, o))
		require.Equal(t, &o, roundTrip(t, &o))
		value, err := json.Marshal(o)
		require.NoError(t, err)
		require.JSONEq(t, string(value), string(roundTrip(t, json.RawMessage(value))))
		require.Equal(t, string(bytes)+"x", string(roundTrip(t, json.RawMessage(string(bytes)+"x"))), "not JSON: byte for byte")
		require.Equal(t, any(str), roundTrip(t, any(str)))
	})
}

func TestEncodings(t *testing.T) {
	self := map[string]any{}
	self["self"] = self
	for _, c := range []struct {
		input                 any
		value, encoding, note string
	}{
		{nil, `null`, "none", ""},
		{"a\n\"b", `"a\n\"b"`, "", ""},
		{"\xff", `"/w=="`, "base64", ""},
		{[]byte("a,b"), `"a,b"`, "utf8", ""},
		{[]byte{0xff}, `"/w=="`, "base64", ""},
		{[]byte(nil), `""`, "utf8", ""},
		{json.RawMessage(`{"a": 1}`), `{"a": 1}`, "", ""},
		{jsontext.Value(`{"a"`), `"{\"a\""`, "utf8", "not valid JSON"},
		{map[string]int{"b": 2, "a": 1}, `{"a":1,"b":2}`, "", ""},
		{order{ID: 1}, `{"id":1,"name":"","price":0,"took":0,"tags":{},"raw":"","next":null}`, "", ""},
		{math.NaN(), `"NaN"`, "text", "unsupported value: NaN"},
		{complex(1, 2), `"(1+2i)"`, "text", "complex128"},
		{order{Name: "\xff"}, `"{ID:0 Name:�`, "text", "invalid UTF-8"},
		{struct{ n int }{3}, `"{n:3}"`, "text", "no exported fields"},
		{self, `"map[string]interface {}"`, "text", "cycle"},
		{bomb{}, `"`, "text", "panic: boom"},
	} {
		line := New(&stage.Letter{Input: c.input})
		assert.Contains(t, string(line.Input), c.value)
		assert.Equal(t, c.encoding, line.Encoding, c.value)
		assert.Contains(t, line.Note, c.note)
		assert.True(t, line.Input.IsValid(), c.value)
		assert.True(t, utf8.Valid(line.Input))
	}
}

// bomb has a MarshalJSON that panics.
type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error) { panic("boom") }

func TestDecodeRefuses(t *testing.T) {
	for in, want := range map[string]string{
		`{"input":1`:                       "unexpected EOF",
		`1`:                                "unmarshal",
		`{}`:                               "not a dead letter: it has no input",
		`{"input":"x"}`:                    "unmarshal",
		`{"input":null,"encoding":"none"}`: "the input was not kept",
		`{"input":"<-","encoding":"text","note":"why"}`: "the input is there only as text: it could not be written as JSON: why",
		`{"input":"x","encoding":"rot13"}`:              `unknown encoding "rot13" of the input`,
		`{"input":"x","encoding":"utf8"}`:               "the input is bytes, which a deadletter.order cannot be made of",
		`{"input":1,"encoding":"utf8"}`:                 "input: ",
		`{"input":"?","encoding":"base64"}`:             "input: illegal base64 data at input byte 0",
	} {
		o := order{}
		_, err := Decode([]byte(in), &o)
		require.ErrorContains(t, err, want, in)
		assert.Equal(t, order{}, o, "nothing half read")
	}
	o := order{}
	_, err := Decode([]byte(`{"input":{"id":1,"name":2}}`), &o)
	_, ok := errors.AsType[*jsonv2.SemanticError](err)
	assert.True(t, ok)
	assert.Equal(t, order{}, o, "nothing half read")
	var b []byte
	_, err = Decode([]byte(`{"input":{}}`), &b)
	require.Error(t, err)
	_, err = Decode([]byte(`{"input":"text"}`), &b)
	require.NoError(t, err)
	assert.Equal(t, "text", string(b))
	var a any
	_, err = Decode([]byte(`{"input":null,"encoding":"none"}`), &a)
	require.NoError(t, err)
	_, err = Decode([]byte(`{"input":"b","encoding":"utf8"}`), &a)
	require.NoError(t, err)
	assert.Equal(t, []byte("b"), a)
}

// No line brings Decode down, and what it takes it writes again in a form that
// means the same.
func FuzzDecode(f *testing.F) {
	for _, in := range []any{nil, "a", []byte{0xff}, "\xff", 1.5, order{ID: 1}, json.RawMessage("[1, 2]"), math.NaN()} {
		f.Add(string(text(f, stage.Letter{Stage: "s", Index: 1, Input: in, Reason: "r", At: stage.Position{Key: "k"}})))
	}
	f.Add(`{"input":"?","encoding":"base64"}`)
	f.Add(`{"input":{"a":1,"a":2}}`)
	f.Fuzz(func(t *testing.T, in string) {
		var s string
		if line, err := Decode([]byte(in), &s); err == nil {
			l := line.Letter()
			l.Input = s
			var again string
			_, err := Decode(text(t, l), &again)
			require.NoError(t, err)
			require.Equal(t, s, again)
		}
		var b []byte
		_, _ = Decode([]byte(in), &b)
		var o order
		_, _ = Decode([]byte(in), &o)
		var raw json.RawMessage
		if line, err := Decode([]byte(in), &raw); err == nil {
			l := line.Letter()
			l.Input = raw
			var again json.RawMessage
			_, err := Decode(text(t, l), &again)
			require.NoError(t, err)
			if json.Valid(raw) {
				require.JSONEq(t, string(raw), string(again))
			} else {
				require.Equal(t, string(raw), string(again))
			}
		}
	})
}
