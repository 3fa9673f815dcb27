package stage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// same keeps a number as it is.
func same(_ context.Context, v int64) (int64, error) { return v, nil }

// twice emits a number and its negative, or nothing for every fifth.
func twice(_ context.Context, v int64, emit func(int64)) error {
	if v%5 != 0 {
		emit(v)
		emit(-v)
	}
	return nil
}

func oddOnly(_ context.Context, v int64) (int64, bool, error) { return v, v%2 != 0, nil }

// operator is a stage of numbers for a random pipeline.
type operator struct {
	name string
	// on makes the stage of a stream; draw chooses what may differ from run to run.
	on func(r *runSettings, s stage.Stream[int64]) stage.Stream[int64]
	// keeps: it has a state, so no pool may be behind it.
	keeps bool
	// workers: it is a pool, so nothing with a state may be ahead of it.
	workers bool
	// order: its results depend on the order of what comes.
	order bool
	// expands: it hands on parts of what it was given, so no unordered pool may be
	// behind it.
	expands bool
}

// runSettings are what may change between two runs.
type runSettings struct {
	t         *rapid.T
	p         *pool.Pool
	unordered bool
	sought    *[]int64
}

func (r *runSettings) options() []pool.Option {
	opts := []pool.Option{pool.ChunkSize(rapid.SampledFrom([]int{0, 1, 3, 7, 64}).Draw(r.t, "chunk"))}
	if rapid.Bool().Draw(r.t, "small budget") {
		opts = append(opts, pool.InFlight(rapid.IntRange(1, 20).Draw(r.t, "in flight")))
	}
	return opts
}

// source is the numbers from 0 below n, every 17th of which fails.
func (r *runSettings) source(n int64) stage.Stream[int64] {
	size := rapid.IntRange(1, 50).Draw(r.t, "chunk of the source")
	return stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
		return &counting{n: n, size: size, sought: r.sought}, nil
	})
}

// mixing makes a pool's results come in any order.
func (r *runSettings) mixing() []pool.Option {
	opts := r.options()
	if r.unordered {
		opts = append(opts, pool.Unordered())
	}
	return opts
}

