package cancelmatrix

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/stage"
)

type ints = stage.Stream[int64]

// operator is a stage of numbers, and what it makes of a slice of them.
type operator struct {
	name  string
	on    func(r *run, s ints) ints
	model func(in []int64) []int64

	keeps   bool // it has a state: with a checkpoint no pool may be behind it
	workers bool // it is a pool
	order   bool // its results depend on the order of what comes
	expands bool // with a checkpoint no unordered pool may be behind it
}

// call is the function of a stage: it fails for some, and counts as a call.
func (r *run) call(ctx context.Context, v int64) (int64, error) {
	if err := r.fault.pass(ctx, atCall); err != nil {
		return 0, err
	}
	if unfit(v) {
		return 0, errBroken
	}
	return v + 1, nil
}

func unfit(v int64) bool { return v%13 == 5 }

func (r *run) twice(ctx context.Context, v int64, emit func(int64)) error {
	emit(v)
	w, err := r.call(ctx, v)
	if v%5 != 0 {
		emit(-w)
	}
	return err
}

func (r *run) some(ctx context.Context, v int64) (int64, bool, error) {
	w, err := r.call(ctx, v)
	return w, v%3 != 0, err
}

func called(in []int64) (out []int64) {
	for _, v := range in {
		if !unfit(v) {
			out = append(out, v+1)
		}
	}
	return out
}

func doubled(in []int64) (out []int64) {
	for _, v := range in {
		if unfit(v) {
			continue
		}
		out = append(out, v)
		if v%5 != 0 {
			out = append(out, -v-1)
		}
	}
	return out
}

func picked(in []int64) []int64 {
	return called(slices.DeleteFunc(slices.Clone(in), func(v int64) bool { return v%3 == 0 }))
}

// other are the numbers that Zip pairs with.
const other = 15

func sum(p stage.Pair[int64, int64]) int64 { return p.First + 1000*p.Second }

func operators() []operator {
	return []operator{
		{name: "Map", model: called, on: func(r *run, s ints) ints { return stage.Map(s, r.call) }},
		{name: "FilterMap", model: picked, on: func(r *run, s ints) ints { return stage.FilterMap(s, r.some) }},
		{name: "Filter", model: func(in []int64) []int64 {
			return slices.DeleteFunc(slices.Clone(in), func(v int64) bool { return v%4 == 1 })
		}, on: func(r *run, s ints) ints {
			return s.Filter(func(v int64) bool {
				r.fault.reached(atCall)
				return v%4 != 1
			})
		}},
		{name: "FlatMap", model: doubled, expands: true, on: func(r *run, s ints) ints { return stage.FlatMap(s, r.twice) }},
		{name: "Batch", model: slices.Clone[[]int64], expands: true, on: func(_ *run, s ints) ints { return stage.Unbatch(stage.Batch(s, 4)) }},
		{name: "sums of Batch", order: true, expands: true, model: func(in []int64) (out []int64) {
			for b := range slices.Chunk(in, 3) {
				out = append(out, b[0]*10+int64(len(b)))
			}
			return out
		}, on: func(_ *run, s ints) ints {
			return stage.Map(stage.Batch(s, 3), stage.Pure(func(b []int64) int64 { return b[0]*10 + int64(len(b)) }))
		}},
		{name: "Zip", order: true, expands: true, model: func(in []int64) (out []int64) {
			for i, v := range pulled(other)[:min(len(in), len(pulled(other)))] {
				out = append(out, in[i]+1000*v)
			}
			return out
		}, on: func(r *run, s ints) ints { return stage.Map(stage.Zip(s, r.numbers(other, 2)), stage.Pure(sum)) }},
		{name: "Take", keeps: true, order: true, model: func(in []int64) []int64 { return in[:min(9, len(in))] },
			on: func(_ *run, s ints) ints { return s.Take(9) }},
		{name: "Skip", keeps: true, order: true, model: func(in []int64) []int64 { return in[min(3, len(in)):] },
			on: func(_ *run, s ints) ints { return s.Skip(3) }},
		{name: "Scan", keeps: true, order: true, model: func(in []int64) (out []int64) {
			var acc int64
			for _, v := range in {
				acc += v
				out = append(out, acc)
			}
			return out
		}, on: func(r *run, s ints) ints {
			return stage.Scan(s, int64(0), func(ctx context.Context, acc, v int64) (int64, error) {
				return acc + v, r.fault.pass(ctx, atCall)
			})
		}},
		pooled("Imap", called, func(r *run, s ints) ints { return pool.Imap(r.p, s, r.call, r.options...) }),
		pooled("Imap", called, func(r *run, s ints) ints { return pool.Imap(r.p, s, r.call, r.options...) }),
		pooled("pool.FlatMap", doubled, func(r *run, s ints) ints { return pool.FlatMap(r.p, s, r.twice, r.options...) }),
		pooled("pool.FilterMap", picked, func(r *run, s ints) ints { return pool.FilterMap(r.p, s, r.some, r.options...) }),
		pooled("MapChunks", slices.Clone[[]int64], func(r *run, s ints) ints {
			return pool.MapChunks(r.p, s, func(ctx context.Context, v []int64) ([]int64, error) {
				return slices.Clone(v), r.fault.pass(ctx, atCall)
			}, r.options...)
		}),
	}
}

