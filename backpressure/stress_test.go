package backpressure

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gauge counts what is in use on its own.
type gauge struct {
	mu    sync.Mutex
	limit Cost
	used  Cost
	held  int // requests
	over  []Cost
}

func (u *gauge) enter(c Cost) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.used = plus(u.used, c)
	u.held++
	if !within(u.used, u.limit) && u.held > 1 {
		u.over = append(u.over, u.used)
	}
}

func (u *gauge) leave(c Cost) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.used = minus(u.used, c)
	u.held--
}

// crowd has many goroutines ask for random costs in every way there is. A lost
// wake-up is a deadlock of the bubble, which fails the test at once.
func crowd(t *testing.T, limit, most Cost, goroutines, rounds int, during func(g *Gate, u *gauge)) Stats {
	t.Helper()
	var stats Stats
	synctest.Test(t, func(t *testing.T) {
		g, u := New(limit), &gauge{limit: limit}
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(1, uint64(i)))
				var r Reservation
				for range rounds {
					c := Cost{
						Chunks: 1, // so that no request is nothing: the gauge would see it beside an oversized one
						Items:  rng.IntN(most.Items + 1),
						Bytes:  rng.Int64N(most.Bytes + 1),
					}
					if !ask(t, g, &r, c, rng) {
						continue
					}
					u.enter(c)
					if rng.IntN(2) == 0 {
						runtime.Gosched()
					}
					u.leave(c)
					g.Release(c)
				}
			})
		}
		if during != nil {
			during(g, u)
		}
		wg.Wait()
		assert.Empty(t, u.over, "in use beyond the limit")
		stats = g.Stats()
		assert.Zero(t, stats.InUse)
		assert.Zero(t, stats.Waiters)
		g.SetLimit(limit)
		require.True(t, g.TryAcquire(Cost{Chunks: limit.Chunks, Items: limit.Items, Bytes: limit.Bytes}), "all credit is back")
		require.False(t, g.TryAcquire(Cost{Chunks: 1, Items: 1, Bytes: 1}))
	})
	return stats
}

// ask asks for c in one of the ways and reports whether it got it.
func ask(t *testing.T, g *Gate, r *Reservation, c Cost, rng *rand.Rand) bool {
	t.Helper()
	switch rng.IntN(5) {
	case 0:
		return g.TryAcquire(c)
	case 1: // in line, and out again at any moment
		if g.Reserve(r, c) {
			return true
		}
		for range rng.IntN(4) {
			runtime.Gosched()
		}
		select {
		case <-r.Ready():
			return true
		default:
			g.Cancel(r)
			return false
		}
	case 2: // cancelled at any moment
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.Gosched()
			cancel()
		}()
		err := g.Acquire(ctx, c)
		<-done
		return err == nil
	case 3:
		if !g.Reserve(r, c) {
			<-r.Ready()
		}
		return true
	default:
		return assert.NoError(t, g.Acquire(t.Context(), c))
	}
}

// R1: what is in use never exceeds the limit.
func TestR1_PeakNeverAboveTheLimit(t *testing.T) {
	for _, test := range []struct {
		name        string
		limit, most Cost
	}{
		{"items", Cost{Chunks: 8, Items: 10}, Cost{Items: 10}},
		{"bytes", Cost{Chunks: 3, Items: 10, Bytes: 100}, Cost{Items: 10, Bytes: 100}},
		{"one at a time", Cost{Chunks: 1, Items: 1}, Cost{Items: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := crowd(t, test.limit, test.most, 8, 150, nil)
			assert.True(t, within(s.Peak, test.limit), "%+v of %+v", s.Peak, test.limit)
		})
	}
}

func TestCrowdWithOversizedRequests(t *testing.T) {
	s := crowd(t, Cost{Chunks: 4, Items: 10}, Cost{Items: 13}, 8, 150, nil)
	assert.LessOrEqual(t, s.Peak.Items, 13)
	s = crowd(t, Cost{Chunks: 4, Items: 10, Bytes: 100}, Cost{Items: 13, Bytes: 130}, 8, 150, nil)
	assert.LessOrEqual(t, s.Peak.Bytes, int64(130))
	assert.LessOrEqual(t, s.Peak.Items, 13)
}

