package reorder

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	errGaveUp = errors.New("gave up")
	errOver   = errors.New("it is over")
)

// givenUp is a context that has ended: calls that would wait return errGaveUp.
func givenUp(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGaveUp)
	return ctx
}

// results calls f in a goroutine and delivers what it returned.
func results(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// put puts values that must have room.
func put(t *testing.T, b *Buffer[int], numbers ...uint64) {
	t.Helper()
	for _, seq := range numbers {
		require.NoError(t, b.Put(givenUp(t), seq, int(seq)))
	}
}

// take takes the numbers that are there, in order.
func take(b *Buffer[int]) (got []int) {
	for v, ok := b.TryNext(); ok; v, ok = b.TryNext() {
		got = append(got, v)
	}
	return got
}

func TestArguments(t *testing.T) {
	for _, window := range []int{0, -1, math.MinInt} {
		assert.PanicsWithValue(t, "penstock: reorder.New: window is "+itoa(window)+", want at least 1", func() { New[int](window) })
	}
	b := New[int](1)
	assert.PanicsWithValue(t, "penstock: reorder.Buffer.Abort: err is nil", func() { b.Abort(nil) })
	assert.NoError(t, b.Err())
	assert.PanicsWithValue(t, "penstock: reorder.Buffer.CloseAt: n is 9223372036854775809, want at most 9223372036854775808",
		func() { b.CloseAt(1<<63 + 1) })
	put(t, b, 0)
	assert.Equal(t, []int{0}, take(b))
}

func TestOrder(t *testing.T) {
	b := New[int](4)
	assert.Equal(t, 4, b.Window())
	assert.Empty(t, take(b))
	put(t, b, 2, 1, 3)
	assert.Empty(t, take(b))
	put(t, b, 0)
	assert.Equal(t, []int{0, 1, 2, 3}, take(b))
	put(t, b, 7, 4)
	assert.Equal(t, []int{4}, take(b))
	put(t, b, 8, 5, 6)
	assert.Equal(t, []int{5, 6, 7, 8}, take(b))
	b.CloseAt(9)
	_, err := b.Next(t.Context())
	assert.Equal(t, io.EOF, err)
}

// Each number below size has a slot of its own, neighbours are kept apart.
func TestSlots(t *testing.T) {
	for _, window := range []int{1, 2, 3, 7, 8, 32, 63, 64, 65, 128, 1000, 1 << 15} {
		b := New[int](window)
		seen := map[*slot[int]]bool{}
		for i := range uint64(len(b.slots)) {
			seen[b.slot(i)] = true
			assert.Same(t, b.slot(i), b.slot(i+uint64(len(b.slots))))
		}
		assert.Len(t, seen, len(b.slots))
		assert.GreaterOrEqual(t, len(b.slots), window)
		assert.Less(t, len(b.slots), 2*window)
	}
}

// A number is accepted if and only if it is less than the window ahead.
func TestWindowIsExact(t *testing.T) {
	for _, window := range []uint64{1, 2, 3, 4, 5, 6, 7, 9, 63, 64, 65, 100} {
		b := New[int](int(window))
		for head := range 3 * window {
			require.ErrorIs(t, b.Put(givenUp(t), head+window, 0), errGaveUp, "window %d, head %d", window, head)
			require.ErrorIs(t, b.Put(givenUp(t), head+2*window, 0), errGaveUp, "window %d, head %d", window, head)
			require.ErrorIs(t, b.Put(givenUp(t), 1<<63-1, 0), errGaveUp, "window %d, head %d", window, head)
			if head == 0 {
				for seq := window - 1; seq > 0; seq-- {
					put(t, b, seq)
				}
				put(t, b, 0)
			}
			require.ErrorIs(t, b.Put(givenUp(t), head+window, 0), errGaveUp, "window %d, head %d", window, head)
			v, ok := b.TryNext()
			require.True(t, ok)
			require.Equal(t, int(head), v)
			put(t, b, head+window)
		}

		b = New[int](int(window))
		for n := range 3 * window {
			for b.drawn.Load() < n+window {
				require.NoError(t, b.Add(givenUp(t), int(b.drawn.Load())))
			}
			require.ErrorIs(t, b.Add(givenUp(t), 0), errGaveUp)
			v, err := b.Next(givenUp(t))
			require.NoError(t, err)
			require.Equal(t, int(n), v)
		}
	}
}

func TestPutWaitsForTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []uint64{1, 3, 4, 100} {
			b := New[int](int(window))
			done := make(chan uint64, 3)
			for ahead := range uint64(3) {
				go func() {
					assert.NoError(t, b.Put(t.Context(), window+ahead, int(window+ahead)))
					done <- window + ahead
				}()
			}
			for seq := window; seq > 0; seq-- {
				put(t, b, seq-1)
			}
			for head := range uint64(3) {
				synctest.Wait()
				assert.Empty(t, done, "window %d, head %d", window, head)
				v, err := b.Next(t.Context())
				require.NoError(t, err)
				assert.Equal(t, int(head), v)
				synctest.Wait()
				require.Len(t, done, 1)
				assert.Equal(t, window+head, <-done, "one let go, and the right one")
			}
			assert.Zero(t, b.blocked.Load())
			assert.Len(t, take(b), int(window))
		}
	})
}

func TestPutTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []int{2, 3} {
			b := New[int](window)
			put(t, b, 0, 1)
			for _, seq := range []uint64{0, 1} {
				err := b.Put(t.Context(), seq, 7)
				require.ErrorIs(t, err, ErrPutTwice)
				assert.EqualError(t, err, "reorder: number was put before: "+itoa(seq))
			}
			assert.Equal(t, []int{0, 1}, take(b), "what was there stays")
			assert.ErrorIs(t, b.Put(t.Context(), 0, 7), ErrPutTwice, "after it was taken as well")

			// Two wait for the same number: one gets it.
			put(t, b, 2, 3)
			seq := uint64(2 + window)
			first := results(func() error { return b.Put(t.Context(), seq, 1) })
			second := results(func() error { return b.Put(t.Context(), seq, 2) })
			synctest.Wait()
			b.TryNext()
			err := errors.Join(<-first, <-second)
			assert.ErrorIs(t, err, ErrPutTwice)
			assert.EqualError(t, err, "reorder: number was put before: "+itoa(seq))
		}
	})
}

// A producer found no room, and before it came to wait the window moved and
// somebody else put its number. It must not wait for what will never be.
func TestNobodyWaitsForANumberThatWasPut(t *testing.T) {
	for _, window := range []int{1, 3} {
		b := New[int](window)
		for i := range window + 1 {
			put(t, b, uint64(i))
			b.TryNext()
		}
		put(t, b, uint64(window+1))
		assert.NoError(t, b.await(givenUp(t), uint64(window+1)), "it is there")
		assert.NoError(t, b.await(givenUp(t), 1), "it was taken")
		assert.Zero(t, b.blocked.Load())
	}
}