func operators() []operator {
	serial := func(name string, on func(stage.Stream[int64]) stage.Stream[int64]) operator {
		return operator{name: name, on: func(_ *runSettings, s stage.Stream[int64]) stage.Stream[int64] { return on(s) }}
	}
	keeping := func(name string, on func(stage.Stream[int64]) stage.Stream[int64]) operator {
		op := serial(name, on)
		op.keeps, op.order = true, true
		return op
	}
	pooled := func(name string, on func(*runSettings, stage.Stream[int64]) stage.Stream[int64]) operator {
		return operator{name: name, workers: true, on: on}
	}
	sum := func(p stage.Pair[int64, int64]) int64 { return p.First + p.Second }
	flat := serial("FlatMap", func(s stage.Stream[int64]) stage.Stream[int64] { return stage.FlatMap(s, twice) })
	flat.expands = true
	lazily := serial("Flatten", func(s stage.Stream[int64]) stage.Stream[int64] {
		return stage.Flatten(stage.Map(s, stage.Pure(func(v int64) iter.Seq[int64] { return slices.Values([]int64{v, v + 1000}[:v%3%2+1]) })))
	})
	lazily.expands = true
	batch := serial("Batch", func(s stage.Stream[int64]) stage.Stream[int64] { return stage.Unbatch(stage.Batch(s, 7)) })
	batch.expands = true
	sums := serial("sums of Batch", func(s stage.Stream[int64]) stage.Stream[int64] {
		return stage.Map(stage.Batch(s, 3), stage.Pure(func(b []int64) int64 { return b[0] + int64(len(b)) }))
	})
	sums.order, sums.expands = true, true
	zip := operator{name: "Zip", order: true, expands: true, on: func(r *runSettings, s stage.Stream[int64]) stage.Stream[int64] {
		return stage.Map(stage.Zip(s, r.source(100)), stage.Pure(sum))
	}}
	return append(holdingOperators(keeping), []operator{
		serial("Map", func(s stage.Stream[int64]) stage.Stream[int64] { return stage.Map(s, same) }),
		serial("Filter", func(s stage.Stream[int64]) stage.Stream[int64] {
			return s.Filter(func(v int64) bool { return v%3 != 0 || v > 100 && v < 130 })
		}),
		serial("Filter runs", func(s stage.Stream[int64]) stage.Stream[int64] {
			return s.Filter(func(v int64) bool { return v/40%2 == 0 })
		}),
		serial("FilterMap", func(s stage.Stream[int64]) stage.Stream[int64] { return stage.FilterMap(s, oddOnly) }),
		serial("Tap", func(s stage.Stream[int64]) stage.Stream[int64] { return s.Tap(func(int64) {}) }),
		flat, lazily, batch, sums, zip,
		keeping("Take", func(s stage.Stream[int64]) stage.Stream[int64] { return s.Take(60) }),
		keeping("Skip", func(s stage.Stream[int64]) stage.Stream[int64] { return s.Skip(25) }),
		keeping("TakeWhile", func(s stage.Stream[int64]) stage.Stream[int64] {
			return s.TakeWhile(func(v int64) bool { return v < 90 })
		}),
		keeping("SkipWhile", func(s stage.Stream[int64]) stage.Stream[int64] {
			return s.SkipWhile(func(v int64) bool { return v < 20 })
		}),
		keeping("Scan", func(s stage.Stream[int64]) stage.Stream[int64] {
			return stage.Scan(s, int64(0), func(_ context.Context, acc, v int64) (int64, error) { return acc + v, nil })
		}),
		keeping("Enumerate", func(s stage.Stream[int64]) stage.Stream[int64] {
			return stage.Map(stage.Enumerate(s), stage.Pure(sum))
		}),
		pooled("Imap", func(r *runSettings, s stage.Stream[int64]) stage.Stream[int64] {
			return pool.Imap(r.p, s, same, r.mixing()...)
		}),
		pooled("ImapWith", func(r *runSettings, s stage.Stream[int64]) stage.Stream[int64] {
			state := func(context.Context) (int64, error) { return 0, nil }
			return pool.ImapWith(r.p, s, state, func(_ context.Context, _, v int64) (int64, error) { return v, nil }, r.mixing()...)
		}),
		pooled("pool.FlatMap", func(r *runSettings, s stage.Stream[int64]) stage.Stream[int64] {
			return pool.FlatMap(r.p, s, twice, r.mixing()...)
		}),
		pooled("pool.FilterMap", func(r *runSettings, s stage.Stream[int64]) stage.Stream[int64] {
			return pool.FilterMap(r.p, s, oddOnly, r.mixing()...)
		}),
		pooled("MapChunks", func(r *runSettings, s stage.Stream[int64]) stage.Stream[int64] {
			return pool.MapChunks(r.p, s, func(_ context.Context, v []int64) ([]int64, error) { return slices.Clone(v), nil }, r.mixing()...)
		}),
		pooled("StarImap", func(r *runSettings, s stage.Stream[int64]) stage.Stream[int64] {
			pairs := stage.Map(s, stage.Pure(func(v int64) stage.Pair[int64, int64] { return stage.Pair[int64, int64]{First: v, Second: 1} }))
			return pool.StarImap(r.p, pairs, func(_ context.Context, a, b int64) (int64, error) { return a + b, nil }, r.mixing()...)
		}),
	}...)
}

// pipeline draws a pipeline that a run with a checkpoint accepts.
func pipeline(t *rapid.T, unordered bool) (ops []operator) {
	all := operators()
	kept, mixed, expanded := false, false, false
	for range rapid.IntRange(1, 4).Draw(t, "stages") {
		op := rapid.SampledFrom(all).Draw(t, "stage")
		switch {
		case op.workers && kept, op.order && mixed, op.workers && unordered && expanded:
			continue
		}
		kept = kept || op.keeps
		mixed = mixed || op.workers && unordered
		expanded = expanded || op.expands || op.workers // a pool's chunk may be handed to the next in parts
		ops = append(ops, op)
	}
	return ops
}

// build makes the pipeline for a run: the numbers below n, and those below m behind
// them if m is not 0.
func build(r *runSettings, ops []operator, n, m int64) stage.Stream[int64] {
	s := r.source(n)
	if m > 0 {
		s = stage.Concat(s, r.source(m))
	}
	for _, op := range ops {
		s = op.on(r, s)
	}
	return s
}

func namesOf(ops []operator) (names []string) {
	for _, op := range ops {
		names = append(names, op.name)
	}
	return names
}

