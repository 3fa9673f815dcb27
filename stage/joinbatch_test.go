package stage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var errDown = errors.New("the service is down")

// helpdesk answers for even keys, and counts the keys that it is asked for.
type helpdesk struct {
	calls, keys atomic.Int64
	fail        func(keys []int) error
}

func (s *helpdesk) ask(_ context.Context, keys []int) (map[int]string, error) {
	s.calls.Add(1)
	s.keys.Add(int64(len(keys)))
	if s.fail != nil {
		if err := s.fail(keys); err != nil {
			return nil, err
		}
	}
	found := map[int]string{-1: "nobody asked"}
	for _, k := range keys {
		if k%2 == 0 {
			found[k] = fmt.Sprint("no. ", k)
		}
	}
	return found, nil
}

// Whatever the chunks and the cache, alone and in a pool, the joins are a plain loop's,
// and ask for no key twice in a chunk.
func TestJoinBatchAsAPlainLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.IntRange(0, 60)).Draw(t, "items")
		key := func(v int) int { return v % 20 }
		inner := []stage.Pair[int, string]{}
		left := []stage.Pair[int, stage.Matched[string]]{}
		for _, v := range items {
			if k := key(v); k%2 == 0 {
				name := fmt.Sprint("no. ", k)
				inner = append(inner, stage.Pair[int, string]{First: v, Second: name})
				left = append(left, stage.Pair[int, stage.Matched[string]]{First: v, Second: stage.Matched[string]{Value: name, OK: true}})
			} else {
				left = append(left, stage.Pair[int, stage.Matched[string]]{First: v})
			}
		}
		var of helpdesk
		n := rapid.IntRange(1, 30).Draw(t, "remembered")
		lookup := stage.LookupBatch(of.ask, n)
		batch := rapid.IntRange(1, 30).Draw(t, "batch")
		p := pool.New(3)
		defer p.Close()
		chunk := pool.ChunkSize(rapid.IntRange(0, 9).Draw(t, "chunk"))
		got, err := stage.JoinBatch(source.Slice(items), batch, key, lookup).Collect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, inner, append([]stage.Pair[int, string]{}, got...))
		if n >= 20 {
			assert.LessOrEqual(t, of.keys.Load(), int64(20))
		}
		got, err = pool.MapChunks(p, source.Slice(items), stage.MatchingBatch(key, lookup), chunk).Collect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, inner, append([]stage.Pair[int, string]{}, got...))
		all, err := stage.LeftJoinBatch(source.Slice(items), batch, key, lookup).Collect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, left, append([]stage.Pair[int, stage.Matched[string]]{}, all...))
		all, err = pool.MapChunks(p, source.Slice(items), stage.MatchingAllBatch(key, lookup), chunk).Collect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, left, append([]stage.Pair[int, stage.Matched[string]]{}, all...))
	})
}

// pullOnce is the first chunk of a stream, as large as it comes.
func pullOnce[T any](t *testing.T, s stage.Stream[T]) (c stage.Chunk[T]) {
	t.Helper()
	p, err := s.Open(t.Context())
	require.NoError(t, err)
	if err := p.Pull(t.Context(), &c, stage.Limit{}); !errors.Is(err, io.EOF) {
		require.NoError(t, err)
	}
	require.NoError(t, p.Close())
	return c
}

// A chunk asks once, for what nobody asked before, whether it was found or not.
func TestLookupBatchRemembers(t *testing.T) {
	var of helpdesk
	lookup := stage.LookupBatch(of.ask, 10)
	self := func(v int) int { return v }
	pullOnce(t, stage.JoinBatch(source.Of(1, 2, 2, 3, 1), 100, self, lookup))
	assert.EqualValues(t, 1, of.calls.Load())
	assert.EqualValues(t, 3, of.keys.Load())
	pullOnce(t, stage.JoinBatch(source.Of(3, 2, 1, 4), 100, self, lookup))
	assert.EqualValues(t, 2, of.calls.Load())
	assert.EqualValues(t, 4, of.keys.Load())
	v, ok, err := lookup.Lookup(t.Context(), 4)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, "no. 4", v)
	_, ok, err = lookup.Lookup(t.Context(), 1)
	require.NoError(t, err)
	assert.False(t, ok)
	assert.EqualValues(t, 2, of.calls.Load())

	// What equals nothing cannot be found, or remembered.
	nan := stage.LookupBatch(func(_ context.Context, keys []float64) (map[float64]int, error) {
		return map[float64]int{keys[0]: 1}, nil
	}, 1)
	found, err := nan.Find(t.Context(), []float64{math.NaN(), math.NaN()})
	require.NoError(t, err)
	assert.Equal(t, make([]stage.Matched[int], 2), found)
}

