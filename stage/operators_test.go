package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNilAndNegativeArgumentsPanicAtTheCall(t *testing.T) {
	s := ints(1)
	requirePanics(t, "penstock: stage.Map: fn is nil", func() { Map[int, int](s, nil) })
	requirePanics(t, "penstock: stage.FilterMap: fn is nil", func() { FilterMap[int, int](s, nil) })
	requirePanics(t, "penstock: stage.FlatMap: fn is nil", func() { FlatMap[int, int](s, nil) })
	requirePanics(t, "penstock: stage.Scan: fn is nil", func() { Scan(s, 0, nil) })
	requirePanics(t, "penstock: stage.Try: fn is nil", func() { Try[int, int](nil) })
	requirePanics(t, "penstock: stage.Pure: fn is nil", func() { Pure[int, int](nil) })
	requirePanics(t, "penstock: stage.Filter: keep is nil", func() { s.Filter(nil) })
	requirePanics(t, "penstock: stage.TakeWhile: keep is nil", func() { s.TakeWhile(nil) })
	requirePanics(t, "penstock: stage.SkipWhile: skip is nil", func() { s.SkipWhile(nil) })
	requirePanics(t, "penstock: stage.Tap: fn is nil", func() { s.Tap(nil) })
	requirePanics(t, "penstock: stage.Take: n is -1, want 0 or more", func() { s.Take(-1) })
	requirePanics(t, "penstock: stage.Skip: n is -1, want 0 or more", func() { s.Skip(-1) })
	requirePanics(t, "penstock: stage.Batch: n is 0, want 1 or more", func() { Batch(s, 0) })
	requirePanics(t, "penstock: stage.ForEach: fn is nil", func() { _ = s.ForEach(t.Context(), nil) })
	requirePanics(t, "penstock: stage.Reduce: fn is nil", func() { _, _ = Reduce(t.Context(), s, 0, nil) })
}

func TestZeroStreamIsEmptyThroughEveryOperator(t *testing.T) {
	for _, op := range operators() {
		if op.name == "Concat" {
			continue // it has another input
		}
		t.Run(op.name, func(t *testing.T) {
			c := op.open(t, &world{}, Stream[int]{})
			n, out, _, err := c.pull(t.Context(), Limit{Items: 1})
			assert.Equal(t, io.EOF, err)
			assert.Zero(t, n)
			assert.Empty(t, out)
			c.close()
		})
	}
	n, err := Concat[int]().Count(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
	named := Stream[int]{}.Named("nothing")
	n, err = named.Count(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Equal(t, "empty \"nothing\"  source, in the consumer\n", named.Describe())
}

func TestPullAfterCloseIsTheEnd(t *testing.T) {
	for _, op := range operators() {
		t.Run(op.name, func(t *testing.T) {
			c := op.open(t, &world{}, ints(50))
			_, _, _, err := c.pull(t.Context(), Limit{Items: 1})
			require.NoError(t, err)
			c.close()
			_, out, _, err := c.pull(t.Context(), Limit{Items: 1})
			assert.Equal(t, io.EOF, err)
			assert.Empty(t, out)
		})
	}
}

func TestOpenFailureOfAnInput(t *testing.T) {
	broken := New("broken", func(context.Context) (Puller[int], error) { return nil, errBad })
	for _, op := range unaries() {
		_, err := op.apply(broken, func(int) {}).Open(t.Context())
		assert.Equal(t, errBad, err, op.name)
	}
}

func TestRemainingIsForwarded(t *testing.T) {
	pulled := func(p Puller[int]) Puller[int] {
		var c Chunk[int]
		_ = p.Pull(t.Context(), &c, Limit{Items: 3})
		return p
	}
	assertRemaining(t, pulled(open(t, Map(ints(10), inc))), 7)
	assertRemaining(t, pulled(open(t, ints(10).Take(5))), 2)
	assertRemaining(t, open(t, ints(10).Skip(4)), 6)
	assertRemaining(t, open(t, ints(10).Skip(40)), 0)
	assertRemaining(t, open(t, Enumerate(ints(10))), 10)
	assertRemaining(t, open(t, ints(10).Tap(func(int) {})), 10)
	assertRemaining(t, open(t, Scan(ints(10), 0, func(_ context.Context, a, _ int) (int, error) { return a, nil })), 10)
	assertRemaining(t, open(t, ints(10).Filter(odd)), -1)
	assertRemaining(t, open(t, flat(ints(10))), -1)
	assertRemaining(t, open(t, Map(counting(), inc)), -1)
	assertRemaining(t, open(t, counting().Take(3)), -1)
	p, err := Map(ints(10), inc).Open(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.Close())
	assertRemaining(t, p, -1)
}

func TestTryAndPure(t *testing.T) {
	try := Try(func(v int) (string, error) { return fmt.Sprint(v), errBad })
	s, err := try(t.Context(), 3)
	assert.Equal(t, "3", s)
	assert.Equal(t, errBad, err)
	pure := Pure(func(v int) int { return -v })
	n, err := pure(t.Context(), 3)
	require.NoError(t, err)
	assert.Equal(t, -3, n)
}

func TestEmitAfterTheFunctionReturned(t *testing.T) {
	var kept func(int)
	p := open(t, FlatMap(ints(2), func(_ context.Context, v int, emit func(int)) error {
		kept = emit
		emit(v)
		return nil
	}))
	var c Chunk[int]
	require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 1}))
	requirePanics(t, "penstock: stage.FlatMap: emit was called after the function had returned", func() { kept(9) })
}

