package stage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// memoryStore is a store for tests: it outlives the runs that use it.
type memoryStore struct {
	state   []byte
	open    bool
	saves   int
	failing error // of the next Save
}

func (m *memoryStore) Open(context.Context) error {
	if m.open {
		return checkpoint.ErrLocked
	}
	m.open = true
	return nil
}

func (m *memoryStore) Close(context.Context) error {
	m.open = false
	return nil
}

func (m *memoryStore) Load(context.Context) (checkpoint.State, bool, error) {
	if m.state == nil {
		return checkpoint.State{}, false, nil
	}
	s, err := checkpoint.Decode(m.state)
	return s, true, err
}

func (m *memoryStore) Save(_ context.Context, s checkpoint.State) error {
	if err := m.failing; err != nil {
		m.failing = nil
		return err
	}
	b, err := s.Encode()
	m.state = b
	m.saves++
	return err
}

// counting is a source of the numbers below n, in chunks of at most size.
type counting struct {
	n, next int64
	size    int
	of      string // its fingerprint
	sought  *[]int64
}

func (s *counting) Pull(_ context.Context, into *stage.Chunk[int64], max stage.Limit) error {
	into.Reset()
	k := min(int64(min(max.Room(), s.size)), s.n-s.next)
	if k == 0 {
		return io.EOF
	}
	into.Tokens = append(into.Tokens, stage.Token{At: stage.Position{Record: s.next}, First: s.next, N: k})
	for range k {
		if s.next%17 == 16 {
			into.Fail(&stage.ItemError{Input: s.next, At: stage.Position{Record: s.next}, Err: errBroken})
		} else {
			into.Items = append(into.Items, s.next)
		}
		s.next++
	}
	return nil
}

func (s *counting) Close() error { return nil }

func (s *counting) Fingerprint(context.Context) (json.RawMessage, error) {
	return json.Marshal(map[string]string{"of": s.of})
}

func (s *counting) Seek(_ context.Context, at stage.Position, first int64) error {
	if at.Record != first {
		return fmt.Errorf("position %d of record %d", at.Record, first)
	}
	s.next = first
	*s.sought = append(*s.sought, first)
	return nil
}

var errBroken = errors.New("broken")

// ledger is a sink that publishes what was committed, once.
type ledger struct {
	published []int64
	staged    []int64 // durable, not published
	closed    bool
}

type ledgerState struct {
	Published int     `json:"published"`
	Staged    []int64 `json:"staged"`
}

// ledgerWriter is what a run has of it.
type ledgerWriter struct {
	to     *ledger
	taken  []int64
	writes func() error // called before each write
}

func (l *ledger) sink(writes func() error) stage.Sink[int64] { return ledgerSink{l, writes} }

type ledgerSink struct {
	l      *ledger
	writes func() error
}

func (s ledgerSink) Open(_ context.Context, restore json.RawMessage) (stage.Writer[int64], error) {
	s.l.staged = nil
	if restore != nil {
		var state ledgerState
		if err := json.Unmarshal(restore, &state); err != nil {
			return nil, err
		}
		s.l.published = s.l.published[:min(state.Published, len(s.l.published))]
		s.l.staged = state.Staged
	}
	return &ledgerWriter{to: s.l, writes: s.writes}, nil
}

func (w *ledgerWriter) Write(_ context.Context, c *stage.Chunk[int64]) error {
	if err := w.writes(); err != nil {
		return err
	}
	w.taken = append(w.taken, c.Items...)
	clear(c.Items)
	c.Reset() // it may
	return nil
}

func (w *ledgerWriter) Prepare(context.Context, uint64) (json.RawMessage, error) {
	w.to.staged, w.taken = append(w.to.staged, w.taken...), nil
	return json.Marshal(ledgerState{len(w.to.published), w.to.staged})
}

func (w *ledgerWriter) Commit(context.Context, uint64) error {
	w.to.published = append(w.to.published, w.to.staged...)
	w.to.staged = nil
	return nil
}

func (w *ledgerWriter) Close(_ context.Context, cause error) error {
	w.to.closed = cause == nil
	return nil
}

var errCrash = errors.New("crash")

