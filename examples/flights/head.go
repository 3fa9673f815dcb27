package main

import (
	"context"
	"io"

	"github.com/penstock-go/penstock/stage"
)

// head is the stream of the first n rows, good or bad; Take would count the good
// ones only.
func head(rows stage.Stream[Row], n int) stage.Stream[Row] {
	return stage.Through("head", rows, func(_ context.Context, in stage.Puller[Row]) (stage.Puller[Row], error) {
		return &headPuller{Puller: in, left: n}, nil
	})
}

type headPuller struct {
	stage.Puller[Row]
	left int
}

// Pull asks for rows, never for bytes, so that the source reads no row too many.
func (h *headPuller) Pull(ctx context.Context, into *stage.Chunk[Row], max stage.Limit) error {
	if h.left == 0 {
		into.Reset()
		return io.EOF
	}
	err := h.Puller.Pull(ctx, into, stage.Limit{Items: min(max.Room(), h.left)})
	h.left -= len(into.Items) + len(into.Errors)
	return err
}
