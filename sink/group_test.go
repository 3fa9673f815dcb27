package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var errPower = errors.New("the power is gone")

// world is what outlives runs: places that sinks write to, and a checkpoint. Each step
// of a run can fail, or be the last one of a run that is killed.
type world struct {
	places map[string]*place
	state  []byte // of the checkpoint

	steps, failAt int
	kill          bool
	dead          bool
}

// place is a sink's output, which is there as it is written.
type place struct {
	items []int
	shown int // committed
	ended bool
}

// step is asked before and after each thing that is done.
func (w *world) step() error {
	if w.dead {
		return errPower
	}
	if w.steps++; w.steps == w.failAt {
		w.dead = w.kill
		return errPower
	}
	return nil
}

// does is a step that does something, of which it may be the end.
func (w *world) does(do func()) error {
	if err := w.step(); err != nil {
		return err
	}
	do()
	return w.step()
}

// place is a sink of one place.
func (w *world) place(name string) stage.Sink[int] { return &placeSink{w, name} }

// loose is one that is no Committer.
func (w *world) loose(name string) stage.Sink[int] { return looseSink{w.place(name)} }

type placeSink struct {
	w    *world
	name string
}

type placeState struct {
	Name  []byte `json:"name"`
	Items int    `json:"items"`
	Epoch uint64 `json:"epoch"`
}

func (s *placeSink) Open(_ context.Context, restore json.RawMessage) (stage.Writer[int], error) {
	p := s.w.places[s.name]
	if p == nil {
		p = &place{}
		s.w.places[s.name] = p
	}
	pw := &placeWriter{placeSink: s, place: p, start: len(p.items)}
	err := s.w.does(func() { p.ended = false })
	if err != nil || restore == nil {
		return pw, err
	}
	var state placeState
	if err := json.Unmarshal(restore, &state); err != nil {
		return nil, err
	}
	if string(state.Name) != s.name || state.Items > len(p.items) {
		return nil, fmt.Errorf("%s has %d items, the state is %+v", s.name, len(p.items), state)
	}
	pw.items, pw.epoch = state.Items, state.Epoch
	return pw, s.w.does(func() { p.items = p.items[:state.Items] })
}

type placeWriter struct {
	*placeSink
	*place

	start int
	items int    // prepared
	epoch uint64 // of that
}

func (w *placeWriter) Write(_ context.Context, c *stage.Chunk[int]) error {
	err := w.w.does(func() { w.place.items = append(w.place.items, c.Items...) })
	clear(c.Items) // it may
	c.Reset()
	return err
}

func (w *placeWriter) Prepare(_ context.Context, epoch uint64) (json.RawMessage, error) {
	if err := w.w.step(); err != nil {
		return nil, err
	}
	w.items, w.epoch = len(w.place.items), epoch
	return json.Marshal(placeState{[]byte(w.name), w.items, epoch})
}

func (w *placeWriter) Commit(_ context.Context, epoch uint64) error {
	if epoch != w.epoch {
		return fmt.Errorf("commit of %d, %d was prepared", epoch, w.epoch)
	}
	return w.w.does(func() { w.shown = max(w.shown, w.items) })
}

func (w *placeWriter) Close(_ context.Context, cause error) error {
	return w.w.does(func() {
		switch {
		case cause == nil:
			w.ended, w.shown = true, len(w.place.items)
		case w.epoch == 0:
			w.place.items = w.place.items[:w.start]
		}
	})
}

type looseSink struct{ stage.Sink[int] }

func (s looseSink) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[int], error) {
	w, err := s.Sink.Open(ctx, restore)
	if err != nil {
		return nil, err
	}
	if w, ok := w.(*placeWriter); ok {
		w.epoch = 1 // what it was given stays
	}
	return struct{ stage.Writer[int] }{w}, nil
}

// store keeps the state of a world.
func (w *world) store() checkpoint.Store { return worldStore{w} }

type worldStore struct{ w *world }

func (worldStore) Open(context.Context) error  { return nil }
func (worldStore) Close(context.Context) error { return nil }

func (s worldStore) Load(context.Context) (checkpoint.State, bool, error) {
	if s.w.state == nil {
		return checkpoint.State{}, false, nil
	}
	state, err := checkpoint.Decode(s.w.state)
	return state, true, err
}

func (s worldStore) Save(_ context.Context, state checkpoint.State) error {
	b, err := state.Encode()
	if err != nil {
		return err
	}
	return s.w.does(func() { s.w.state = b })
}

// third is the route of a number: the third one comes late.
func third(v int) string { return fmt.Sprint(min(v/5%2+v/25, 2)) }

func numbers(n int, keep func(int) bool) (all []int) {
	for v := range n {
		if keep(v) {
			all = append(all, v)
		}
	}
	return all
}

