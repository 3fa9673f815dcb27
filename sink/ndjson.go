package sink

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-go/penstock/stage"
)

// NDJSON writes each item as JSON on a line of its own to the file at path, as a
// whole or not at all; see the package's documentation. Items are encoded as
// encoding/json/v2 does, with the members of maps sorted by name and invalid
// UTF-8 replaced by U+FFFD, so that a rejected line can be written whatever it
// holds. Of a stream without items it makes an empty file. It buffers 64 KiB.
func NDJSON[T any](path string) stage.Sink[T] {
	return newFile("NDJSON", path, func() format[T] {
		return ndjsonFormat[T]{json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true))}
	})
}

type ndjsonFormat[T any] struct{ options json.Options }

func (ndjsonFormat[T]) begin(*bytes.Buffer) error { return nil }

func (f ndjsonFormat[T]) add(b *bytes.Buffer, item *T) error {
	if err := json.MarshalWrite(b, item, f.options); err != nil {
		return err
	}
	b.WriteByte('\n')
	return nil
}
