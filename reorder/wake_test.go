package reorder

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests look for wake-ups that get lost. They run in bubbles, where that
// is a deadlock, which fails them at once.

// pause lets a random little time pass, often none.
func pause(rng *rand.Rand) {
	switch rng.IntN(4) {
	case 0:
		runtime.Gosched()
	case 1:
		var spin atomic.Int32
		for range rng.IntN(40) {
			spin.Add(1)
		}
	}
}

// Consumer and producers wait for each other for nearly every value.
func TestNoWakeUpIsLost(t *testing.T) {
	const n = 1500
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []int{1, 2, 3, 8} {
			for _, producers := range []int{1, 2, 8} {
				for _, add := range []bool{false, true} {
					b := New[int](window)
					var ticket atomic.Uint64
					var wg sync.WaitGroup
					for i := range producers {
						wg.Go(func() {
							rng := rand.New(rand.NewPCG(1, uint64(i)))
							for seq := ticket.Add(1) - 1; seq < n; seq = ticket.Add(1) - 1 {
								pause(rng)
								var err error
								if add {
									err = b.Add(t.Context(), int(seq))
								} else {
									err = b.Put(t.Context(), seq, int(seq))
								}
								if err != nil {
									t.Errorf("window %d: put %d: %v", window, seq, err)
								}
							}
						})
					}
					rng := rand.New(rand.NewPCG(2, 2))
					seen := make([]bool, n)
					for i := range n {
						pause(rng)
						v, err := b.Next(t.Context())
						if err != nil || seen[v] || !add && v != i {
							t.Fatalf("window %d: value %d: %d, %v", window, i, v, err)
						}
						seen[v] = true
					}
					wg.Wait()
				}
			}
		}
	})
}

// Producers that wait give up at any moment, and so does the consumer: what was
// accepted comes, once, and nothing else.
func TestNothingIsLostWhenCallsGiveUp(t *testing.T) {
	const n, producers = 150, 6
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []int{1, 3} {
			for _, add := range []bool{false, true} {
				b := New[int](window)
				var ticket, refused atomic.Uint64
				var mu sync.Mutex
				var accepted []int
				var wg sync.WaitGroup
				for i := range producers {
					wg.Go(func() {
						rng := rand.New(rand.NewPCG(1, uint64(i)))
						for seq := ticket.Add(1) - 1; seq < n; seq = ticket.Add(1) - 1 {
							for {
								err := fleeting(t, rng, func(ctx context.Context) error {
									if add {
										return b.Add(ctx, int(seq))
									}
									return b.Put(ctx, seq, int(seq))
								})
								if err == nil {
									mu.Lock()
									accepted = append(accepted, int(seq))
									mu.Unlock()
									break
								}
								assert.ErrorIs(t, err, errGaveUp)
								if add {
									refused.Add(1)
									break // a queue can do without it
								}
							}
						}
					})
				}
				closer := results(func() error { wg.Wait(); b.CloseAt(b.drawn.Load() + n*uint64(b2i(!add))); return nil })
				rng := rand.New(rand.NewPCG(2, 2))
				var got []int
				for {
					var v int
					err := fleeting(t, rng, func(ctx context.Context) (err error) { v, err = b.Next(ctx); return err })
					if err == io.EOF {
						break
					}
					if err == nil {
						got = append(got, v)
					} else {
						require.ErrorIs(t, err, errGaveUp)
					}
				}
				require.NoError(t, <-closer)
				if !add {
					require.True(t, slices.IsSorted(got))
				}
				slices.Sort(got)
				slices.Sort(accepted)
				require.Equal(t, accepted, got)
				require.Len(t, got, n-int(refused.Load()))
				require.Zero(t, b.blocked.Load())
			}
		}
	})
}

// fleeting calls f with a context that ends at some moment.
func fleeting(t *testing.T, rng *rand.Rand, f func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan struct{})
	wait := rng.IntN(3)
	go func() {
		defer close(done)
		for range wait {
			runtime.Gosched()
		}
		cancel(errGaveUp)
	}()
	err := f(ctx)
	<-done
	return err
}

// Whoever closes draws no line between producers that come at the same moment:
// each value is either accepted and comes, or refused.
func TestCloseAtAgainstAdds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 300 {
			b := New[int](2)
			const end = 5
			var accepted atomic.Int64
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 3 {
						err := b.Add(t.Context(), 1)
						if err == nil {
							accepted.Add(1)
						} else {
							assert.ErrorIs(t, err, ErrClosed)
						}
					}
				})
			}
			got := int64(0)
			for {
				if got == 2 {
					pause(rng)
					b.CloseAt(end)
				}
				_, err := b.Next(t.Context())
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				got++
			}
			wg.Wait()
			require.Equal(t, int64(end), got)
			require.Equal(t, got, accepted.Load())
		}
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
