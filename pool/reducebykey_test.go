package pool_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/benchtest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var errMerge = errors.New("they do not go together")

func TestProperty_ReduceByKeyIsTheSequentialLoop(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		j := drawJob(r)
		keys := rapid.IntRange(1, 50).Draw(r, "keys")
		limit := rapid.SampledFrom([]int{0, 0, 1, 7, 50}).Draw(r, "limit")
		fold := stage.Fold[int, int]{
			New: func() int { return 0 },
			Add: func(sum, i int) (int, error) {
				return sum + i, j.item(context.Background(), i)
			},
			Merge: func(a, b int) (int, error) { return a + b, nil },
		}
		var got map[int]int
		var err error
		j.in(t, func() {
			p := pool.New(j.workers)
			opts := append([]pool.Option{pool.MaxKeys(limit)}, j.opts...)
			got, err = pool.ReduceByKey(context.Background(), p, j.source(), func(i int) int { return keyOf(keys, i) }, fold, opts...)
			require.NoError(r, p.Wait())
		})
		want := map[int]int{}
		bad := -1
		for i := 0; i < j.n && bad < 0; i++ {
			if j.records.has(i) || j.fails.has(i) || j.panics.has(i) {
				bad = i
			}
			want[keyOf(keys, i)] += i
		}
		_, end := j.ending()
		switch {
		case errors.Is(err, pool.ErrTooManyKeys):
			require.Positive(r, limit)
			require.Greater(r, len(want)+min(1, bad+1), limit)
			require.Nil(r, got)
		case bad >= 0:
			var e *stage.ItemError
			require.ErrorAs(r, err, &e)
			require.EqualValues(r, bad, e.At.Record)
			require.Nil(r, got)
		case errors.Is(end, errSource):
			require.ErrorIs(r, err, errSource)
		default:
			require.NoError(r, err)
			require.Equal(r, want, got)
		}
	})
}

func TestReduceByKey_Merge(t *testing.T) {
	for name, merge := range map[string]func(int, int) (int, error){
		"error":  func(int, int) (int, error) { return 0, errMerge },
		"panic":  func(int, int) (int, error) { panic(errMerge) },
		"goexit": func(int, int) (int, error) { goexit(); return 0, nil },
	} {
		// Both workers have an item of the key: each waits for the other's.
		fold := count[int]()
		fold.Merge = merge
		met := make(chan struct{})
		fold.Add = func(n, _ int) (int, error) {
			select {
			case met <- struct{}{}:
			case <-met:
			}
			return n + 1, nil
		}
		got, err := pool.ReduceByKey(t.Context(), pool.New(2), source.Range(0, 2), func(int) string { return "all" }, fold, pool.ChunkSize(1))
		require.Nil(t, got)
		if name == "goexit" {
			require.ErrorIs(t, err, stage.ErrGoexit)
			continue
		}
		require.ErrorIs(t, err, errMerge)
		if name == "error" {
			require.EqualError(t, err, "ReduceByKey: key all: merge: they do not go together")
		}
	}
}

func TestReduceByKey_Arguments(t *testing.T) {
	in := source.Range(0, 1)
	key := func(i int) int { return i }
	requirePanic(t, func() { _, _ = pool.ReduceByKey[int](t.Context(), nil, in, nil, count[int]()) }, "ReduceByKey", "key")
	requirePanic(t, func() { _, _ = pool.ReduceByKey(t.Context(), nil, in, key, stage.Fold[int, int]{}) }, "ReduceByKey", "fold.New")
	requirePanic(t, func() { pool.MaxKeys(-1) }, "MaxKeys")
	requirePanic(t, func() { pool.Imap(nil, in, same, pool.MaxKeys(1)) }, "Imap", "MaxKeys")
	requirePanic(t, func() { pool.InFlightPerKey(-1) }, "InFlightPerKey")
	requirePanic(t, func() { pool.Imap(nil, in, same, pool.InFlightPerKey(1)) }, "Imap", "InFlightPerKey")
	requirePanic(t, func() { pool.ImapKeyed[int](nil, in, nil, same) }, "ImapKeyed", "key")
	requirePanic(t, func() { pool.ImapKeyed[int, int, int](nil, in, key, nil) }, "ImapKeyed", "fn")
	got, err := pool.ReduceByKey(t.Context(), nil, source.Of[int](), key, count[int]())
	require.NoError(t, err)
	require.Equal(t, map[int]int{}, got)
}

// BenchmarkReduceByKey counts items of 1,000 keys in two workers.
func BenchmarkReduceByKey(b *testing.B) {
	p := pooled(b, benchWorkers)
	benchtest.PerItem(b, benchItems, func() {
		counts, err := pool.ReduceByKey(b.Context(), p, source.Range(0, benchItems), func(i int) int { return i % 1000 }, count[int]())
		if err != nil || len(counts) != 1000 {
			b.Fatal(len(counts), err)
		}
	})
}