// The limit goes up and down and debt comes and goes while the crowd asks.
func TestCrowdWhileTheLimitMoves(t *testing.T) {
	most := Cost{Chunks: 8, Items: 20, Bytes: 200}
	s := crowd(t, most, Cost{Items: 5, Bytes: 50}, 8, 150, func(g *Gate, _ *gauge) {
		rng := rand.New(rand.NewPCG(2, 2))
		for range 300 {
			g.SetLimit(Cost{Chunks: 1 + rng.IntN(8), Items: 5 + rng.IntN(16), Bytes: 50 + rng.Int64N(151)})
			debt := Cost{Items: rng.IntN(3), Bytes: rng.Int64N(500)}
			g.Add(debt)
			runtime.Gosched()
			g.Release(debt)
			g.Stats()
			g.InDebt()
		}
		g.SetLimit(most)
	})
	assert.LessOrEqual(t, s.Peak.Chunks, most.Chunks)
}

// Two goroutines hand one credit to and fro: each Acquire needs the wake-up of
// the other's Release.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []Cost{{Items: 1}, {Items: 1, Bytes: 1}} {
			g := New(limit)
			var inside atomic.Int32
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for range 2000 {
						if !assert.NoError(t, g.Acquire(t.Context(), limit)) {
							return
						}
						if n := inside.Add(1); n != 1 {
							t.Errorf("%d inside at once", n)
						}
						inside.Add(-1)
						g.Release(limit)
					}
				})
			}
			wg.Wait()
			assert.Zero(t, g.Stats().InUse)
		}
	})
}

// The last Release races a request that joins the line: one of the two must see
// the other. When both have returned, the request is admitted.
func TestReleaseAgainstReserve(t *testing.T) {
	for _, cost := range []Cost{{Items: 1}, {Chunks: 1, Bytes: 1}} {
		g := New(cost)
		const rounds int32 = 6000
		var begun, done atomic.Int32
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range rounds {
				reach(&begun, i+1)
				spin(i * 7 % 31)
				g.Release(cost)
				done.Store(i + 1)
			}
		})
		var r Reservation
		lost, marked := 0, 0
		for i := range rounds {
			g.Add(cost)
			begun.Store(i + 1)
			spin(i * 5 % 37)
			now := g.Reserve(&r, cost)
			reach(&done, i+1)
			switch {
			case now:
			case admitted(&r):
				<-r.Ready()
			default:
				lost++
				g.Cancel(&r)
				g.Add(cost)
			}
			if g.state.Load()&inLine != 0 {
				marked++
			}
			g.Release(cost)
		}
		wg.Wait()
		assert.Zero(t, lost, "wake-ups")
		assert.Zero(t, marked, "nobody was in line")
		assert.Zero(t, g.Stats().InUse)
	}
}

// reach waits until v is n, at first without letting others run: who waits like
// this is quick to go on.
func reach(v *atomic.Int32, n int32) {
	for tries := 0; v.Load() < n; tries++ {
		if tries > 200 {
			runtime.Gosched()
		}
	}
}

// spin passes a little time.
func spin(n int32) {
	var sink atomic.Int32
	for range n {
		sink.Add(1)
	}
}

// A large request is served although small ones never stop coming.
func TestLargeRequestIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(itemsOf(8))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for g.Acquire(ctx, itemsOf(1)) == nil {
					runtime.Gosched()
					g.Release(itemsOf(1))
					if ctx.Err() != nil {
						return
					}
				}
			})
		}
		for range 50 {
			require.NoError(t, g.Acquire(t.Context(), itemsOf(8)))
			assert.Equal(t, itemsOf(8), g.Stats().InUse)
			g.Release(itemsOf(8))
		}
		cancel()
		wg.Wait()
		assert.Zero(t, g.Stats().InUse)
	})
}