// crashing fails the n-th write from now.
func crashing(n int) func() error {
	return func() error {
		if n--; n == 0 {
			return errCrash
		}
		return nil
	}
}

// Whatever the chunks, workers and order of the runs, and wherever they end, all
// of them together write each record once, in order if they all keep it.
func TestRunsThatCrashWriteEachItemOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 400).Draw(t, "n")
		unordered := rapid.Bool().Draw(t, "unordered")
		shape := rapid.SampledFrom([]string{"plain", "filter", "batch", "flatmap"}).Draw(t, "shape")
		var (
			store  memoryStore
			to     ledger
			failed = map[int64]int{}
			sought []int64
		)
		for runs := 0; ; runs++ {
			require.Less(t, runs, 1000)
			src := stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
				return &counting{n: n, size: rapid.IntRange(1, 50).Draw(t, "chunk of the source"), sought: &sought}, nil
			})
			opts := []pool.Option{pool.ChunkSize(rapid.SampledFrom([]int{0, 1, 7, 64}).Draw(t, "chunk"))}
			if unordered {
				opts = append(opts, pool.Unordered())
			}
			if rapid.Bool().Draw(t, "small budget") {
				opts = append(opts, pool.InFlight(8))
			}
			p := pool.New(rapid.IntRange(1, 4).Draw(t, "workers"))
			s := pool.Imap(p, src, func(_ context.Context, v int64) (int64, error) { return v, nil }, opts...)
			switch shape {
			case "filter":
				s = s.Filter(func(v int64) bool { return v%3 != 0 })
			case "batch":
				s = stage.Unbatch(stage.Batch(s, 7))
			case "flatmap":
				s = stage.FlatMap(s, func(_ context.Context, v int64, emit func(int64)) error {
					emit(v)
					emit(v)
					return nil
				})
			}
			crash := rapid.IntRange(1, 12).Draw(t, "crash at write")
			sum, err := stage.Run(t.Context(), s, to.sink(crashing(crash)), stage.Checkpoint(&store, 1),
				stage.DeadLetter(letterSink(func(l stage.Letter) { failed[l.At.Record]++ }), 0))
			p.Close()
			require.False(t, store.open)
			assert.Equal(t, stage.ExactlyOnce, sum.Guarantee)
			assert.Equal(t, runs > 0, sum.Resumed != nil)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errCrash)
		}
		var want []int64
		for v := range n {
			if v%17 == 16 || shape == "filter" && v%3 == 0 {
				continue
			}
			want = append(want, v)
			if shape == "flatmap" {
				want = append(want, v)
			}
		}
		got := to.published
		if unordered {
			got = slices.Sorted(slices.Values(got))
		}
		require.Equal(t, want, slices.Clip(got))
		require.True(t, to.closed)
		for v := int64(16); v < n; v += 17 {
			require.NotZero(t, failed[v], "no letter is lost")
		}

		// The next run begins anew.
		to = ledger{}
		sum, err := stage.Run(t.Context(), stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
			return &counting{n: 3, size: 9}, nil
		}), to.sink(func() error { return nil }), stage.Checkpoint(&store, 0))
		require.NoError(t, err)
		require.Nil(t, sum.Resumed)
		require.Equal(t, []int64{0, 1, 2}, to.published)
	})
}

// letterSink calls fn with each letter.
type letterSink func(stage.Letter)

func (fn letterSink) Open(context.Context, json.RawMessage) (stage.Writer[stage.Letter], error) {
	return fn, nil
}

func (fn letterSink) Write(_ context.Context, c *stage.Chunk[stage.Letter]) error {
	for _, l := range c.Items {
		fn(l)
	}
	return nil
}

func (letterSink) Close(context.Context, error) error { return nil }

// Ahead of a pool that keeps the order a stage may make many items of one.
func TestManyItemsOfOneAheadOfAPool(t *testing.T) {
	twice := func(_ context.Context, v int64, emit func(int64)) error {
		emit(v)
		emit(v)
		return nil
	}
	for _, size := range []int{1, 3, 100} {
		var store memoryStore
		var to ledger
		var sought []int64
		run := func(n int) error {
			src := stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
				return &counting{n: 16, size: 100, sought: &sought}, nil
			})
			s := pool.Imap(nil, stage.FlatMap(src, twice), stage.Pure(func(v int64) int64 { return v }), pool.ChunkSize(size))
			_, err := stage.Run(t.Context(), s, to.sink(crashing(n)), stage.Checkpoint(&store, 1))
			return err
		}
		for n := 1; ; n++ {
			if err := run(n); err == nil {
				break
			}
		}
		assert.Equal(t, []int64{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15}, to.published)
	}
}

