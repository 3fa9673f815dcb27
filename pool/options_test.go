package pool_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// chunkSizes runs items through MapChunks and returns the sizes of its calls.
func chunkSizes(t *testing.T, p *pool.Pool, items int, opts ...pool.Option) []int {
	t.Helper()
	var mu sync.Mutex
	var sizes []int
	_, err := pool.MapChunks(p, countTo(items), func(_ context.Context, in []int) ([]int, error) {
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, len(in))
		return nil, nil
	}, opts...).Count(context.Background())
	require.NoError(t, err)
	return sizes
}

func TestOptionsOfNewAreDefaults(t *testing.T) {
	p := pool.New(1, pool.ChunkSize(4), pool.Name("boiler"), pool.InFlight(100))
	assert.Equal(t, []int{4, 4, 2}, chunkSizes(t, p, 10))
	assert.Equal(t, []int{5, 5}, chunkSizes(t, p, 10, pool.ChunkSize(5)), "the verb's option wins")
	assert.Equal(t, []int{2, 2, 2, 2, 2}, chunkSizes(t, p, 10, pool.ChunkSize(5), pool.ChunkSize(2)), "of two the last one counts")
	assert.Equal(t, []int{3, 3, 3, 1}, chunkSizes(t, p, 10, pool.InFlight(3)), "a chunk is cut to the budget")
	auto := chunkSizes(t, p, 10, pool.ChunkSize(0))
	assert.Equal(t, 1, auto[0], "0 is automatic: it begins with 1")
	assert.Contains(t, pool.Imap(p, countTo(1), identity).Describe(), "boiler")
	assert.NotContains(t, pool.Imap(p, countTo(1), identity, pool.Name("x")).Describe(), "boiler")

	unordered := pool.New(2, pool.Unordered())
	assert.Contains(t, pool.Imap(unordered, countTo(1), identity).Describe(), "unordered")
}

// Options are values: using them in one call changes no other.
func TestOptionsAreNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		spare := make([]pool.Option, 1, 4) // a slice that an append would write to
		spare[0] = pool.ChunkSize(1)
		slow := func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Duration(10-i%10) * time.Millisecond)
			return i, nil
		}
		unordered := pool.ImapUnordered(p, countTo(20), slow, spare...)
		spare = append(spare, pool.Name("mine"))
		ordered := pool.Imap(p, countTo(20), slow, spare...)
		assert.Contains(t, ordered.Describe(), "mine")
		assert.NotContains(t, unordered.Describe(), "mine")
		items, _, end := ranged(t, context.Background(), ordered)
		require.NoError(t, end)
		assert.Equal(t, integers(20, nil), items)
		items, _, end = ranged(t, context.Background(), unordered)
		require.NoError(t, end)
		assert.NotEqual(t, integers(20, nil), items)
		slices.Sort(items)
		assert.Equal(t, integers(20, nil), items)
	})
}

// Sizes given to New do not pile up from call to call.
func TestOptionsSizesOfAPoolAndACall(t *testing.T) {
	var measured [2]int
	var mu sync.Mutex
	size := func(which int) pool.Option {
		return pool.SizeOf(func(int) int {
			mu.Lock()
			defer mu.Unlock()
			measured[which]++
			return 1
		})
	}
	none := func(context.Context, int, func(string)) error { return nil }
	p := pool.New(1, size(0), pool.InFlightBytes(100))
	for range 3 {
		_, err := pool.FlatMap(p, countTo(10), none).Count(context.Background())
		require.NoError(t, err)
	}
	assert.Equal(t, [2]int{30, 0}, measured)
	for range 3 {
		_, err := pool.FlatMap(p, countTo(10), none, size(1)).Count(context.Background())
		require.NoError(t, err)
	}
	assert.Equal(t, [2]int{30, 30}, measured, "the call's own wins")
}

func TestOptionName(t *testing.T) {
	ctx := context.Background()
	p := pool.New(1)
	for _, verb := range lazyVerbs() {
		for name, opts := range map[string][]pool.Option{verb.name: nil, "parse/v2": {pool.Name("parse/v2")}} {
			s := verb.of(p, countTo(3), banging, opts...)
			_, failed, end := ranged(t, ctx, s)
			require.NoError(t, end)
			require.Len(t, failed, 3)
			assert.Equal(t, name, failed[0].Stage)
			assert.Equal(t, name+": item 0: bang", failed[0].Error())
			assert.Contains(t, s.Describe(), verb.name)
			assert.Contains(t, s.Describe(), name)
		}
	}
	for _, verb := range eagerVerbs() {
		for name, opts := range map[string][]pool.Option{verb.name: nil, "parse/v2": {pool.Name("parse/v2")}} {
			_, err := verb.of(ctx, p, countTo(3), banging, opts...)
			var e *stage.ItemError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, name, e.Stage)
		}
	}
}

