package reorder

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []int{1, 3, 4} {
			var waiters []<-chan error
			wait := func(f func() error) { waiters = append(waiters, results(f)) }
			puts, adds, nexts := New[int](window), New[int](window), New[int](window)
			for i := range uint64(3) {
				wait(func() error { return puts.Put(t.Context(), 100+i, 0) })
			}
			for range window {
				require.NoError(t, adds.Add(t.Context(), 7))
			}
			for range 3 {
				wait(func() error { return adds.Add(t.Context(), 8) })
			}
			wait(func() error { _, err := nexts.Next(t.Context()); return err })
			synctest.Wait()
			assert.True(t, nexts.Waiting())
			for _, b := range []*Buffer[int]{puts, adds, nexts} {
				assert.NoError(t, b.Err())
				b.Abort(errOver)
				b.Abort(errGaveUp) // only the first counts
				b.CloseAt(0)
				b.Close()
			}
			for _, w := range waiters {
				assert.Equal(t, errOver, <-w)
			}
			for _, b := range []*Buffer[int]{puts, adds, nexts} {
				assert.Equal(t, errOver, b.Err())
				assert.Equal(t, errOver, b.Put(t.Context(), 0, 9), "with room")
				assert.Equal(t, errOver, b.Put(t.Context(), 500, 9), "without")
				assert.Equal(t, errOver, b.Add(t.Context(), 9))
				_, err := b.Next(t.Context())
				assert.Equal(t, errOver, err)
				assert.False(t, b.Waiting())
				assert.Zero(t, b.blocked.Load())
			}
			assert.Equal(t, slices.Repeat([]int{7}, window), take(adds), "what was stored stays")
		}
	})
}

func TestAbortAfterTheEnd(t *testing.T) {
	b := New[int](2)
	b.CloseAt(1)
	put(t, b, 0)
	b.Abort(errOver)
	_, err := b.Next(t.Context())
	assert.Equal(t, errOver, err, "what was there comes from TryNext and Drain only")
	assert.Equal(t, errOver, b.Put(t.Context(), 5, 0))
	assert.Equal(t, []int{0}, slices.Collect(b.Drain()))
}

func TestNextGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New[int](4)
		_, err := b.Next(givenUp(t))
		require.ErrorIs(t, err, errGaveUp)

		ctx, cancel := context.WithCancelCause(t.Context())
		next := results(func() error { _, err := b.Next(ctx); return err })
		synctest.Wait()
		assert.True(t, b.Waiting())
		put(t, b, 1)
		synctest.Wait()
		assert.True(t, b.Waiting(), "it waits for another one")
		cancel(errGaveUp)
		require.ErrorIs(t, <-next, errGaveUp)
		assert.False(t, b.Waiting())

		put(t, b, 0)
		for want := range 2 {
			v, err := b.Next(givenUp(t)) // what is there comes whatever the context says
			require.NoError(t, err)
			assert.Equal(t, want, v)
		}
		b.CloseAt(2)
		_, err = b.Next(givenUp(t))
		assert.Equal(t, io.EOF, err)
	})
}

func TestPutGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New[int](2)
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := results(func() error { return b.Put(ctx, 2, -1) })
		other := results(func() error { return b.Put(t.Context(), 3, 3) })
		synctest.Wait()
		assert.Equal(t, int32(2), b.blocked.Load())
		cancel(errGaveUp)
		require.ErrorIs(t, <-gone, errGaveUp)
		assert.Equal(t, int32(1), b.blocked.Load())
		put(t, b, 0, 1)
		assert.Equal(t, []int{0, 1}, take(b))
		require.NoError(t, <-other)
		put(t, b, 2) // the number is still free
		assert.Equal(t, []int{2, 3}, take(b))
	})
}

// One that waits to add gives up at the moment when it is let go: the room is for
// the next one.
func TestAddGivesUpWhenLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 100 {
			b := New[int](1)
			require.NoError(t, b.Add(t.Context(), 0))
			ctx, cancel := context.WithCancelCause(t.Context())
			first := results(func() error { return b.Add(ctx, 1) })
			synctest.Wait()
			second := results(func() error { return b.Add(t.Context(), 2) })
			synctest.Wait()
			if i%2 == 0 {
				b.TryNext()
				cancel(errGaveUp)
				require.NoError(t, <-first)
				b.TryNext()
			} else {
				cancel(errGaveUp)
				b.TryNext()
				require.ErrorIs(t, <-first, errGaveUp)
			}
			require.NoError(t, <-second)
			assert.Equal(t, []int{2}, take(b))
		}
	})
}

// First come, first served among those who wait to add.
func TestAddsWaitInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New[int](1)
		require.NoError(t, b.Add(t.Context(), 0))
		ctx, cancel := context.WithCancelCause(t.Context())
		for i := range 5 {
			go func() {
				if i == 1 {
					assert.ErrorIs(t, b.Add(ctx, i+1), errGaveUp)
				} else {
					assert.NoError(t, b.Add(t.Context(), i+1))
				}
			}()
			synctest.Wait()
		}
		cancel(errGaveUp)
		for _, want := range []int{0, 1, 3, 4, 5} {
			synctest.Wait()
			v, _ := b.TryNext()
			assert.Equal(t, want, v)
		}
	})
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New[int](2)
		assert.False(t, b.Waiting())
		next := results(func() error { _, err := b.Next(t.Context()); return err })
		synctest.Wait()
		assert.True(t, b.Waiting())
		put(t, b, 0)
		require.NoError(t, <-next)
		assert.False(t, b.Waiting())
	})
}
