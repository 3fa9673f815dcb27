package main

import (
	"context"
	"encoding/json"

	"github.com/penstock-go/penstock/stage"
)

// crashing is a sink in front of another that ends the process in the middle. What
// the writer behind it can do besides is lost, except that it commits.
type crashing struct {
	stage.Sink[Flight]
	job *job
}

// Open implements stage.Sink.
func (c crashing) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[Flight], error) {
	w, err := c.Sink.Open(ctx, restore)
	if err != nil {
		return nil, err
	}
	counted := &counted{Writer: w, job: c.job}
	if committer, ok := w.(stage.Committer); ok {
		return committing{counted, committer}, nil
	}
	return counted, nil
}

// counted counts the rows until the crash.
type counted struct {
	stage.Writer[Flight]
	job  *job
	rows int
}

// Write implements stage.Writer.
func (c *counted) Write(ctx context.Context, chunk *stage.Chunk[Flight]) error {
	if c.rows += len(chunk.Items); c.rows >= c.job.crash {
		c.job.dies()
	}
	return c.Writer.Write(ctx, chunk)
}

// committing is counted for writers that commit.
type committing struct {
	*counted
	stage.Committer
}