func pooled(name string, model func([]int64) []int64, on func(*run, ints) ints) operator {
	return operator{name: name, workers: true, model: model, on: on}
}

// pulled are the numbers below n that do not fail.
func pulled(n int64) (out []int64) {
	for v := range n {
		if !broken(v) {
			out = append(out, v)
		}
	}
	return out
}

// pipeline is a random one. What is not drawn for each run is the same for all.
type pipeline struct {
	ops           []operator
	lengths       []int64 // of the sources, one behind the other
	size          int     // of their chunks
	unordered     bool
	workers       int
	chunk, flight int
	checkpoint    bool
	all           bool // it is ranged over
	end           end
}

// end is what a pipeline writes to.
type end int

const (
	single end = iota // a sink
	routes            // sink.Route to some
	multi             // sink.Multi to some
	ends
)

func (e end) String() string { return [...]string{"one sink", "Route", "Multi"}[e] }

// several is how many sinks Route and Multi have.
const several = 3

// sinks is how many the pipeline has.
func (p *pipeline) sinks() int {
	if p.end == single {
		return 1
	}
	return several
}

// routed is the sink that Route gives a number to.
func routed(v int64) int { return int((v%several + several) % several) }

// shares is what each sink gets of the answer.
func (p *pipeline) shares() [][]int64 {
	parts := make([][]int64, p.sinks())
	for _, v := range p.answer() {
		for i := range parts {
			if p.end != routes || routed(v) == i {
				parts[i] = append(parts[i], v)
			}
		}
	}
	return parts
}

// sink is the pipeline's for a run, made of one for each ledger.
func (p *pipeline) sink(parts []stage.Sink[int64]) stage.Sink[int64] {
	switch p.end {
	case routes:
		return sink.Route(func(v int64) string { return strconv.Itoa(routed(v)) }, func(route string) stage.Sink[int64] {
			i, err := strconv.Atoi(route)
			if err != nil {
				panic(err)
			}
			return parts[i]
		})
	case multi:
		return sink.Multi(parts...)
	default:
		return parts[0]
	}
}

func (p *pipeline) String() string {
	var names []string
	for _, op := range p.ops {
		names = append(names, op.name)
	}
	return fmt.Sprintf("%d numbers by %d, %s, to %v; unordered %t, %d workers, chunk %d, in flight %d, checkpoint %t, All %t",
		p.lengths, p.size, strings.Join(names, ", "), p.end, p.unordered, p.workers, p.chunk, p.flight, p.checkpoint, p.all)
}

func newPipeline(chance *rand.Rand) *pipeline {
	p := &pipeline{unordered: chance.IntN(2) == 0, checkpoint: chance.IntN(2) == 0}
	p.all = !p.checkpoint && chance.IntN(3) == 0
	if !p.all {
		p.end = end(chance.IntN(int(ends)))
	}
	for range 1 + chance.IntN(4)/2 {
		p.lengths = append(p.lengths, chance.Int64N(30))
	}
	p.vary(chance)
	kept, mixed, expanded := false, false, false
	for len(p.ops) == 0 || chance.IntN(3) > 0 && len(p.ops) < 5 {
		all := operators()
		op := all[chance.IntN(len(all))]
		if op.order && mixed || p.checkpoint && op.workers && (kept || p.unordered && expanded) {
			continue
		}
		kept = kept || op.keeps
		mixed = mixed || op.workers && p.unordered
		expanded = expanded || op.expands || op.workers
		p.ops = append(p.ops, op)
	}
	p.unordered = mixed
	return p
}

// vary draws what may change from run to run.
func (p *pipeline) vary(chance *rand.Rand) {
	p.size, p.workers = 1+chance.IntN(12), 1+chance.IntN(4)
	p.chunk, p.flight = []int{0, 1, 2, 5, 16}[chance.IntN(5)], 0
	if chance.IntN(2) == 0 {
		p.flight = 1 + chance.IntN(12)
	}
}

// answer is what the pipeline makes, by plain slices.
func (p *pipeline) answer() (out []int64) {
	for _, n := range p.lengths {
		out = append(out, pulled(n)...)
	}
	for _, op := range p.ops {
		out = op.model(out)
	}
	return out
}

// build makes it for a run.
func (p *pipeline) build(r *run) ints {
	var parts []ints
	for _, n := range p.lengths {
		parts = append(parts, r.numbers(n, p.size))
	}
	s := parts[0]
	if len(parts) > 1 {
		s = stage.Concat(parts...)
	}
	for _, op := range p.ops {
		s = op.on(r, s)
	}
	return s
}