// A slow lookup is asked about n items at once, however few the consumer asks for.
func TestJoinBatchAsksForMany(t *testing.T) {
	var of helpdesk
	in := stage.JoinBatch(source.Range(0, 1000), 100, func(v int) int { return v }, stage.LookupBatch(of.ask, 1000))
	n := 0
	for p, err := range in.All(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, 2*n, p.First)
		n++
	}
	assert.Equal(t, 500, n)
	assert.EqualValues(t, 10, of.calls.Load())
}

// A failed call fails the items that it was for: what was known passes, and what follows.
func TestJoinBatchFailures(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errDown },
		"panic": func() error { panic(errDown) },
	} {
		t.Run(name, func(t *testing.T) {
			of := helpdesk{fail: func(keys []int) error {
				if slices.Contains(keys, 6) {
					return fail()
				}
				return nil
			}}
			lookup := stage.LookupBatch(of.ask, 10)
			_, err := lookup.Find(t.Context(), []int{2})
			require.NoError(t, err)
			bad := func(v int) int {
				if v == 100 {
					panic("no key")
				}
				return v
			}
			var passed, failed []int
			c := pullOnce(t, stage.JoinBatch(source.Of(2, 100, 4, 6, 2), 100, bad, lookup))
			for _, v := range c.Items {
				passed = append(passed, v.First)
			}
			for _, item := range c.Errors {
				err := error(item)
				failed = append(failed, item.Input.(int))
				assert.Equal(t, item.Input != 100, errors.Is(err, errDown))
				assert.Equal(t, name == "panic" || item.Input == 100, item.Stack != nil)
			}
			assert.Equal(t, []int{2, 2}, passed)
			assert.Equal(t, []int{100, 4, 6}, failed)
			_, _, err = stage.LookupBatch(func(context.Context, []int) (map[int]int, error) { return nil, errDown }, 1).Lookup(t.Context(), 1)
			assert.ErrorIs(t, err, errDown)
		})
	}
	of := helpdesk{fail: func([]int) error { return errDown }}
	failed := 0
	in := pool.MapChunks(nil, source.Of(1, 2, 3), stage.MatchingBatch(func(v int) int { return v }, stage.LookupBatch(of.ask, 5)))
	for _, err := range in.All(t.Context()) {
		assert.ErrorIs(t, err, errDown)
		failed++
	}
	assert.Equal(t, 3, failed)
}

// A call that its pull gives up is made again by the next.
func TestJoinBatchGivenUp(t *testing.T) {
	calls := 0
	ctx, cancel := context.WithCancel(t.Context())
	lookup := stage.LookupBatch(func(ctx context.Context, keys []int) (map[int]int, error) {
		if calls++; calls == 1 {
			cancel()
			return nil, context.Cause(ctx)
		}
		return map[int]int{keys[0]: 7}, nil
	}, 5)
	p, err := stage.JoinBatch(source.Of(1), 100, func(v int) int { return v }, lookup).Open(t.Context())
	require.NoError(t, err)
	var c stage.Chunk[stage.Pair[int, int]]
	assert.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{}), context.Canceled)
	assert.Empty(t, c.Items)
	_ = p.Pull(t.Context(), &c, stage.Limit{})
	assert.Equal(t, []stage.Pair[int, int]{{First: 1, Second: 7}}, c.Items)
	require.NoError(t, p.Close())
}

func TestJoinBatchArguments(t *testing.T) {
	var of helpdesk
	lookup := stage.LookupBatch(of.ask, 1)
	key := func(v int) int { return v }
	for message, fn := range map[string]func(){
		"penstock: stage.LookupBatch: ask is nil":             func() { stage.LookupBatch[int, int](nil, 1) },
		"penstock: stage.LookupBatch: n is 0, want 1 or more": func() { stage.LookupBatch(of.ask, 0) },
		"penstock: stage.JoinBatch: n is 0, want 1 or more":   func() { stage.JoinBatch(source.Of(1), 0, key, lookup) },
		"penstock: stage.JoinBatch: key is nil":               func() { stage.JoinBatch[int](source.Of(1), 1, nil, lookup) },
		"penstock: stage.JoinBatch: lookup is nil":            func() { stage.JoinBatch[int, int, int](source.Of(1), 1, key, nil) },
		"penstock: stage.LeftJoinBatch: key is nil":           func() { stage.LeftJoinBatch[int](source.Of(1), 1, nil, lookup) },
		"penstock: stage.LeftJoinBatch: lookup is nil":        func() { stage.LeftJoinBatch[int, int, int](source.Of(1), 1, key, nil) },
		"penstock: stage.MatchingBatch: key is nil":           func() { stage.MatchingBatch[int](nil, lookup) },
		"penstock: stage.MatchingAllBatch: lookup is nil":     func() { stage.MatchingAllBatch[int, int, int](key, nil) },
	} {
		assert.PanicsWithValue(t, message, fn)
	}
}