func TestBatchesAreTheConsumersToKeep(t *testing.T) {
	s := Batch(ints(10), 3)
	got, err := s.Collect(t.Context())
	require.NoError(t, err)
	require.Equal(t, [][]int{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9}}, got)
	_ = append(got[0], 99)
	got[1][0] = -1
	again, err := Unbatch(New("kept", func(context.Context) (Puller[[]int], error) {
		done := false
		return &slices1{items: got, done: &done}, nil
	})).Filter(func(v int) bool { return v%2 == 0 }).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{0, 2, 4, 6, 8}, again)
	assert.Equal(t, [][]int{{0, 1, 2}, {-1, 4, 5}, {6, 7, 8}, {9}}, got, "a filter does not write to a user's slice")
}

type slices1 struct {
	items [][]int
	done  *bool
}

func (s *slices1) Pull(_ context.Context, into *Chunk[[]int], _ Limit) error {
	into.Reset()
	into.Items = append(into.Items, s.items...)
	return io.EOF
}
func (*slices1) Close() error { return nil }

func TestLargeBatchGrowsAsItFills(t *testing.T) {
	got, err := Batch(ints(10), 1<<40).Collect(t.Context())
	require.NoError(t, err)
	assert.Len(t, got[0], 10)
	assert.LessOrEqual(t, cap(got[0]), maxPresize)
}

func TestBatchPutsErrorsBeforeTheBatchAtHand(t *testing.T) {
	s := &script{events: []event{{item: 1}, {err: errBad}, {item: 2}, {item: 3}, {err: errBad}, {item: 4}}}
	s.cuts = []int{3}
	p := open(t, Batch(s.stream(), 3))
	var c Chunk[[]int]
	var got [][]string
	var tokens []int64
	for err := error(nil); err == nil; {
		err = p.Pull(t.Context(), &c, Limit{})
		got = append(got, outcome(&c))
		tokens = append(tokens, sumN(c.Tokens))
	}
	assert.Equal(t, [][]string{{"script#1: bad"}, {"[1 2 3]"}, {"script#4: bad", "[4]"}}, got, "and hands them on at once")
	assert.Equal(t, []int64{0, 4, 2}, tokens)
}

func TestBatchTokensDoNotPileUp(t *testing.T) {
	s := upTo(10_000)
	p := open(t, Batch(s.stream().Filter(func(v int) bool { return v < 1 || v == 9_999 }), 2))
	var c Chunk[[]int]
	require.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{}))
	assert.Equal(t, [][]int{{0, 9_999}}, c.Items)
	assert.Equal(t, []Token{{At: Position{Key: "script"}, N: 10_000}}, c.Tokens)
	one, two := Position{Part: 1}, Position{Part: 2}
	assert.Equal(t, []Token{{At: one, N: 1}, {At: two, First: 1, N: 3}},
		appendTokens([]Token{{At: one, N: 1}}, []Token{{At: two, First: 1, N: 1}, {At: two, First: 2, N: 2}}))
}

func TestConcatOpensOneAfterTheOther(t *testing.T) {
	a, b := upTo(2), upTo(2)
	p := open(t, Concat(a.stream(), b.stream()))
	assert.Zero(t, a.mu.opens)
	var c Chunk[int]
	require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 1}))
	assert.Equal(t, []int{1, 0}, []int{a.mu.opens, b.mu.opens})
	require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 9}))
	assert.Equal(t, []int{1, 1}, []int{a.mu.closes, 1 - b.mu.opens})
	require.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{Items: 9}))
	assert.Equal(t, []int{0, 1}, c.Items)
	assert.Equal(t, 1, b.mu.closes)

	streams := []Stream[int]{ints(1), ints(2)}
	s := Concat(streams...)
	streams[0] = ints(100)
	n, err := s.Count(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(3), n, "the caller's slice is not kept")
}

