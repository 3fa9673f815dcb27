package reorder

import (
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDrain(t *testing.T) {
	for _, window := range []int{5, 8} {
		b := New[int](window)
		put(t, b, 1, 0)
		assert.Equal(t, []int{0, 1}, take(b))
		put(t, b, 6, 3, 4)
		assert.Empty(t, take(b), "the next one is missing")
		for v := range b.Drain() {
			assert.Equal(t, 3, v)
			break
		}
		assert.Equal(t, []int{4, 6}, slices.Collect(b.Drain()), "in order over the gaps")
		assert.Empty(t, slices.Collect(b.Drain()), "once")
	}
}

func TestNothingIsRetained(t *testing.T) {
	b := New[*[64]byte](4)
	ctx := t.Context()
	var refs []weak.Pointer[[64]byte]
	fresh := func() *[64]byte {
		v := new([64]byte)
		refs = append(refs, weak.Make(v))
		return v
	}
	for i := range uint64(9) { // more than one round, and not to the end of one
		require.NoError(t, b.Put(ctx, i, fresh()))
		if i%2 == 0 {
			b.TryNext()
		} else {
			_, err := b.Next(ctx)
			require.NoError(t, err)
		}
	}
	require.ErrorIs(t, b.Put(givenUp(t), 90, fresh()), errGaveUp)
	require.ErrorIs(t, b.Put(ctx, 3, fresh()), ErrPutTwice)
	require.NoError(t, b.Put(ctx, 10, fresh()))
	require.NoError(t, b.Put(ctx, 12, fresh()))
	for range b.Drain() { // to empty it is all we want
	}
	b.CloseAt(20)
	require.ErrorIs(t, b.Put(ctx, 21, fresh()), ErrClosed)
	b.Abort(errOver)
	require.ErrorIs(t, b.Put(ctx, 9, fresh()), errOver)
	runtime.GC()
	for i, r := range refs {
		assert.Nil(t, r.Value(), "value %d is still reachable", i)
	}
	runtime.KeepAlive(b)
}

func TestNoAllocations(t *testing.T) {
	ctx := t.Context()
	for _, window := range []int{3, 64, 100} {
		b := New[int](window)
		seq := uint64(0)
		assert.Zero(t, testing.AllocsPerRun(200, func() {
			_ = b.Put(ctx, seq+1, 1)
			_ = b.Put(ctx, seq, 1)
			seq += 2
			b.TryNext()
			_, _ = b.Next(ctx)
		}))
		b = New[int](window)
		assert.Zero(t, testing.AllocsPerRun(200, func() {
			_ = b.Add(ctx, 1)
			_ = b.Add(ctx, 1)
			b.TryNext()
			_, _ = b.Next(ctx)
		}))
		// Those who wait and give up neither.
		ended := givenUp(t)
		b = New[int](window)
		assert.Zero(t, testing.AllocsPerRun(200, func() {
			_ = b.Put(ended, 500, 1)
			_, _ = b.Next(ended)
		}))
	}
}

// When producers and the consumer wait for each other all the time.
func TestNoAllocationsWhenWaiting(t *testing.T) {
	ctx := t.Context()
	const n = 4000
	for _, add := range []bool{false, true} {
		b := New[int](1)
		b.CloseAt(n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		producer := results(func() error {
			for i := range uint64(n) {
				var err error
				if add {
					err = b.Add(ctx, 1)
				} else {
					err = b.Put(ctx, i, 1)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		for range n {
			if _, err := b.Next(ctx); err != nil {
				t.Fatal(err)
			}
		}
		require.NoError(t, <-producer)
		runtime.ReadMemStats(&after)
		assert.Less(t, float64(after.Mallocs-before.Mallocs)/n, 0.1, "per value")
	}
}
