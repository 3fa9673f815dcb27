package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/stage"
)

const defaultMaxRoutes = 1024

// RouteOption is a setting of [Route]: [MaxRoutes]. The interface is sealed.
type RouteOption interface{ setRoute(*routeOptions) }

type routeOption func(*routeOptions)

func (o routeOption) setRoute(s *routeOptions) { o(s) }

type routeOptions struct{ maxRoutes int }

// MaxRoutes is how many routes a [Route] has at most; an item of one more fails the
// run with [ErrTooManyRoutes]. All are open until the end. The default, and what 0
// means, is 1024. MaxRoutes panics if n is negative.
func MaxRoutes(n int) RouteOption {
	notNegative("MaxRoutes: n", n)
	return routeOption(func(o *routeOptions) { o.maxRoutes = n })
}

// ErrTooManyRoutes says that items have more routes than [MaxRoutes] allows.
var ErrTooManyRoutes = errors.New("too many routes")

// Route writes each item to the sink of its route, which by names:
//
//	sink.Route(func(e Event) string { return e.Kind }, func(kind string) stage.Sink[Event] {
//		return sink.NDJSON[Event](kind + ".ndjson")
//	})
//
// At the first item of a route, open makes its sink, which is opened then and stays
// open until the end. by and open are called by one goroutine at a time, by once for
// each item. Items of a route keep the stream's order. Where only the folder differs,
// [Partitioned] writes many more files with less memory.
//
// The sinks are closed in the order of their routes' first items. If the run fails,
// or writing to any of them does, all are closed with that cause. If one cannot be
// made final, those behind it are closed with its failure, and those before it stay
// final. Errors name the route, and all are reported. A sink that has had enough
// (stage.ErrEnough) ends nothing for the other routes: further items of its route are
// dropped, and count as written. The run ends early when all of [MaxRoutes] routes
// have had enough.
//
// An item for which by panics fails the run, with an error that names the item,
// counted from 0; so does a route that open has no sink for, or whose sink cannot be
// opened. Nothing of a chunk with such an item is written.
//
// A sink is given a chunk with the items that its route has in one of the stream, with
// the tokens of that and, where it has them, the items' offsets. Route keeps one such
// chunk and about 200 bytes for each route.
//
// In a run with a checkpoint, sinks that write exactly once do so here: the checkpoint
// holds the routes in their order with the state of each sink, and the run that goes
// on opens those again before its first item. When routes come that are new, the last
// checkpoint is saved once more with the beginnings of their sinks. Only sinks that
// were written to since the last checkpoint prepare for the next. A sink that is no
// stage.Committer is written at least once, and then so says stage.Summary of the whole;
// among these is [SQL] with the checkpoint in its own database, as a transaction of
// one of several sinks cannot hold it.
//
// Route panics if by, open or an option is nil.
func Route[T any](by func(T) string, open func(route string) stage.Sink[T], opts ...RouteOption) stage.Sink[T] {
	notNil(by == nil, "Route: by")
	notNil(open == nil, "Route: open")
	var o routeOptions
	for i, opt := range opts {
		if opt == nil {
			panic(fmt.Sprintf("penstock: sink.Route: option %d is nil", i))
		}
		opt.setRoute(&o)
	}
	if o.maxRoutes == 0 {
		o.maxRoutes = defaultMaxRoutes
	}
	plan := routePlan[T]{routeOptions: o, by: by, sinkOf: open}
	return opener[T]{verb: "Route", open: func(ctx context.Context) (stage.Writer[T], error) {
		return plan.writer(ctx), nil
	}, reopen: plan.reopen}
}

// routePlan is a Route.
type routePlan[T any] struct {
	routeOptions

	by     func(T) string
	sinkOf func(string) stage.Sink[T]
}

func (p routePlan[T]) writer(ctx context.Context) *routeWriter[T] {
	return &routeWriter[T]{group: newGroup[T](ctx, "Route"), plan: p, routes: map[string]*route[T]{}}
}