// groups are sinks of several sinks, with what is in each place at the end.
func groups() map[string]struct {
	sink  func(*world) stage.Sink[int]
	loose bool
	want  map[string][]int
} {
	const n = 40
	every := numbers(n, func(int) bool { return true })
	thirds := func(prefix string) map[string][]int {
		all := map[string][]int{}
		for _, v := range every {
			all[prefix+third(v)] = append(all[prefix+third(v)], v)
		}
		return all
	}
	routed := func(to func(string) stage.Sink[int]) stage.Sink[int] {
		return sink.Route(third, to)
	}
	both := thirds("")
	maps.Copy(both, thirds("b"))
	with := func(m map[string][]int, places ...string) map[string][]int {
		m = maps.Clone(m)
		for _, p := range places {
			m[p] = every
		}
		return m
	}
	type group = struct {
		sink  func(*world) stage.Sink[int]
		loose bool
		want  map[string][]int
	}
	return map[string]group{
		"route": {func(w *world) stage.Sink[int] { return routed(w.place) }, false, thirds("")},
		"multi": {func(w *world) stage.Sink[int] { return sink.Multi(w.place("x"), w.place("y"), w.place("z")) }, false, with(map[string][]int{}, "x", "y", "z")},
		"a route in a multi": {func(w *world) stage.Sink[int] {
			return sink.Multi(w.place("x"), routed(w.place), w.place("y"))
		}, false, with(thirds(""), "x", "y")},
		"multis in a route": {func(w *world) stage.Sink[int] {
			return routed(func(name string) stage.Sink[int] { return sink.Multi(w.place(name), w.place("b"+name)) })
		}, false, both},
		"routes in a route": {func(w *world) stage.Sink[int] {
			return routed(func(name string) stage.Sink[int] {
				return sink.Route(func(v int) string { return name + parity(v) }, w.place)
			})
		}, false, func() map[string][]int {
			all := map[string][]int{}
			for _, v := range every {
				all[third(v)+parity(v)] = append(all[third(v)+parity(v)], v)
			}
			return all
		}()},
		"loose ones in a multi": {func(w *world) stage.Sink[int] { return sink.Multi(w.place("x"), w.loose("loose")) }, true, with(map[string][]int{}, "x", "loose")},
		"loose ones in a route": {func(w *world) stage.Sink[int] {
			return routed(func(name string) stage.Sink[int] {
				if name == "2" {
					return w.loose("loose")
				}
				return w.place(name)
			})
		}, true, func() map[string][]int {
			all := thirds("")
			all["loose"] = all["2"]
			delete(all, "2")
			return all
		}()},
	}
}

// check says what is wrong with the places at the end. What is loose may be there more
// than once.
func (w *world) check(want map[string][]int) error {
	if len(w.places) != len(want) {
		return fmt.Errorf("there are places %v", slices.Sorted(maps.Keys(w.places)))
	}
	for name, items := range want {
		p := w.places[name]
		if p == nil {
			return fmt.Errorf("%s is not there", name)
		}
		got := p.items
		if name == "loose" {
			got = slices.Compact(slices.Sorted(slices.Values(got)))
		}
		if !slices.Equal(got, items) || !p.ended || p.shown < len(items) {
			return fmt.Errorf("%s is %+v, want %v", name, *p, items)
		}
	}
	return nil
}

// Whatever step fails, or is the last one of a run that is killed, the run that goes on
// makes of it what an undisturbed one makes.
func TestGroupsGoOn(t *testing.T) {
	t.Parallel()
	for name, group := range groups() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, every := range []time.Duration{1, time.Hour} {
				for _, kill := range []bool{false, true} {
					goesOn(t, group.sink, group.want, group.loose, every, kill)
				}
			}
		})
	}
}

func goesOn(t *testing.T, sinkOf func(*world) stage.Sink[int], want map[string][]int, loose bool, every time.Duration, kill bool) {
	t.Helper()
	job := func(w *world) (stage.Summary, error) {
		w.steps, w.dead = 0, false
		in := stage.Unbatch(stage.Batch(source.Range(0, 40), 3)) // small chunks
		return stage.Run(t.Context(), in, sinkOf(w), stage.Checkpoint(w.store(), every))
	}
	first := 1
	if kill {
		first = 2
	}
	for at := first; ; at += 2 {
		w := &world{places: map[string]*place{}, failAt: at, kill: kill}
		sum, err := job(w)
		if w.steps < at {
			require.NoError(t, err)
			guarantee := stage.ExactlyOnce
			if loose {
				guarantee = stage.AtLeastOnce
			}
			require.Equal(t, guarantee, sum.Guarantee)
			require.NoError(t, w.check(want))
			require.Greater(t, at, 30)
			return
		}
		require.ErrorIs(t, err, errPower)
		if state, found, err := w.store().Load(t.Context()); err == nil && found && state.Finished {
			require.NoError(t, w.check(want), "step %d", at)
			continue // the last Save failed, and was there
		}
		w.failAt = 0
		_, err = job(w)
		require.NoError(t, err, "step %d", at)
		require.NoError(t, w.check(want), "step %d, kill=%t, every=%v", at, kill, every)
	}
}

// What the state is of must be what goes on.
func TestGroupsRefuseOtherStates(t *testing.T) {
	t.Parallel()
	w := &world{places: map[string]*place{}}
	route, multi := sink.Route(parity, w.place), sink.Multi(w.place("x"), w.place("y"))
	for _, tc := range []struct {
		sink  stage.Sink[int]
		state string
		want  string
	}{
		{route, `[`, "sink: Route: the checkpoint's state"},
		{multi, `[`, "sink: Multi: the checkpoint's state"},
		{route, `{"path":"x"}`, "is of a run that wrote to another sink"},
		{route, `{"group":"Multi"}`, "is of a run that wrote to another sink"},
		{multi, `{"group":"Route"}`, "is of a run that wrote to another sink"},
		{multi, `{"group":"Multi","members":[{}]}`, "is of a run with 1 sinks, and this one has 2"},
		{route, `{"group":"Route","members":[{"route":"odd","commits":true,"state":{"name":"ZXZlbg=="}}]}`, `sink: Route: route "odd": odd has 0 items`},
		{multi, `{"group":"Multi","members":[{},{"commits":true,"state":{"name":"eA=="}}]}`, `sink: Multi: sink 1: y has 0 items`},
		{sink.NDJSON[int]("x"), `{"group":"Route"}`, "the checkpoint is of a run that wrote"},
	} {
		_, err := tc.sink.Open(t.Context(), json.RawMessage(tc.state))
		require.ErrorContains(t, err, tc.want, tc.state)
	}
	for name, p := range w.places {
		assert.Empty(t, p.items, name)
	}
}
