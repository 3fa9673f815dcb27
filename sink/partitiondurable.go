package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// durablePartitions is a partitionWriter in a run with a checkpoint.
type durablePartitions[T any] struct {
	*partitionWriter[T]

	parts *partSet
}

func (p partitionPlan[T]) openDurable(ctx context.Context, w *partitionWriter[T]) (stage.Writer[T], error) {
	set, err := openPartSet(ctx, p.root, p.names, p.without)
	if err == nil {
		err = set.makeRoot()
	}
	if err != nil {
		return nil, fmt.Errorf("sink: %s: %w", p.root, err)
	}
	w.set = set
	return durablePartitions[T]{w, set}, nil
}

// reopen goes on with a run.
func (p partitionPlan[T]) reopen(ctx context.Context, restore json.RawMessage) (stage.Writer[T], error) {
	w, err := p.writer(ctx)
	var set *partSet
	var state partsState
	if err == nil {
		set, state, err = reopenPartSet(ctx, restore, path.Join(p.root, p.name), p.root, p.names, len(p.by.columns), p.without)
	}
	if err != nil {
		return nil, fmt.Errorf("sink: %s: %w", p.root, err)
	}
	w.set, w.items = set, state.Items
	for dir, n := range set.numbers() {
		w.partitions[dir] = &partition{dir: dir, n: n, first: -1}
	}
	for f := range set.open {
		at := w.partitions[path.Dir(f.File)]
		at.part, at.size = f, f.size
	}
	return durablePartitions[T]{w, set}, nil
}

// Prepare implements stage.Committer.
func (w durablePartitions[T]) Prepare(_ context.Context, epoch uint64) (json.RawMessage, error) {
	if w.failed != nil {
		return nil, w.failed
	}
	state, err := w.prepare(epoch)
	if err != nil {
		w.failed = fmt.Errorf("sink: %s: %w", w.root, err)
	}
	return state, w.failed
}

func (w durablePartitions[T]) prepare(epoch uint64) (json.RawMessage, error) {
	for _, dir := range slices.Sorted(maps.Keys(w.partitions)) {
		p := w.partitions[dir]
		if len(p.buf) > 0 {
			if err := w.flush(p); err != nil {
				return nil, err
			}
		}
		if f, ok := p.part.(*part); ok {
			f.size = p.size
		}
	}
	state, err := w.parts.prepare(epoch)
	if err != nil {
		return nil, err
	}
	state.Path, state.Items = path.Join(w.root, w.name), w.items
	return json.Marshal(state)
}

// Commit implements stage.Committer: files that are complete are published.
func (w durablePartitions[T]) Commit(context.Context, uint64) error {
	if err := w.parts.publish(false); err != nil {
		return fmt.Errorf("sink: %s: %w", w.root, err)
	}
	return nil
}

// Close implements stage.Writer.
func (w durablePartitions[T]) Close(ctx context.Context, cause error) error {
	if cause == nil && w.failed == nil && w.parts.ended {
		for _, p := range w.partitions {
			if len(p.buf) > 0 {
				return fmt.Errorf("sink: %s: %w", w.root, errors.Join(errPublished, w.parts.Abort()))
			}
		}
	}
	return w.partitionWriter.Close(ctx, cause)
}