// Whatever the pipeline, runs that crash write together what an undisturbed run
// would, whatever their chunks, workers and budgets.
func TestAnyPipelineGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, m := rapid.Int64Range(0, 200).Draw(t, "n"), rapid.SampledFrom([]int64{0, 0, 40}).Draw(t, "m")
		unordered := rapid.Bool().Draw(t, "unordered")
		ops := pipeline(t, unordered)
		var sought []int64
		settings := func(workers int) *runSettings {
			return &runSettings{t: t, p: pool.New(workers), unordered: unordered, sought: &sought}
		}
		whole := settings(1)
		defer whole.p.Close()
		var want []int64
		for v, err := range build(whole, ops, n, m).All(t.Context()) {
			if err == nil {
				want = append(want, v)
			}
		}
		var store memoryStore
		var to ledger
		for runs := 0; ; runs++ {
			require.Less(t, runs, 3000)
			r := settings(rapid.IntRange(1, 4).Draw(t, "workers"))
			// Batches of batches are seldom whole at once, and a checkpoint waits for that.
			crash := rapid.IntRange(1, 12+runs).Draw(t, "crash at write")
			_, err := stage.Run(t.Context(), build(r, ops, n, m), to.sink(crashing(crash)), stage.Checkpoint(&store, 1), stage.Continue(0))
			r.p.Close()
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errCrash, "%v", namesOf(ops))
		}
		got := slices.Clone(to.published)
		if unordered {
			slices.Sort(got)
			slices.Sort(want)
		}
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(got), "%v", namesOf(ops))
	})
}

// digits encodes numbers as lines.
type digits struct{}

func (digits) Encode(dst []byte, c *stage.Chunk[int64]) ([]byte, error) {
	for _, v := range c.Items {
		dst = append(strconv.AppendInt(dst, v, 10), '\n')
	}
	return dst, nil
}

// pages is a sink of blocks that keeps what was committed.
type pages struct {
	kept   []byte
	taken  []byte
	writes func() error
}

func (p *pages) Open(_ context.Context, restore json.RawMessage) (stage.Writer[stage.Block], error) {
	p.taken = nil
	if restore == nil {
		return p, nil
	}
	var kept []byte
	err := json.Unmarshal(restore, &kept)
	p.kept = kept
	return p, err
}

func (p *pages) Write(_ context.Context, c *stage.Chunk[stage.Block]) error {
	if err := p.writes(); err != nil {
		return err
	}
	for _, b := range c.Items {
		p.taken = append(p.taken, b.Bytes...)
		b.Release()
	}
	return nil
}

func (p *pages) Prepare(context.Context, uint64) (json.RawMessage, error) {
	p.kept, p.taken = append(p.kept, p.taken...), nil
	return json.Marshal(p.kept)
}

func (*pages) Commit(context.Context, uint64) error { return nil }

func (*pages) Close(context.Context, error) error { return nil }

// So do runs of a pool that encodes, byte for byte.
func TestEncodedBlocksGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 300).Draw(t, "n")
		unordered := rapid.Bool().Draw(t, "unordered")
		var want bytes.Buffer
		for v := range n {
			if v%17 != 16 {
				fmt.Fprintln(&want, v)
			}
		}
		var store memoryStore
		var sought []int64
		to := &pages{}
		for runs := 0; ; runs++ {
			require.Less(t, runs, 1000)
			r := &runSettings{t: t, p: pool.New(rapid.IntRange(1, 4).Draw(t, "workers")), unordered: unordered, sought: &sought}
			to.writes = crashing(rapid.IntRange(1, 12).Draw(t, "crash at write"))
			_, err := stage.Run(t.Context(), pool.Encode(r.p, r.source(n), digits{}, r.mixing()...), to, stage.Checkpoint(&store, 1), stage.Continue(0))
			r.p.Close()
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errCrash)
		}
		if unordered {
			require.Equal(t, sortedLines(want.Bytes()), sortedLines(to.kept))
		} else {
			require.Equal(t, want.String(), string(to.kept))
		}
	})
}

func sortedLines(text []byte) []string {
	var lines []string
	for line := range bytes.Lines(text) {
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return lines
}

// Zip holds items that a stage with a state ahead of it has counted; a checkpoint
// waits until it has none.
func TestZipHoldsBackTheCheckpoint(t *testing.T) {
	numbers := func(n int64, size int, sought *[]int64) stage.Stream[int64] {
		return stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
			return &counting{n: n, size: size, sought: sought}, nil
		})
	}
	plan := func(sought *[]int64) stage.Stream[int64] {
		counted := stage.Enumerate(numbers(60, 50, sought))
		return stage.Map(stage.Zip(counted, numbers(100, 1, sought)), stage.Pure(func(p stage.Pair[stage.Pair[int64, int64], int64]) int64 {
			return p.First.First*1000 + p.Second
		}))
	}
	var sought, want []int64
	for v, err := range plan(&sought).All(t.Context()) {
		if err == nil {
			want = append(want, v)
		}
	}
	for crash := 1; crash < 80; crash++ {
		var store memoryStore
		var to ledger
		err := errCrash
		for runs := 0; err != nil; runs++ {
			_, err = stage.Run(t.Context(), plan(&sought), to.sink(crashing(crash+runs)), stage.Checkpoint(&store, 1), stage.Continue(0))
			if err != nil {
				require.ErrorIs(t, err, errCrash)
			}
		}
		require.Equal(t, want, to.published, "crash at write %d", crash)
	}
}
