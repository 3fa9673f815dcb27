package main

import (
	"context"
	"encoding/json"

	"github.com/penstock-go/penstock/stage"
)

// disturbed is a sink in front of another that ends or holds the process in the
// middle. What the writer behind it can do besides is lost, except that it commits.
type disturbed struct {
	stage.Sink[Flight]
	job *job
}

// Open implements stage.Sink.
func (d disturbed) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[Flight], error) {
	w, err := d.Sink.Open(ctx, restore)
	if err != nil {
		return nil, err
	}
	between := w
	if d.job.crash > 0 {
		between = &crashing{Writer: between, job: d.job}
	}
	if d.job.hold > 0 {
		between = &holding{Writer: between, job: d.job}
	}
	if committer, ok := w.(stage.Committer); ok {
		return committing{between, committer}, nil
	}
	return between, nil
}

// crashing counts the rows until the crash.
type crashing struct {
	stage.Writer[Flight]
	job  *job
	rows int
}

// Write implements stage.Writer.
func (c *crashing) Write(ctx context.Context, chunk *stage.Chunk[Flight]) error {
	if c.rows += len(chunk.Items); c.rows >= c.job.crash {
		c.job.dies()
	}
	return c.Writer.Write(ctx, chunk)
}

// committing is for writers that commit.
type committing struct {
	stage.Writer[Flight]
	stage.Committer
}
