package reorder

import (
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzBuffer compares a buffer with a sort. Everything runs in a bubble, so that
// who waits for ever fails the test at once.
func FuzzBuffer(f *testing.F) {
	for i, window := range []uint8{1, 2, 3, 4, 7, 8, 33, 64} {
		for how := range uint8(4) {
			f.Add(uint64(i), uint8(50+i), window-1, uint8(i), how)
		}
	}
	f.Fuzz(func(t *testing.T, seed uint64, n, window, producers, how uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		numbers := rng.Perm(int(n))
		closing := uint64(rng.IntN(int(n) + 1)) // when this many were taken
		synctest.Test(t, func(t *testing.T) {
			b := New[int](int(window) + 1)
			var got []int
			switch how % 4 {
			case 0:
				got = inStep(t, b, numbers)
			case 1:
				got = consume(t, b, numbers, closing, crowd(t, b, numbers))
			case 2:
				got = consume(t, b, numbers, closing, team(t, b, int(producers)%9+1, seed, len(numbers)))
			default:
				got = consume(t, b, numbers, closing, adders(t, b, numbers, int(producers)%9+1))
				slices.Sort(got) // a multiset
			}
			slices.Sort(numbers)
			require.Equal(t, numbers, got)
		})
	})
}

// inStep has a goroutine for each number, started in the given order, and looks
// at each step which of them wait: those that lie beyond the window, no others.
func inStep(t *testing.T, b *Buffer[int], numbers []int) []int {
	t.Helper()
	n := len(numbers)
	stored := make([]atomic.Bool, n)
	for _, v := range numbers {
		go func() {
			assert.NoError(t, b.Put(t.Context(), uint64(v), v))
			stored[v].Store(true)
		}()
		if n < 20 {
			synctest.Wait()
		}
	}
	got := make([]int, 0, n)
	for head := range n {
		synctest.Wait()
		for v := range n {
			require.Equal(t, v < head+b.Window(), stored[v].Load(), "number %d, window %d, head %d", v, b.Window(), head)
		}
		v, err := b.Next(t.Context())
		require.NoError(t, err)
		got = append(got, v)
	}
	return got
}

// consume takes all values. It says at some moment how many there are.
func consume(t *testing.T, b *Buffer[int], numbers []int, closing uint64, producers *sync.WaitGroup) []int {
	t.Helper()
	got := make([]int, 0, len(numbers))
	for {
		if uint64(len(got)) == closing {
			b.CloseAt(uint64(len(numbers)))
		}
		v, err := b.Next(t.Context())
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		got = append(got, v)
	}
	producers.Wait()
	require.False(t, b.Waiting())
	require.Zero(t, b.blocked.Load())
	require.Empty(t, b.wake)
	return got
}

// crowd has a goroutine for each number.
func crowd(t *testing.T, b *Buffer[int], numbers []int) *sync.WaitGroup {
	t.Helper()
	wg := new(sync.WaitGroup)
	for _, v := range numbers {
		wg.Go(func() { assert.NoError(t, b.Put(t.Context(), uint64(v), v)) })
	}
	return wg
}

// team has k producers, each of which draws some tickets at a time and puts them
// in any order. A producer can hold as many as the window and none waits for
// itself.
func team(t *testing.T, b *Buffer[int], k int, seed uint64, n int) *sync.WaitGroup {
	t.Helper()
	var ticket atomic.Uint64
	wg := new(sync.WaitGroup)
	for i := range k {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for {
				run := uint64(1 + rng.IntN(b.Window()))
				first := ticket.Add(run) - run
				for _, j := range rng.Perm(int(run)) {
					if seq := first + uint64(j); seq < uint64(n) {
						assert.NoError(t, b.Put(t.Context(), seq, int(seq)))
					}
				}
				if first+run >= uint64(n) {
					return
				}
			}
		})
	}
	return wg
}

// adders has k producers that add the numbers.
func adders(t *testing.T, b *Buffer[int], numbers []int, k int) *sync.WaitGroup {
	t.Helper()
	var next atomic.Int64
	wg := new(sync.WaitGroup)
	for range k {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(numbers)); i = next.Add(1) - 1 {
				assert.NoError(t, b.Add(t.Context(), numbers[i]))
			}
		})
	}
	return wg
}