// reopen goes on with a run.
func (p routePlan[T]) reopen(ctx context.Context, restore json.RawMessage) (stage.Writer[T], error) {
	state, err := restored("Route", restore)
	if err != nil {
		return nil, err
	}
	w := p.writer(ctx)
	w.tracked = true
	w.items, w.savedItems = state.Items, state.Items
	err = w.opening(func() error {
		for _, s := range state.Members {
			r := w.add(s.Route)
			if err := w.make(&r.member); err != nil {
				return err
			}
			if err := w.reopen(&r.member, s); err != nil {
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

// routeWriter writes items to the writers of their routes.
type routeWriter[T any] struct {
	group[T]

	plan   routePlan[T]
	routes map[string]*route[T]

	// Of the chunk at hand: its items are bucketed by lists of their places.
	touched []*route[T]
	after   []int32
	chunk   stage.Chunk[T] // what a route has of it
	fresh   []*member[T]
}

// route is a member with its items in the chunk at hand.
type route[T any] struct {
	member[T]

	first, last int32 // first is -1 if there is none
}

// add adds a route.
func (w *routeWriter[T]) add(name string) *route[T] {
	r := &route[T]{member: member[T]{name: fmt.Sprintf("route %q", name), route: name}, first: -1}
	w.routes[name] = r
	w.members = append(w.members, &r.member)
	return r
}

// make makes the sink of a route.
func (w *routeWriter[T]) make(m *member[T]) (err error) {
	defer w.recovered(m, &err)
	if m.sink = w.plan.sinkOf(m.route); m.sink == nil {
		return w.failure(m, errors.New("open returned no sink"))
	}
	return nil
}

// Write implements stage.Writer.
func (w *routeWriter[T]) Write(ctx context.Context, c *stage.Chunk[T]) error {
	if w.failed == nil {
		w.failed = w.write(ctx, c)
	}
	if w.failed == nil && len(w.members) == w.plan.maxRoutes && w.sated() {
		return stage.ErrEnough
	}
	return w.failed
}

func (w *routeWriter[T]) write(ctx context.Context, c *stage.Chunk[T]) (err error) {
	defer func() {
		for _, r := range w.touched {
			r.first = -1
		}
		clear(w.touched)
		w.touched = w.touched[:0]
		w.chunk.Reset()
	}()
	items := len(c.Items)
	if err := w.bucket(c.Items); err != nil {
		return err
	}
	if err := w.openTouched(ctx); err != nil {
		return err
	}
	if len(w.touched) == 1 { // the chunk is its own
		err = w.group.write(ctx, &w.touched[0].member, c)
	} else {
		err = w.deal(ctx, c)
	}
	w.items += int64(items)
	return err
}

// bucket finds the items' routes.
func (w *routeWriter[T]) bucket(items []T) (err error) {
	at := 0
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		if err != nil {
			err = fmt.Errorf("sink: Route: item %d: %w", w.items+int64(at), err)
		}
	}()
	w.after = slices.Grow(w.after[:0], len(items))[:len(items)]
	var r *route[T]
	for ; at < len(items); at++ {
		name := w.plan.by(items[at])
		if r == nil || r.route != name {
			if r, err = w.routeOf(name); err != nil {
				return err
			}
		}
		if r.first < 0 {
			r.first = int32(at)
			w.touched = append(w.touched, r)
		} else {
			w.after[r.last] = int32(at)
		}
		r.last, w.after[at] = int32(at), -1
	}
	return nil
}

func (w *routeWriter[T]) routeOf(name string) (*route[T], error) {
	if r := w.routes[name]; r != nil {
		return r, nil
	}
	if len(w.routes) >= w.plan.maxRoutes {
		return nil, fmt.Errorf("route %q: %w: more than MaxRoutes(%d)", name, ErrTooManyRoutes, w.plan.maxRoutes)
	}
	return w.add(name), nil
}

// openTouched opens the sinks of routes whose first item has come.
func (w *routeWriter[T]) openTouched(ctx context.Context) error {
	defer func() {
		clear(w.fresh)
		w.fresh = w.fresh[:0]
	}()
	for _, r := range w.touched {
		if r.w == nil {
			if err := w.make(&r.member); err != nil {
				return err
			}
			if err := w.open(&r.member, nil); err != nil {
				return err
			}
		}
		if r.isFresh() {
			w.fresh = append(w.fresh, &r.member)
		}
	}
	return w.begin(ctx, w.fresh)
}

// deal hands each route its items.
func (w *routeWriter[T]) deal(ctx context.Context, c *stage.Chunk[T]) error {
	offsets := len(c.Offsets) == len(c.Items)
	for _, r := range w.touched {
		if r.enough {
			continue
		}
		w.chunk.Reset()
		for i := r.first; i >= 0; i = w.after[i] {
			w.chunk.Items = append(w.chunk.Items, c.Items[i])
			if offsets {
				w.chunk.Offsets = append(w.chunk.Offsets, c.Offsets[i])
			}
		}
		w.chunk.Tokens = append(w.chunk.Tokens, c.Tokens...)
		w.chunk.Partial = c.Partial
		if err := w.group.write(ctx, &r.member, &w.chunk); err != nil {
			return err
		}
	}
	return nil
}
