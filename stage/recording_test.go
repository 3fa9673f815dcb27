package stage_test

import (
	"context"
	"encoding/json"

	"github.com/penstock-go/penstock/stage"
)

// recording is a sink that shows a test what happens to it.
type recording struct {
	write  func(*stage.Chunk[int64]) error
	close  func(cause error)
	opened int
}

func (r *recording) Open(context.Context, json.RawMessage) (stage.Writer[int64], error) {
	r.opened++
	return r, nil
}

func (r *recording) Write(_ context.Context, c *stage.Chunk[int64]) error { return r.write(c) }

func (r *recording) Close(_ context.Context, cause error) error {
	r.close(cause)
	return nil
}
