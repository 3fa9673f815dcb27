package deadletter

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNoLetter = errors.New("not a dead letter: it has no input")
	errNotKept  = errors.New("the input was not kept")
)

// Decode reads a line, and the input in it.
func Decode[T any](text []byte, into *T) (Line, error) {
	var l Line
	if err := json.Unmarshal(text, &l); err != nil {
		return l, err
	}
	if l.Input == nil {
		return l, errNoLetter
	}
	var err error
	switch l.Encoding {
	case asJSON:
		err = fromJSON(l.Input, into)
	case asUTF8, asBase64:
		err = fromString(&l, into)
	case asText:
		err = fmt.Errorf("the input is there only as text: it could not be written as JSON: %s", l.Note)
	case asNone:
		if reflect.TypeFor[T]().Kind() != reflect.Interface {
			err = errNotKept
		}
	default:
		err = fmt.Errorf("unknown encoding %q of the input", l.Encoding)
	}
	if err != nil {
		var none T
		*into = none
	}
	return l, err
}

func fromJSON[T any](value jsontext.Value, into *T) error {
	if to, ok := any(into).(*[]byte); ok { // text, not the base64 that JSON makes of bytes
		var text string
		err := json.Unmarshal(value, &text)
		*to = []byte(text)
		return err
	}
	err := json.Unmarshal(value, into)
	if err == nil {
		return nil
	}
	var again T
	if json.Unmarshal(value, &again, json.WithUnmarshalers(fromNanoseconds)) == nil {
		*into = again
		return nil
	}
	return err
}

// fromString makes an input of the bytes that a string stands for.
func fromString[T any](l *Line, into *T) error {
	var s string
	if err := json.Unmarshal(l.Input, &s); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	b := []byte(s)
	if l.Encoding == asBase64 {
		var err error
		if b, err = base64.StdEncoding.DecodeString(s); err != nil {
			return fmt.Errorf("input: %w", err)
		}
	}
	v := reflect.ValueOf(into).Elem()
	switch {
	case v.Kind() == reflect.String:
		v.SetString(string(b))
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes(b)
	case v.Kind() == reflect.Interface && v.NumMethod() == 0:
		v.Set(reflect.ValueOf(b))
	default:
		return fmt.Errorf("the input is bytes, which a %v cannot be made of", v.Type())
	}
	return nil
}