func TestConcatFailures(t *testing.T) {
	closing := upTo(2)
	closing.closeErr = errBad
	got, err := Concat(closing.stream(), ints(2)).Collect(t.Context())
	require.Equal(t, errBad, err, "an input that cannot be closed may have been cut short")
	assert.Nil(t, got)

	broken := New("broken", func(context.Context) (Puller[int], error) { return nil, errBad })
	n, err := Concat(ints(2), broken, ints(5)).Count(t.Context())
	require.Equal(t, errBad, err)
	assert.Equal(t, int64(2), n)

	failing := upTo(2)
	failing.end = errBad
	n, err = Concat(failing.stream(), ints(5)).Count(t.Context())
	require.Equal(t, errBad, err)
	assert.Equal(t, int64(2), n)
	assert.Equal(t, 1, failing.mu.closes)
}

func TestZipEndsWithTheShorter(t *testing.T) {
	for _, tc := range [][3]int{{2, 5, 2}, {5, 2, 2}, {0, 3, 0}, {3, 0, 0}, {3, 3, 3}} {
		a, b := upTo(tc[0]), upTo(tc[1])
		a.part, b.part = 1, 2
		p, done := watched(t, Zip(a.stream(), b.stream()))
		var c Chunk[Pair[int, int]]
		var tokens []Token
		n := 0
		for err := error(nil); err == nil; {
			err = p.Pull(t.Context(), &c, Limit{Items: 4})
			n += len(c.Items)
			tokens = append(tokens, c.Tokens...)
		}
		assert.Equal(t, tc[2], n)
		assert.Equal(t, sumN(a.mu.tokens)+sumN(b.mu.tokens), sumN(tokens))
		for _, m := range done() {
			if m.Node.Op == "Zip" {
				assert.Equal(t, int64(n), m.Merged)
				assert.LessOrEqual(t, m.Abandoned, int64(4))
			}
		}
		assert.Equal(t, []int{1, 1}, []int{a.mu.closes, b.mu.closes})
	}
}

func TestZipFailures(t *testing.T) {
	failing := func() *script {
		s := upTo(2)
		s.end = errBad
		return s
	}
	n, err := Zip(failing().stream(), ints(5)).Count(t.Context())
	require.Equal(t, errBad, err)
	assert.Equal(t, int64(2), n)
	n, err = Zip(ints(5), failing().stream()).Count(t.Context())
	require.Equal(t, errBad, err)
	assert.Equal(t, int64(2), n)

	broken := New("broken", func(context.Context) (Puller[int], error) { return nil, errBad })
	a := upTo(2)
	_, err = Zip(a.stream(), broken).Open(t.Context())
	require.Equal(t, errBad, err)
	assert.Equal(t, 1, a.mu.closes)
	_, err = Zip(broken, a.stream()).Open(t.Context())
	require.Equal(t, errBad, err)
	exits(func() {
		_, _ = Zip(a.stream(), New("exits", func(context.Context) (Puller[int], error) {
			runtime.Goexit()
			return nothing()
		})).Open(context.Background())
	})
	assert.Equal(t, 2, a.mu.closes)

	b := upTo(2)
	a.closeErr, b.closeErr = errors.New("first"), errors.New("second")
	p, err := Zip(a.stream(), b.stream()).Open(t.Context())
	require.NoError(t, err)
	require.EqualError(t, p.Close(), "first\nsecond")
	require.NoError(t, p.Close())
}

func TestStreamRunsAgainFromTheStart(t *testing.T) {
	s := Enumerate(Scan(ints(6).Take(4).Skip(1), 0, func(_ context.Context, a, v int) (int, error) { return a + v, nil }))
	for range 2 {
		got, err := s.Collect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []Pair[int64, int]{{0, 1}, {1, 3}, {2, 6}}, got)
	}
}

// TestNoAllocationPerChunk: a chain allocates when it starts and never again.
func TestNoAllocationPerChunk(t *testing.T) {
	for name, s := range map[string]Stream[int]{
		"map, filter": Map(Map(counting(), inc).Filter(odd), inc),
		"all": Unbatch(Map(Zip(Concat(counting()).Skip(3).TakeWhile(func(int) bool { return true }),
			FlatMap(counting().Tap(func(int) {}).SkipWhile(odd), func(_ context.Context, v int, emit func(int)) error {
				emit(v)
				emit(v)
				return nil
			})), keep())),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			p := open(t, s)
			var c Chunk[int]
			for _, limit := range []int{1, 16, 256} {
				pull := func() {
					if err := p.Pull(ctx, &c, Limit{Items: limit}); err != nil {
						panic(err)
					}
				}
				for range 64 {
					pull()
				}
				assert.Zero(t, testing.AllocsPerRun(500, pull), "limit %d", limit)
			}
		})
	}
}

// keep makes slices without allocating.
func keep() func(context.Context, Pair[int, int]) ([]int, error) {
	kept := []int{1, 2, 3}
	return func(context.Context, Pair[int, int]) ([]int, error) { return kept, nil }
}