func TestOptionsInDescribe(t *testing.T) {
	opts := []pool.Option{pool.Name("n"), pool.ChunkSize(5), pool.InFlight(70), pool.InFlightBytes(800), pool.Unordered()}
	d := pool.Imap(pool.New(3), countTo(1), identity, opts...).Describe()
	first, _, _ := strings.Cut(d, "\n")
	for _, part := range []string{`Imap "n"`, "3 workers", "unordered", "5", "70", "800 bytes"} {
		assert.Contains(t, first, part)
	}
	d = pool.Imap(pool.New(3), countTo(1), identity).Describe()
	assert.Contains(t, d, "ordered")
	assert.NotContains(t, d, "unordered")
	assert.Contains(t, d, "automatic")
}

// Unordered lets a result pass a slow one before it, in every verb.
func TestOptionUnordered(t *testing.T) {
	for _, verb := range lazyVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				var at []time.Duration
				begun := time.Now()
				fn := func(_ context.Context, i int) (int, error) {
					if i == 0 {
						time.Sleep(time.Second)
					}
					return i, nil
				}
				var items []int
				for v, err := range verb.of(p, countTo(10), fn, pool.ChunkSize(1), pool.Unordered()).All(context.Background()) {
					require.NoError(t, err)
					items = append(items, v)
					at = append(at, time.Since(begun))
				}
				assert.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 0}, items)
				assert.Zero(t, at[8])
				assert.Equal(t, time.Second, at[9])
			})
		})
	}
	for _, verb := range eagerVerbs() {
		items, err := verb.of(context.Background(), pool.New(3), countTo(100), identity, pool.Unordered())
		require.NoError(t, err)
		slices.Sort(items)
		assert.Equal(t, integers(100, nil), items, verb.name)
	}
}

// The zero stream is empty through every verb.
func TestZeroStream(t *testing.T) {
	ctx := context.Background()
	for _, opts := range [][]pool.Option{nil, {pool.ChunkSize(5)}, {pool.InFlight(1)}, {pool.InFlightBytes(1)}, {pool.Unordered()}} {
		p := pool.New(2, opts...)
		for _, verb := range lazyVerbs() {
			items, failed, end := ranged(t, ctx, verb.of(p, stage.Stream[int]{}, banging))
			assert.Empty(t, items)
			assert.Empty(t, failed)
			require.NoError(t, end)
		}
		for _, verb := range eagerVerbs() {
			items, err := verb.of(ctx, p, stage.Stream[int]{}, banging)
			require.NoError(t, err)
			assert.Empty(t, items)
			if verb.name != "Reduce" {
				assert.NotNil(t, items)
			}
		}
		assert.Empty(t, chunkSizes(t, p, 0))
		made := 0
		acc, err := pool.Reduce(ctx, p, stage.Stream[int]{}, func() int { made++; return 7 },
			func(context.Context, int, int) (int, error) { return 0, errBang },
			func(int, int) (int, error) { return 0, errBang })
		require.NoError(t, err)
		assert.Equal(t, 7, acc, "the empty accumulator")
		assert.Equal(t, 1, made)
		require.NoError(t, p.Wait())
	}
}

// Stream and options of any sort give the same items.
func TestOptionsNeverChangeTheItems(t *testing.T) {
	for _, n := range []int{1, 65, 300} {
		for _, workers := range []int{1, 3} {
			for _, opts := range [][]pool.Option{
				{pool.ChunkSize(1)}, {pool.ChunkSize(1000)}, {pool.InFlight(1)}, {pool.InFlight(3), pool.ChunkSize(2)},
				{pool.InFlightBytes(1)}, {pool.InFlightBytes(1 << 40)},
				{pool.InFlightBytes(16), pool.SizeOf(func(int) int { return 5 })},
				{pool.InFlightBytes(7), pool.SizeOf(func(int) int { return 0 })},
				{pool.InFlight(1 << 40)}, {pool.ChunkSize(1 << 40)}, {pool.ChunkSize(1 << 40), pool.InFlight(1 << 40)},
			} {
				p := pool.New(workers, opts...)
				items, err := pool.Imap(p, countTo(n), identity).Collect(context.Background())
				require.NoError(t, err)
				require.Equal(t, integers(n, nil), items, fmt.Sprint(n, workers))
				items, err = pool.Map(context.Background(), p, countTo(n), identity)
				require.NoError(t, err)
				require.Equal(t, integers(n, nil), items)
				require.NoError(t, p.Wait())
			}
		}
	}
}

// A size that is negative counts nothing, rather than making room.
func TestOptionSizeOfNegative(t *testing.T) {
	for _, of := range []string{"input", "output"} {
		p := pool.New(2, pool.InFlightBytes(10), pool.SizeOf(func(int8) int { return -5 }))
		narrow, wide := stage.Pure(func(i int) int8 { return int8(i) }), stage.Pure(func(v int8) int { return int(v) })
		var n int64
		var err error
		if of == "input" {
			n, err = pool.Imap(p, stage.Map(countTo(100), narrow), wide).Count(context.Background())
		} else {
			n, err = pool.Imap(p, countTo(100), narrow).Count(context.Background())
		}
		require.NoError(t, err, of)
		assert.EqualValues(t, 100, n)
	}
}
