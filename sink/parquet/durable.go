package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/stage"
)

// durable is a writer in a run with a checkpoint.
type durable[T any] struct {
	*sink[T]

	folder   *folder
	segments []segment
	next     int        // the number of the next segment
	inner    *writer[T] // of the segment at hand, or nil
	items    int64
	kept     bool // a checkpoint speaks of the segments
	ended    bool // an earlier run has published the file
	failed   error
}

// segmentsState is what a checkpoint holds of the sink.
type segmentsState struct {
	Path     string    `json:"path"`
	Segments []segment `json:"segments,omitempty"`
	Next     int       `json:"next"`
	Items    int64     `json:"items"`
}

var errPublished = errors.New("an earlier run has finished the file")

// openDurable begins a run, or goes on with one.
func (s *sink[T]) openDurable(ctx context.Context, restore json.RawMessage) (*durable[T], error) {
	d := &durable[T]{sink: s, next: 1}
	if len(restore) > 0 {
		var state segmentsState
		if err := json.Unmarshal(restore, &state); err != nil {
			return nil, fmt.Errorf("the checkpoint's state: %w", err)
		}
		if state.Path != s.path {
			return nil, fmt.Errorf("the checkpoint is of a run that wrote %s", state.Path)
		}
		d.segments, d.next, d.items, d.kept = state.Segments, max(1, state.Next), state.Items, true
	}
	var err error
	if d.folder, err = openFolder(ctx, s.path); err != nil {
		return nil, err
	}
	missing, err := d.folder.missing(d.segments)
	if err != nil {
		return nil, err
	}
	if missing {
		d.ended, err = d.folder.published(d.segments)
		if err != nil || !d.ended {
			return nil, errors.Join(errors.New("what the run before has written is gone"), err)
		}
		return d, d.folder.sweep(nil)
	}
	return d, d.folder.sweep(d.segments)
}

// Write implements stage.Writer.
func (d *durable[T]) Write(ctx context.Context, c *stage.Chunk[T]) error {
	if d.failed == nil && len(c.Items) > 0 {
		d.failed = d.write(ctx, c)
	}
	return d.failed
}

func (d *durable[T]) write(ctx context.Context, c *stage.Chunk[T]) error {
	if d.inner == nil {
		if err := d.begin(); err != nil {
			return fmt.Errorf("sink: %s: %w", d.path, err)
		}
	}
	err := d.inner.Write(ctx, c)
	d.items = d.inner.items
	return err
}

// begin begins a segment.
func (d *durable[T]) begin() error {
	if d.ended {
		return errPublished
	}
	out, err := d.folder.create(d.next, func(s segment) { d.segments = append(d.segments, s) })
	if err != nil {
		return err
	}
	d.next++
	if d.inner, err = d.newWriter(out); err == nil {
		d.inner.items = d.items
	}
	return err
}

// end completes the segment at hand.
func (d *durable[T]) end(ctx context.Context) error {
	inner := d.inner
	d.inner = nil
	if inner == nil {
		return nil
	}
	return inner.Close(ctx, nil)
}

// Prepare implements stage.Committer: what was written becomes a segment.
func (d *durable[T]) Prepare(ctx context.Context, _ uint64) (json.RawMessage, error) {
	if d.failed != nil {
		return nil, d.failed
	}
	more := d.inner != nil
	if d.failed = d.end(ctx); d.failed != nil {
		return nil, d.failed
	}
	if more {
		if err := d.folder.fs.SyncDir(d.folder.dir()); err != nil {
			d.failed = fmt.Errorf("sink: %s: %w", d.path, err)
			return nil, d.failed
		}
	}
	d.kept = true
	return json.Marshal(segmentsState{Path: d.path, Segments: d.segments, Next: d.next, Items: d.items})
}

// Commit implements stage.Committer: the file is published at the end.
func (*durable[T]) Commit(context.Context, uint64) error { return nil }

// Close implements stage.Writer.
func (d *durable[T]) Close(ctx context.Context, cause error) (err error) {
	switch {
	case cause != nil || d.failed != nil:
		if d.inner != nil {
			err = d.inner.Close(ctx, errors.Join(cause, d.failed))
		}
		if !d.kept {
			err = errors.Join(err, d.folder.sweep(nil))
		}
		if cause == nil {
			return errors.Join(d.failed, err)
		}
	case d.ended:
		return nil
	default:
		err = d.publish(ctx)
	}
	if err != nil {
		return fmt.Errorf("sink: %s: %w", d.path, err)
	}
	return nil
}

func (d *durable[T]) publish(ctx context.Context) error {
	if len(d.segments) == 0 && d.inner == nil { // an empty file
		if err := d.begin(); err != nil {
			return err
		}
	}
	if err := d.end(ctx); err != nil {
		return err
	}
	return safely(func() error { return d.folder.publish(d.segments, d.settings()) })
}
