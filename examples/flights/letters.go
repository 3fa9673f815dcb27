package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/penstock-go/penstock/stage"
)

// Rejected is a line of the dead-letter file.
type Rejected struct {
	File   string `json:"file"`
	Line   int64  `json:"line"` // the header is line 1; blank lines do not count
	Byte   int64  `json:"byte"` // where the line begins, after decompression
	Reason string `json:"reason"`
	Row    string `json:"row"` // what it says; empty if it is too long to be read
}

// letters is the sink of rows that failed, made of a sink of what we say of them.
type letters struct{ to stage.Sink[Rejected] }

func (l letters) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[stage.Letter], error) {
	w, err := l.to.Open(ctx, restore)
	if err != nil {
		return nil, err
	}
	return &letterWriter{Writer: w}, nil
}

type letterWriter struct {
	stage.Writer[Rejected]
	chunk stage.Chunk[Rejected]
}

func (w *letterWriter) Write(ctx context.Context, c *stage.Chunk[stage.Letter]) error {
	w.chunk.Reset()
	for _, l := range c.Items {
		w.chunk.Items = append(w.chunk.Items, rejected(l))
	}
	return w.Writer.Write(ctx, &w.chunk)
}

func rejected(l stage.Letter) Rejected {
	r := Rejected{File: l.At.Key, Line: l.At.Record + 2, Byte: l.At.Offset, Reason: l.Reason}
	switch in := l.Input.(type) {
	case string: // from the source, which could make no Row of it
		r.Row = in
	case Row:
		r.Row = fmt.Sprintf("%s,%d,%d,%s,%s", in.Date, in.Delay, in.Distance, in.Origin, in.Destination)
	}
	return r
}