// A pool that mixes up what a stage has made many of is refused when the run starts,
// by name, and so is one behind another pool.
func TestUnorderedBehindWhatSpreads(t *testing.T) {
	mix := func(in stage.Stream[int64]) stage.Stream[int64] {
		return pool.Imap(nil, in, stage.Pure(func(v int64) int64 { return v }), pool.Unordered(), pool.Name("mix"))
	}
	src := stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) { panic("opened") })
	batches := stage.Batch(src, 3)
	for name, in := range map[string]stage.Stream[int64]{
		"FlatMap": stage.FlatMap(src, func(_ context.Context, v int64, emit func(int64)) error { emit(v); return nil }).Filter(func(int64) bool { return true }),
		"Unbatch": stage.Unbatch(batches),
		"Batch":   stage.Map(batches, stage.Pure(func(v []int64) int64 { return v[0] })),
		"Zip":     stage.Map(stage.Zip(src, src), stage.Pure(func(p stage.Pair[int64, int64]) int64 { return p.First })),
		"Imap":    pool.Imap(nil, src, stage.Pure(func(v int64) int64 { return v })),
	} {
		var store memoryStore
		var to ledger
		_, err := stage.Run(t.Context(), mix(in), to.sink(crashing(0)), stage.Checkpoint(&store, 1))
		require.ErrorContains(t, err, "stage: mix: unordered behind "+name+", which may spread", name)
		require.Empty(t, to.published)
	}
}

// A pipeline that is not what it was is refused before anything is written, and
// says what changed. New names can be accepted, and then keep the stages' states.
func TestChangedPipelines(t *testing.T) {
	type settings struct {
		of, name string
		batch    int
		take     int
	}
	for _, c := range []struct {
		now     settings
		accept  bool
		refused string
	}{
		{now: settings{"x", "v1", 2, 12}},
		{now: settings{"x", "v2", 2, 12}, refused: "Imap named v1"},
		{now: settings{"x", "v2", 2, 12}, accept: true},
		{now: settings{"x", "v1", 3, 12}, refused: "Batch of 2"},
		{now: settings{"x", "v1", 3, 12}, accept: true, refused: "Batch of 2"},
		{now: settings{"x", "v1", 2, 30}, refused: "Take 12 items"},
		{now: settings{"y", "v1", 2, 12}, accept: true, refused: `of was "x", is "y"`},
	} {
		var store memoryStore
		var to ledger
		var sought []int64
		run := func(s settings, writes int, opts ...stage.RunOption) error {
			src := stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
				return &counting{n: 16, size: 4, of: s.of, sought: &sought}, nil
			})
			mapped := pool.Imap(nil, src, stage.Pure(func(v int64) int64 { return v }), pool.Name(s.name), pool.ChunkSize(2))
			items := stage.Unbatch(stage.Batch(mapped, s.batch)).Take(s.take).Named("first-" + s.name)
			_, err := stage.Run(t.Context(), items, to.sink(crashing(writes)), append(opts, stage.Checkpoint(&store, 1))...)
			return err
		}
		require.ErrorIs(t, run(settings{"x", "v1", 2, 12}, 4), errCrash)
		var opts []stage.RunOption
		if c.accept {
			opts = append(opts, stage.AcceptChange())
		}
		before := slices.Clone(to.published)
		require.NotEmpty(t, before)
		saved := store.state
		err := run(c.now, 0, opts...)
		if c.refused == "" {
			require.NoError(t, err)
			assert.Equal(t, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, to.published)
			continue
		}
		changed, ok := errors.AsType[*checkpoint.ChangedError](err)
		require.True(t, ok, "%v", err)
		assert.Contains(t, changed.Error(), c.refused)
		assert.Equal(t, before, to.published)
		assert.Equal(t, saved, store.state)
	}
}
