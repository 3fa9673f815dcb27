package sink

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-go/penstock/stage"
)

// NDJSON writes each item as JSON on a line of its own to the file at path, as
// [NDJSONEncoder] formats them; see the package's documentation for what path may
// be, and [FileOption] for the options. Of a stream without items it makes an
// empty file. NDJSON panics if path is empty or an option does not fit.
func NDJSON[T any](path string, opts ...FileOption) stage.Sink[T] {
	return encoded("NDJSON", path, NDJSONEncoder[T](), opts)
}

// NDJSONEncoder formats each item as JSON on a line of its own. Items are encoded
// as encoding/json/v2 does, with the members of maps sorted by name and invalid
// UTF-8 replaced by U+FFFD, so that a rejected line can be written whatever it
// holds.
func NDJSONEncoder[T any]() stage.Encoder[T] {
	options := json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	return &ndjsonEncoder[T]{states: sync.Pool{New: func() any {
		return &ndjsonState{encoder: jsontext.NewEncoder(new(bytes.Buffer), options), options: options}
	}}}
}

type ndjsonEncoder[T any] struct {
	lineFormat
	states sync.Pool // of *ndjsonState
}

// ndjsonState is what one goroutine encodes with.
type ndjsonState struct {
	buf     bytes.Buffer
	encoder *jsontext.Encoder
	options json.Options
}

// Encode implements stage.Encoder.
func (e *ndjsonEncoder[T]) Encode(dst []byte, c *stage.Chunk[T]) ([]byte, error) {
	s, _ := e.states.Get().(*ndjsonState)
	s.buf = *bytes.NewBuffer(dst)
	s.encoder.Reset(&s.buf, s.options)
	for i := range c.Items {
		// The encoder ends each value with a newline.
		if err := json.MarshalEncode(s.encoder, &c.Items[i], s.options); err != nil {
			return dst, err // what failed is not used again
		}
	}
	out := s.buf.Bytes()
	s.buf = bytes.Buffer{}
	e.states.Put(s)
	return out, nil
}
