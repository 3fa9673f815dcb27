package reorder

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/backpressure"
)

// credits are a gate for so many values.
func credits(n int) (acquire func(context.Context) error, release func()) {
	g := backpressure.New(backpressure.Cost{Chunks: n})
	one := backpressure.Cost{Chunks: 1}
	return func(ctx context.Context) error { return g.Acquire(ctx, one) }, func() { g.Release(one) }
}

// The ring gives what a sort would, for every window and number of producers.
func TestRingIsASort(t *testing.T) {
	for _, window := range []int{1, 2, 3, 8, 64, 100} {
		for _, producers := range []int{1, 2, 5} {
			for _, drawn := range []bool{false, true} {
				const n = 2000
				ctx := t.Context()
				r := NewRing[int](window)
				acquire, release := credits(window)
				var lock sync.Mutex
				next := uint64(0)
				ticket := func() (uint64, bool) { // with its credit, as a pool's workers draw theirs
					lock.Lock()
					defer lock.Unlock()
					if next == n || acquire(ctx) != nil {
						return 0, false
					}
					next++
					return next - 1, true
				}
				var running sync.WaitGroup
				for range producers {
					running.Go(func() {
						for seq, ok := ticket(); ok; seq, ok = ticket() {
							at := seq
							if drawn {
								at = r.Draw()
							}
							*r.Place(at) = int(seq)
							assert.NoError(t, r.Publish(at))
						}
					})
				}
				r.CloseAt(n)
				got := make([]int, 0, n)
				for {
					if err := r.Wait(ctx); err != nil {
						require.Equal(t, io.EOF, err)
						break
					}
					got = append(got, *r.Ready())
					r.Taken()
					release()
				}
				running.Wait()
				if drawn {
					slices.Sort(got)
				}
				require.Len(t, got, n)
				for i, v := range got {
					require.Equal(t, i, v)
				}
			}
		}
	}
}

func TestRingIsReadInPlace(t *testing.T) {
	r := NewRing[[]int](2)
	require.Equal(t, 2, r.Window())
	for seq := range uint64(10) {
		require.Nil(t, r.Ready())
		place := r.Place(seq)
		if seq >= 2 {
			require.Equal(t, []int{int(seq - 2), -1}, *place, "what the consumer left in the slot")
		}
		*place = []int{int(seq)}
		require.Nil(t, r.Ready(), "it was not published")
		require.NoError(t, r.Publish(seq))
		v := r.Ready()
		require.Equal(t, []int{int(seq)}, *v)
		require.Same(t, v, r.Ready(), "it stays until it is taken")
		*v = append(*v, -1)
		r.Taken()
	}
}

func TestRingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRing[int](4)
		waits := func(ctx context.Context) <-chan error {
			err := make(chan error, 1)
			go func() { err <- r.Wait(ctx) }()
			synctest.Wait()
			return err
		}
		giveUp, cancel := context.WithCancelCause(t.Context())
		waiting := waits(giveUp)
		require.True(t, r.Waiting())
		cancel(errGaveUp)
		require.ErrorIs(t, <-waiting, errGaveUp)
		require.False(t, r.Waiting())

		waiting = waits(t.Context())
		*r.Place(1) = 11
		require.NoError(t, r.Publish(1))
		synctest.Wait()
		require.Empty(t, waiting, "it waits for the number before")
		*r.Place(0) = 10
		require.False(t, r.Roused())
		require.NoError(t, r.Publish(0))
		require.NoError(t, <-waiting)
		require.False(t, r.Roused())
		require.Equal(t, 10, *r.Ready())
		r.Taken()
		require.NoError(t, r.Wait(t.Context()))
		r.Taken()

		waiting = waits(t.Context())
		r.CloseAt(2)
		require.Equal(t, io.EOF, <-waiting)
		require.ErrorIs(t, r.Publish(2), ErrClosed)
		require.NoError(t, r.Err())
	})
}

func TestRingIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRing[int](8)
		for _, seq := range []uint64{2, 5} {
			*r.Place(seq) = int(seq)
			require.NoError(t, r.Publish(seq))
		}
		waiting := make(chan error)
		go func() { waiting <- r.Wait(t.Context()) }()
		synctest.Wait()
		r.Abort(errOver)
		require.ErrorIs(t, <-waiting, errOver)
		require.ErrorIs(t, r.Publish(0), errOver)
		require.ErrorIs(t, r.Err(), errOver)
		require.Equal(t, []int{2, 5}, slices.Collect(r.Rest()))
	})
}

// Values that are far larger than a cache line, published in any order.
func TestRingOfLargeValues(t *testing.T) {
	type large [40]uint64
	r := NewRing[large](16)
	seqs := rand.New(rand.NewPCG(1, 2)).Perm(16)
	for round := range 3 {
		for _, i := range seqs {
			seq := uint64(round*16 + i)
			place := r.Place(seq)
			for k := range place {
				place[k] = seq
			}
			require.NoError(t, r.Publish(seq))
		}
		for i := range 16 {
			for _, v := range r.Ready() {
				require.EqualValues(t, round*16+i, v)
			}
			r.Taken()
		}
	}
}

// A consumer that was woken counts as roused until it runs.
func TestRingTellsThatItsConsumerIsRoused(t *testing.T) {
	r := NewRing[int](2)
	r.b.waiting.Store(1) // as a consumer that parks for number 0 does
	require.False(t, r.Roused())
	require.NoError(t, r.Publish(0))
	require.True(t, r.Roused())
	r.b.unpark(1) // as it does when it runs
	require.False(t, r.Roused())
	require.NoError(t, r.Wait(t.Context()))
}