func TestCloseAt(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		b := New[int](4)
		b.CloseAt(3)
		b.CloseAt(1) // only the first counts
		put(t, b, 2, 0, 1)
		for _, seq := range []uint64{3, 4, 1000, 1 << 63, math.MaxUint64} {
			err := b.Put(t.Context(), seq, 0)
			require.ErrorIs(t, err, ErrClosed)
			assert.EqualError(t, err, "reorder: number lies behind the end: "+itoa(seq)+" of 3")
		}
		assert.Equal(t, []int{0, 1, 2}, take(b))
		for range 2 {
			_, err := b.Next(t.Context())
			assert.Equal(t, io.EOF, err)
		}
		assert.NoError(t, b.Err())
	})
	t.Run("after", func(t *testing.T) {
		b := New[int](4)
		put(t, b, 0, 1)
		b.CloseAt(2)
		assert.Equal(t, []int{0, 1}, take(b))
		_, err := b.Next(t.Context())
		assert.Equal(t, io.EOF, err)
	})
	t.Run("nothing", func(t *testing.T) {
		b := New[int](1)
		b.CloseAt(0)
		_, err := b.Next(t.Context())
		assert.Equal(t, io.EOF, err)
		assert.ErrorIs(t, b.Put(t.Context(), 0, 0), ErrClosed)
		assert.ErrorIs(t, b.Add(t.Context(), 0), ErrClosed)
	})
	t.Run("wakes the consumer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, end := range []uint64{2, 1} { // 1: wrong, since two were put; all the same nobody waits for ever
				b := New[int](4)
				put(t, b, 0, 1)
				take(b)
				next := results(func() error { _, err := b.Next(t.Context()); return err })
				synctest.Wait()
				b.CloseAt(end)
				assert.Equal(t, io.EOF, <-next)
				assert.False(t, b.Waiting())
			}
		})
	})
	t.Run("does not wake a consumer that has more to come", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := New[int](4)
			next := results(func() error { _, err := b.Next(t.Context()); return err })
			synctest.Wait()
			b.CloseAt(1)
			synctest.Wait()
			assert.True(t, b.Waiting())
			put(t, b, 0)
			assert.NoError(t, <-next)
		})
	})
	t.Run("wakes who waits to put behind it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, window := range []int{1, 3} {
				b := New[int](window)
				far := results(func() error { return b.Put(t.Context(), 100, 0) })
				near := results(func() error { return b.Put(t.Context(), 5, 5) })
				synctest.Wait()
				b.CloseAt(6)
				assert.ErrorIs(t, <-far, ErrClosed)
				synctest.Wait()
				assert.Empty(t, near)
				for i := range 5 {
					put(t, b, uint64(i))
					assert.Equal(t, []int{i}, take(b)[:1])
				}
				assert.NoError(t, <-near)
			}
		})
	})
}

func TestNumbersHaveABound(t *testing.T) {
	for _, window := range []int{1, 3, 4} {
		b := New[int](window)
		for _, seq := range []uint64{1 << 63, 1<<63 + 1, math.MaxUint64} {
			assert.ErrorIs(t, b.Put(t.Context(), seq, 7), ErrClosed)
		}
		b.CloseAt(1 << 63) // which says nothing
		assert.Empty(t, take(b))
		put(t, b, 0)
		assert.Equal(t, []int{0}, take(b))
	}
}

func TestAdd(t *testing.T) {
	b := New[int](3)
	for _, v := range []int{5, 3, 4} {
		require.NoError(t, b.Add(t.Context(), v))
	}
	require.ErrorIs(t, b.Add(givenUp(t), 9), errGaveUp)
	assert.Equal(t, []int{5, 3, 4}, take(b), "in the order of the calls")
	require.NoError(t, b.Add(t.Context(), 1))
	b.Close()
	err := b.Add(t.Context(), 2)
	require.ErrorIs(t, err, ErrClosed)
	assert.EqualError(t, err, "reorder: number lies behind the end: 4 of 4")
	v, err := b.Next(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, v)
	_, err = b.Next(t.Context())
	assert.Equal(t, io.EOF, err)

	b = New[int](3)
	b.Close()
	_, err = b.Next(t.Context())
	assert.Equal(t, io.EOF, err)
}

// Each value taken lets one Add go, however many wait.
func TestAddWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []int{1, 2, 3} {
			b := New[int](window)
			const adders = 8
			done := make(chan error, adders)
			for range adders {
				go func() { done <- b.Add(t.Context(), 1) }()
			}
			for taken := range adders {
				synctest.Wait()
				assert.Len(t, done, min(adders, taken+window))
				assert.Equal(t, int32(max(0, adders-taken-window)), b.blocked.Load())
				_, ok := b.TryNext()
				require.True(t, ok)
			}
			synctest.Wait()
			for range adders {
				assert.NoError(t, <-done)
			}
		}
	})
}

// Many wait to add when it is known that there is no number for most of them.
func TestCloseAtWithAddsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for end := range uint64(8) {
			b := New[int](2)
			done := make(chan error, 8)
			for range 8 {
				go func() { done <- b.Add(t.Context(), 1) }()
			}
			synctest.Wait()
			b.CloseAt(max(end, 2))
			got := 0
			for {
				_, err := b.Next(t.Context())
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				got++
			}
			assert.Equal(t, max(int(end), 2), got)
			refused := 0
			for range 8 {
				if err := <-done; err != nil {
					require.ErrorIs(t, err, ErrClosed)
					refused++
				}
			}
			assert.Equal(t, 8-got, refused)
		}
	})
}
