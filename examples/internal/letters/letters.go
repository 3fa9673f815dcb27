// Package letters writes the dead-letter files of the examples: a line of JSON for
// each row that was rejected, with the place that an editor would show.
package letters

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/stage"
)

// Rejected is a line of a dead-letter file.
type Rejected struct {
	File   string `json:"file"`
	Line   int64  `json:"line"` // the header is line 1; blank lines do not count
	Byte   int64  `json:"byte"` // where the line begins, after decompression
	Reason string `json:"reason"`
	Row    string `json:"row"` // what it says; empty if it is too long to be read
}

// File is the dead-letter file beside an output: x-rejected.ndjson for x.db.
func File(out string) string {
	return strings.TrimSuffix(out, filepath.Ext(out)) + "-rejected.ndjson"
}

// Sink writes letters to the file at path as [Rejected], in order. A row that the
// source could not read is text already; text makes it of any other item.
func Sink[T any](path string, text func(T) string) stage.Sink[stage.Letter] {
	return letters[T]{sink.NDJSON[Rejected](path), text}
}

type letters[T any] struct {
	to   stage.Sink[Rejected]
	text func(T) string
}

func (l letters[T]) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[stage.Letter], error) {
	w, err := l.to.Open(ctx, restore)
	if err != nil {
		return nil, err
	}
	return &writer[T]{Writer: w, text: l.text}, nil
}

type writer[T any] struct {
	stage.Writer[Rejected]
	text  func(T) string
	chunk stage.Chunk[Rejected]
}

func (w *writer[T]) Write(ctx context.Context, c *stage.Chunk[stage.Letter]) error {
	w.chunk.Reset()
	for _, l := range c.Items {
		r := Rejected{File: l.At.Key, Line: l.At.Record + 2, Byte: l.At.Offset, Reason: l.Reason}
		switch in := l.Input.(type) {
		case string:
			r.Row = in
		case T:
			r.Row = w.text(in)
		}
		w.chunk.Items = append(w.chunk.Items, r)
	}
	return w.Writer.Write(ctx, &w.chunk)
}
