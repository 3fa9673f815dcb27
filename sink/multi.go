package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

// Multi writes every item to all sinks, a chunk at a time, to one after the other:
// what takes long in one holds the others back. stage.Tee with stage.RunAll writes at
// the same time, and to sinks of other types.
//
//	sink.Multi(sink.NDJSON[Event]("events.ndjson.zst"), sink.SQL[Event](db, "events"))
//
// The sinks are opened, written to and closed in their order. If one cannot be opened,
// those that are open are closed with the error. If writing to one fails, all are
// closed with that cause, as they are if the run fails. If one cannot be made final,
// those behind it are closed with its failure, and those before it stay final. Errors
// name the sink, counted from 0, and all are reported. A sink that has had enough
// (stage.ErrEnough) is written no more; the run ends early when all have.
//
// Each sink has a chunk of its own, with the tokens and offsets of the stream's: all
// but the last one are given copies, in memory that Multi uses again. What items point
// to is shared, so that sinks must not change it. The memory of a block of pool.Encode
// is used again when all sinks have released it.
//
// In a run with a checkpoint, sinks that write exactly once do so here: the checkpoint
// holds the states of all. A sink that is no stage.Committer is written at least once,
// and then so says stage.Summary of the whole; among these is [SQL] with the checkpoint
// in its own database, as a transaction of one of several sinks cannot hold it.
//
// Multi panics if there is no sink or one is nil.
func Multi[T any](sinks ...stage.Sink[T]) stage.Sink[T] {
	if len(sinks) == 0 {
		panic("penstock: sink.Multi: there is no sink")
	}
	for i, s := range sinks {
		notNil(s == nil, fmt.Sprintf("Multi: sink %d", i))
	}
	plan := multiPlan[T](slices.Clone(sinks))
	return opener[T]{
		verb: "Multi", name: fmt.Sprintf("%d sinks", len(sinks)),
		open: func(ctx context.Context) (stage.Writer[T], error) { return plan.open(ctx, groupState{}) },
		reopen: func(ctx context.Context, restore json.RawMessage) (stage.Writer[T], error) {
			state, err := restored("Multi", restore)
			if err != nil {
				return nil, err
			}
			if had := len(state.Members); had != len(plan) {
				return nil, fmt.Errorf("sink: Multi: the checkpoint is of a run with %d sinks, and this one has %d", had, len(plan))
			}
			return plan.open(ctx, state)
		},
	}
}

// multiPlan are the sinks of a Multi.
type multiPlan[T any] []stage.Sink[T]

// open opens all sinks, those that go on with their states.
func (p multiPlan[T]) open(ctx context.Context, state groupState) (stage.Writer[T], error) {
	w := &multiWriter[T]{group: newGroup[T](ctx, "Multi")}
	w.tracked = w.tracked || state.Group != ""
	w.items, w.savedItems = state.Items, state.Items
	err := w.opening(func() error {
		for i, s := range p {
			m := &member[T]{name: fmt.Sprintf("sink %d", i), sink: s}
			w.members = append(w.members, m)
			var had memberState
			if state.Members != nil {
				had = state.Members[i]
			}
			if err := w.reopen(m, had); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// multiWriter writes items to all of its members.
type multiWriter[T any] struct {
	group[T]

	begun bool           // all members may be written to
	chunk stage.Chunk[T] // what all but the last one have
}

// Write implements stage.Writer.
func (w *multiWriter[T]) Write(ctx context.Context, c *stage.Chunk[T]) error {
	if w.failed == nil {
		w.failed = w.write(ctx, c)
	}
	if w.failed == nil && w.sated() {
		return stage.ErrEnough
	}
	return w.failed
}

func (w *multiWriter[T]) write(ctx context.Context, c *stage.Chunk[T]) error {
	if !w.begun {
		if err := w.beginNew(ctx); err != nil {
			return err
		}
		w.begun = true
	}
	defer w.chunk.Reset()
	last, want := 0, 0
	for i, m := range w.members {
		if !m.enough {
			last = i
			want++
		}
	}
	w.items += int64(len(c.Items))
	if want > 1 {
		share(c, want)
	}
	for i, m := range w.members {
		to := c
		if i != last && !m.enough {
			to = w.copy(c)
		}
		if err := w.group.write(ctx, m, to); err != nil {
			return err
		}
	}
	return nil
}

// beginNew begins members that were no Committers in the run that this one goes on
// from: Run had all others prepare.
func (w *multiWriter[T]) beginNew(ctx context.Context) error {
	var fresh []*member[T]
	for _, m := range w.members {
		if m.isFresh() {
			fresh = append(fresh, m)
		}
	}
	return w.begin(ctx, fresh)
}

// copy is the chunk for another sink.
func (w *multiWriter[T]) copy(c *stage.Chunk[T]) *stage.Chunk[T] {
	to := &w.chunk
	to.Reset()
	to.Items = append(to.Items, c.Items...)
	to.Tokens = append(to.Tokens, c.Tokens...)
	to.Offsets = append(to.Offsets, c.Offsets...)
	to.Partial = c.Partial
	return to
}

// share readies a chunk for several holders.
func share[T any](c *stage.Chunk[T], holders int) {
	c.Block = nil
	if c, ok := any(c).(*stage.Chunk[stage.Block]); ok {
		for i := range c.Items {
			c.Items[i] = c.Items[i].Share(holders)
		}
	}
}
