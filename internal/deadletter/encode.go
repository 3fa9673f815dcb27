package deadletter

import (
	"encoding/base64"
	stdjson "encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// encode is an input as JSON, what that is, and why it is no better.
func encode(input any) (value jsontext.Value, encoding, note string) {
	switch in := input.(type) {
	case nil:
		return jsontext.Value("null"), asNone, ""
	case string:
		if utf8.ValidString(in) {
			return quote(in), asJSON, ""
		}
		return quoteBytes([]byte(in))
	case []byte:
		return quoteBytes(in)
	case stdjson.RawMessage:
		return raw(jsontext.Value(in))
	}
	if in, ok := input.(jsontext.Value); ok { // the same type in some builds, so no case
		return raw(in)
	}
	value, err := marshal(input)
	if err == nil {
		return value, asJSON, ""
	}
	if v := reflect.ValueOf(input); v.Kind() == reflect.String && !utf8.ValidString(v.String()) {
		return quoteBytes([]byte(v.String()))
	}
	return quote(show(input, err)), asText, strings.ToValidUTF8(err.Error(), "\ufffd")
}

// raw is JSON as it is, if it is JSON.
func raw(in jsontext.Value) (value jsontext.Value, encoding, note string) {
	if in.IsValid() {
		return in.Clone(), asJSON, ""
	}
	value, encoding, _ = quoteBytes(in)
	return value, encoding, "not valid JSON"
}

func quoteBytes(b []byte) (value jsontext.Value, encoding, note string) {
	if utf8.Valid(b) {
		return quote(string(b)), asUTF8, ""
	}
	return quote(base64.StdEncoding.EncodeToString(b)), asBase64, ""
}

// quote is a string as JSON; what is no UTF-8 in it is replaced.
func quote(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		b, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\ufffd")) // cannot fail: it is valid
	}
	return b
}

// marshal is the JSON of a value, if all of it can be had back from there as far as
// its type lets JSON see it.
func marshal(v any) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	if b, err = json.Marshal(v, json.Deterministic(true)); err == nil {
		return b, nil
	}
	if b, again := json.Marshal(v, json.Deterministic(true), json.WithMarshalers(nanoseconds)); again == nil {
		return b, nil
	}
	return nil, err
}

// The JSON package leaves open what a time.Duration is: here, where it does not say,
// a number of nanoseconds.
//
//nolint:gochecknoglobals // they are made once and never change
var (
	nanoseconds = json.MarshalToFunc(func(e *jsontext.Encoder, d time.Duration) error {
		return e.WriteToken(jsontext.Int(int64(d)))
	})
	fromNanoseconds = json.UnmarshalFromFunc(func(d *jsontext.Decoder, into *time.Duration) error {
		return json.UnmarshalDecode(d, (*int64)(into))
	})
)

// show is a value as a person reads it.
func show(v any, err error) string {
	if strings.Contains(err.Error(), "cycle") { // printing it would not end either
		return fmt.Sprintf("%T", v)
	}
	return fmt.Sprintf("%+v", v)
}
