package backpressure

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errGaveUp = errors.New("gave up")

func itemsOf(n int) Cost   { return Cost{Items: n} }
func bytesOf(n int64) Cost { return Cost{Bytes: n} }

// inLineFor puts a reservation in line.
func inLineFor(t *testing.T, g *Gate, c Cost) *Reservation {
	t.Helper()
	r := new(Reservation)
	require.False(t, g.Reserve(r, c), "%+v was admitted at once", c)
	return r
}

// admitted reports whether the reservation was admitted and nobody received it.
func admitted(r *Reservation) bool { return len(r.ready) == 1 }

// acquire calls Acquire in a goroutine and delivers what it returned.
func acquire(ctx context.Context, g *Gate, c Cost) <-chan error {
	done := make(chan error, 1)
	go func() { done <- g.Acquire(ctx, c) }()
	return done
}

func TestArgumentsArePanickedOnAtTheCall(t *testing.T) {
	var r Reservation
	calls := map[string]func(g *Gate, c Cost){
		"New: limit":            func(_ *Gate, c Cost) { New(c) },
		"Gate.SetLimit: limit":  func(g *Gate, c Cost) { g.SetLimit(c) },
		"Gate.Acquire: cost":    func(g *Gate, c Cost) { _ = g.Acquire(t.Context(), c) },
		"Gate.TryAcquire: cost": func(g *Gate, c Cost) { g.TryAcquire(c) },
		"Gate.Reserve: cost":    func(g *Gate, c Cost) { g.Reserve(&r, c) },
		"Gate.Add: cost":        func(g *Gate, c Cost) { g.Add(c) },
		"Gate.Release: cost":    func(g *Gate, c Cost) { g.Release(c) },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			g := New(Cost{Chunks: 1, Items: 2, Bytes: 3})
			g.Add(Cost{Chunks: 1, Items: 2, Bytes: 3})
			before := g.Stats()
			for field, c := range map[string]Cost{
				"Chunks": {Chunks: -1}, "Items": {Chunks: 1, Items: -1}, "Bytes": {Items: 1, Bytes: -1},
			} {
				assert.PanicsWithValue(t, "penstock: backpressure."+name+"."+field+" is -1, want 0 or more", func() { call(g, c) })
			}
			assert.Equal(t, before, g.Stats())
		})
	}
}

func TestMoreThanCanBeCounted(t *testing.T) {
	g := New(Cost{})
	assert.PanicsWithValue(t, "penstock: backpressure.Gate.Acquire: cost is {Chunks:67108864 Items:0 Bytes:0}, "+
		"want at most 67108863 chunks and 68719476735 items", func() { _ = g.Acquire(t.Context(), Cost{Chunks: maxChunks + 1}) })
	assert.Panics(t, func() { g.TryAcquire(itemsOf(maxItems + 1)) })
	assert.Panics(t, func() { g.Release(itemsOf(math.MaxInt)) })

	all := Cost{Chunks: maxChunks, Items: maxItems, Bytes: math.MaxInt64}
	require.True(t, g.TryAcquire(all))
	for _, c := range []Cost{{Chunks: 1}, {Items: 1}, {Bytes: 1}} {
		assert.Panics(t, func() { g.Add(c) }, "%+v", c)
		assert.False(t, g.TryAcquire(c), "%+v", c)
	}
	assert.Equal(t, all, g.Stats().InUse)
	assert.Equal(t, all, g.Stats().Peak)
	g.Release(all)
	assert.Zero(t, g.Stats().InUse)

	// A panic leaves every field as it was.
	g.Add(Cost{Chunks: maxChunks})
	assert.Panics(t, func() { g.Add(Cost{Chunks: 1, Items: 1, Bytes: 1}) })
	assert.Equal(t, Cost{Chunks: maxChunks}, g.Stats().InUse)

	// A limit beyond that is no limit.
	g = New(Cost{Chunks: math.MaxInt, Items: math.MaxInt, Bytes: math.MaxInt64})
	assert.True(t, g.TryAcquire(all))
}

func TestBytesDoNotWrapAround(t *testing.T) {
	g := New(Cost{Bytes: 10})
	require.True(t, g.TryAcquire(bytesOf(1)))
	assert.False(t, g.TryAcquire(bytesOf(math.MaxInt64)))
	g.Add(bytesOf(20))
	assert.False(t, g.TryAcquire(bytesOf(math.MaxInt64-5)))
	assert.Equal(t, int64(21), g.Stats().Peak.Bytes)
}

func TestNoLimit(t *testing.T) {
	g := New(Cost{})
	for range 1000 {
		require.NoError(t, g.Acquire(t.Context(), Cost{Chunks: 1, Items: 1 << 20, Bytes: 1 << 40}))
	}
	assert.Equal(t, Cost{Chunks: 1000, Items: 1000 << 20, Bytes: 1000 << 40}, g.Stats().InUse)
	assert.False(t, g.InDebt())
}

func TestEachFieldIsABoundOfItsOwn(t *testing.T) {
	for _, test := range []struct{ limit, fill, over Cost }{
		{Cost{Chunks: 2}, Cost{Chunks: 2, Items: 99, Bytes: 99}, Cost{Chunks: 1}},
		{Cost{Items: 2}, Cost{Chunks: 99, Items: 2, Bytes: 99}, Cost{Items: 1}},
		{Cost{Bytes: 2}, Cost{Chunks: 99, Items: 99, Bytes: 2}, Cost{Bytes: 1}},
	} {
		g := New(test.limit)
		require.True(t, g.TryAcquire(test.fill))
		assert.False(t, g.TryAcquire(test.over), "%+v", test)
		assert.True(t, g.TryAcquire(Cost{}), "%+v: nothing always fits when there is no debt", test)
		g.Release(test.over)
		assert.True(t, g.TryAcquire(test.over), "%+v", test)
	}
}

func TestAcquireWhatFitsIgnoresTheContext(t *testing.T) {
	g := New(itemsOf(1))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGaveUp)
	require.NoError(t, g.Acquire(ctx, itemsOf(1)))
	require.ErrorIs(t, g.Acquire(ctx, itemsOf(1)), errGaveUp)
	assert.Equal(t, itemsOf(1), g.Stats().InUse)
	assert.Zero(t, g.Stats().Waiters)
}

func TestOversizedIsAdmittedAlone(t *testing.T) {
	for _, big := range []Cost{{Chunks: 9}, {Items: 9}, {Bytes: 9}, {Chunks: 9, Items: 9, Bytes: 9}} {
		for _, small := range []Cost{{Chunks: 1}, {Items: 1}, {Bytes: 1}} {
			g := New(Cost{Chunks: 4, Items: 4, Bytes: 4})
			require.True(t, g.TryAcquire(small))
			assert.False(t, g.TryAcquire(big), "%+v beside %+v", big, small)
			r := inLineFor(t, g, big)
			next := inLineFor(t, g, small)
			g.Release(small)
			assert.True(t, admitted(r), "%+v alone", big)
			assert.False(t, admitted(next), "%+v beside %+v", small, big)
			assert.Equal(t, big, g.Stats().InUse)
			g.Release(big)
			assert.True(t, admitted(next))
		}
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(itemsOf(4))
		require.True(t, g.TryAcquire(itemsOf(4)))
		order := make(chan int, 10)
		costs := []int{1, 4, 1, 1, 3, 2}
		for i, c := range costs {
			go func() {
				assert.NoError(t, g.Acquire(t.Context(), itemsOf(c)))
				order <- i
			}()
			synctest.Wait()
			assert.Equal(t, i+1, g.Stats().Waiters)
		}
		served := func() (s []int) {
			synctest.Wait()
			for len(order) > 0 {
				s = append(s, <-order)
			}
			return s
		}
		g.Release(itemsOf(1))
		assert.Equal(t, []int{0}, served())
		g.Release(itemsOf(3))
		assert.Empty(t, served(), "the small ones let the large one pass")
		g.Release(itemsOf(1))
		assert.Equal(t, []int{1}, served())
		g.Release(itemsOf(2))
		assert.ElementsMatch(t, []int{2, 3}, served())
		g.Release(itemsOf(1))
		assert.Empty(t, served())
		g.Release(itemsOf(1))
		assert.Empty(t, served(), "room for the sixth, but the fifth was first")
		g.Release(itemsOf(1))
		assert.Equal(t, []int{4}, served())
		g.Release(itemsOf(3))
		assert.Equal(t, []int{5}, served())
		g.Release(itemsOf(3))
		assert.Zero(t, g.Stats().InUse)
	})
}

func TestTryAcquireDoesNotOvertakeTheLine(t *testing.T) {
	for _, c := range []Cost{{Chunks: 1}, {Items: 1}, {Bytes: 1}} {
		g := New(Cost{Chunks: 4, Items: 4, Bytes: 4})
		three := Cost{Chunks: 3 * c.Chunks, Items: 3 * c.Items, Bytes: 3 * c.Bytes}
		require.True(t, g.TryAcquire(three))
		r := inLineFor(t, g, three)
		assert.False(t, g.TryAcquire(c), "%+v fits, but somebody is in line", c)
		second := inLineFor(t, g, c)
		g.Cancel(r)
		assert.True(t, admitted(second))
		g.Release(c)
		assert.True(t, g.TryAcquire(c), "the line is empty again")
	}
}

func TestCancelInLine(t *testing.T) {
	t.Run("the first was in the way", func(t *testing.T) {
		g := New(itemsOf(4))
		g.Add(itemsOf(2))
		big, small, other := inLineFor(t, g, itemsOf(3)), inLineFor(t, g, itemsOf(1)), inLineFor(t, g, itemsOf(1))
		g.Cancel(big)
		assert.True(t, admitted(small))
		assert.True(t, admitted(other))
		assert.Zero(t, g.Stats().Waiters)
	})
	t.Run("in the middle and last", func(t *testing.T) {
		g := New(itemsOf(1))
		g.Add(itemsOf(1))
		var line []*Reservation
		for range 5 {
			line = append(line, inLineFor(t, g, itemsOf(1)))
		}
		g.Cancel(line[2])
		g.Cancel(line[4])
		g.Cancel(line[4]) // once more: nothing happens
		assert.Equal(t, 3, g.Stats().Waiters)
		for _, i := range []int{0, 1, 3} {
			assert.False(t, admitted(line[i]))
			g.Release(itemsOf(1))
			assert.True(t, admitted(line[i]))
		}
		assert.Equal(t, itemsOf(1), g.Stats().InUse)
	})
	t.Run("admitted at the same moment", func(t *testing.T) {
		g := New(Cost{Items: 1, Bytes: 8})
		cost := Cost{Items: 1, Bytes: 8}
		g.Add(cost)
		r, next := inLineFor(t, g, cost), inLineFor(t, g, cost)
		g.Release(cost)
		require.True(t, admitted(r))
		g.Cancel(r)
		assert.False(t, admitted(r))
		assert.True(t, admitted(next), "the credit went on to the next in line")
		<-next.Ready()
		g.Cancel(next) // it was received: it is the caller's
		assert.Equal(t, cost, g.Stats().InUse)
	})
	t.Run("never in line", func(t *testing.T) {
		g := New(itemsOf(1))
		var r Reservation
		g.Cancel(&r)
		require.True(t, g.Reserve(&r, itemsOf(1)))
		g.Cancel(&r)
		assert.Equal(t, itemsOf(1), g.Stats().InUse, "it was the caller's at once")
	})
}

func TestAcquireGivesUpWithTheCauseOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(itemsOf(2))
		g.Add(itemsOf(1))
		ctx, cancel := context.WithCancelCause(t.Context())
		big := acquire(ctx, g, itemsOf(2))
		synctest.Wait()
		small := acquire(t.Context(), g, itemsOf(1))
		synctest.Wait()
		assert.Equal(t, 2, g.Stats().Waiters)
		cancel(errGaveUp)
		require.ErrorIs(t, <-big, errGaveUp)
		require.NoError(t, <-small)
		assert.Equal(t, itemsOf(2), g.Stats().InUse)
	})
}

// Release and cancel both come before the waiter can run; the first decides.
func TestAcquireCancelledAndAdmittedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 200 {
			g := New(itemsOf(1))
			g.Add(itemsOf(1))
			ctx, cancel := context.WithCancelCause(t.Context())
			first := acquire(ctx, g, itemsOf(1))
			synctest.Wait()
			second := acquire(t.Context(), g, itemsOf(1))
			synctest.Wait()
			if i%2 == 0 {
				g.Release(itemsOf(1))
				cancel(errGaveUp)
				require.NoError(t, <-first)
				g.Release(itemsOf(1))
			} else {
				cancel(errGaveUp)
				g.Release(itemsOf(1))
				require.ErrorIs(t, <-first, errGaveUp)
			}
			require.NoError(t, <-second)
			g.Release(itemsOf(1))
			require.Zero(t, g.Stats().InUse)
			require.True(t, g.TryAcquire(itemsOf(1)), "the line is gone")
		}
	})
}

func TestSetLimit(t *testing.T) {
	t.Run("up admits", func(t *testing.T) {
		for _, unit := range []Cost{{Chunks: 1}, {Items: 1}, {Bytes: 1}} {
			g := New(unit)
			require.True(t, g.TryAcquire(unit))
			a, b, c := inLineFor(t, g, unit), inLineFor(t, g, unit), inLineFor(t, g, unit)
			g.SetLimit(Cost{Chunks: 3 * unit.Chunks, Items: 3 * unit.Items, Bytes: 3 * unit.Bytes})
			assert.True(t, admitted(a))
			assert.True(t, admitted(b))
			assert.False(t, admitted(c))
			g.SetLimit(Cost{})
			assert.True(t, admitted(c), "no limit at all")
		}
	})
	t.Run("down waits", func(t *testing.T) {
		for _, unit := range []Cost{{Chunks: 1}, {Items: 1}, {Bytes: 1}} {
			times := func(n int) Cost {
				return Cost{Chunks: n * unit.Chunks, Items: n * unit.Items, Bytes: int64(n) * unit.Bytes}
			}
			g := New(times(4))
			require.True(t, g.TryAcquire(times(4)))
			g.SetLimit(times(2))
			assert.Equal(t, unit.Bytes > 0, g.InDebt())
			r := inLineFor(t, g, unit)
			g.Release(times(2))
			assert.False(t, admitted(r), "still full")
			assert.False(t, g.InDebt())
			g.Release(unit)
			assert.True(t, admitted(r))
			assert.False(t, g.TryAcquire(unit))
			assert.Equal(t, times(2), g.Stats().InUse)
			assert.Equal(t, times(4), g.Stats().Peak)
		}
	})
}

func TestDebt(t *testing.T) {
	g := New(Cost{Items: 10, Bytes: 100})
	require.True(t, g.TryAcquire(Cost{Items: 1, Bytes: 60}))
	g.Add(bytesOf(40))
	assert.False(t, g.InDebt(), "full is no debt")
	assert.True(t, g.TryAcquire(Cost{}))
	g.Add(bytesOf(50))
	assert.True(t, g.InDebt())
	assert.False(t, g.TryAcquire(Cost{}), "whoever asks for nothing waits for the debt to be paid")
	r := inLineFor(t, g, itemsOf(1))
	g.Release(bytesOf(49))
	assert.True(t, g.InDebt())
	assert.False(t, admitted(r))
	g.Release(bytesOf(1))
	assert.False(t, g.InDebt())
	assert.True(t, admitted(r))
	assert.Equal(t, Cost{Items: 2, Bytes: 150}, g.Stats().Peak)

	g = New(itemsOf(4))
	g.Add(itemsOf(6))
	assert.False(t, g.InDebt(), "of bytes there is none")
	r = inLineFor(t, g, Cost{})
	g.Release(itemsOf(2))
	assert.True(t, admitted(r))
	assert.False(t, g.TryAcquire(itemsOf(1)))
	assert.Equal(t, itemsOf(6), g.Stats().Peak)
}

func TestAddOfNothing(t *testing.T) {
	g := New(itemsOf(1))
	g.Add(Cost{})
	g.Release(Cost{})
	assert.Equal(t, Stats{}, g.Stats())
}

func TestReleaseOfMoreThanIsInUse(t *testing.T) {
	const (
		some  = "penstock: backpressure.Gate.Release: cost is more than is in use"
		bytes = "penstock: backpressure.Gate.Release: cost.Bytes is more than is in use"
	)
	held := Cost{Chunks: 2, Items: 3, Bytes: 4}
	for _, waiting := range []bool{false, true} {
		g := New(held)
		require.True(t, g.TryAcquire(held))
		if waiting {
			inLineFor(t, g, Cost{Chunks: 2})
		}
		before := g.Stats().InUse
		assert.PanicsWithValue(t, some, func() { g.Release(Cost{Chunks: 3}) })
		assert.PanicsWithValue(t, some, func() { g.Release(Cost{Items: 4}) })
		assert.PanicsWithValue(t, some, func() { g.Release(Cost{Chunks: 2, Items: maxItems, Bytes: 4}) })
		assert.PanicsWithValue(t, some, func() { g.Release(Cost{Chunks: maxChunks, Items: 3, Bytes: 4}) })
		assert.PanicsWithValue(t, bytes, func() { g.Release(Cost{Chunks: 1, Items: 1, Bytes: 5}) })
		assert.PanicsWithValue(t, bytes, func() { g.Release(bytesOf(math.MaxInt64)) })
		assert.Equal(t, before, g.Stats().InUse, "a panic leaves all as it was")
		g.Release(held)
		assert.Equal(t, waiting, g.Stats().InUse == Cost{Chunks: 2}, "the line as well")
	}
	assert.PanicsWithValue(t, some, func() { New(Cost{}).Release(itemsOf(1)) })
}

func TestReservationIsUsedAgain(t *testing.T) {
	g, other := New(itemsOf(1)), New(bytesOf(1))
	g.Add(itemsOf(1))
	var r Reservation
	assert.Nil(t, r.Ready())
	for range 3 {
		require.False(t, g.Reserve(&r, itemsOf(1)))
		g.Release(itemsOf(1))
		<-r.Ready() // it is ours now
		require.False(t, g.Reserve(&r, itemsOf(1)))
		g.Cancel(&r)
		require.False(t, g.Reserve(&r, itemsOf(1)))
		g.Release(itemsOf(1))
		g.Cancel(&r) // had been admitted
		require.True(t, g.Reserve(&r, itemsOf(1)))
		require.True(t, other.Reserve(&r, bytesOf(1)))
		require.False(t, other.Reserve(&r, bytesOf(1)))
		other.Cancel(&r)
		other.Release(bytesOf(1))
	}
	assert.Equal(t, itemsOf(1), g.Stats().InUse)
	assert.Equal(t, itemsOf(1), g.Stats().Peak)
}

func TestReservationInUse(t *testing.T) {
	const message = "penstock: backpressure.Gate.Reserve: r is in line, or was admitted and neither received nor cancelled"
	g := New(itemsOf(1))
	g.Add(itemsOf(1))
	r := inLineFor(t, g, itemsOf(1))
	assert.PanicsWithValue(t, message, func() { g.Reserve(r, itemsOf(1)) })
	assert.Equal(t, 1, g.Stats().Waiters)
	g.Release(itemsOf(1))
	assert.PanicsWithValue(t, message, func() { g.Reserve(r, itemsOf(1)) })
	g.Cancel(r)
	assert.True(t, g.Reserve(r, itemsOf(1)))
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Cost{Chunks: 2, Items: 8, Bytes: 100})
		require.NoError(t, g.Acquire(t.Context(), Cost{Chunks: 1, Items: 8, Bytes: 10}))
		assert.Equal(t, Stats{
			InUse: Cost{Chunks: 1, Items: 8, Bytes: 10}, Peak: Cost{Chunks: 1, Items: 8, Bytes: 10},
		}, g.Stats())

		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errGaveUp)
		defer cancel()
		gone := acquire(ctx, g, Cost{Chunks: 1, Items: 4})
		served := acquire(t.Context(), g, Cost{Chunks: 1, Items: 2, Bytes: 70})
		time.Sleep(3 * time.Second)
		s := g.Stats()
		assert.Equal(t, 2, s.Waiters)
		assert.Equal(t, 6*time.Second, s.Waited, "those who still wait count as well")

		require.ErrorIs(t, <-gone, errGaveUp)
		time.Sleep(time.Second)
		s = g.Stats()
		assert.Equal(t, 1, s.Waiters)
		assert.Equal(t, (5+6)*time.Second, s.Waited)

		g.Release(Cost{Items: 7})
		require.NoError(t, <-served)
		g.Release(Cost{Bytes: 10})
		time.Sleep(time.Hour)
		assert.Equal(t, Stats{
			InUse:  Cost{Chunks: 2, Items: 3, Bytes: 70},
			Peak:   Cost{Chunks: 2, Items: 8, Bytes: 80},
			Waited: 11 * time.Second,
		}, g.Stats())
	})
}

// A request counts as in use a moment before it has raised the peak.
func TestPeakIsNeverBelowWhatIsInUse(t *testing.T) {
	g := New(Cost{})
	g.state.Add(pack(itemsOf(3)))
	assert.Equal(t, itemsOf(3), g.Stats().Peak)
}

func TestNoAllocations(t *testing.T) {
	g := New(Cost{Chunks: 4, Items: 64, Bytes: 1 << 20})
	ctx, cost := t.Context(), Cost{Chunks: 1, Items: 8, Bytes: 100}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_ = g.Acquire(ctx, cost)
		g.TryAcquire(cost)
		g.Add(cost)
		g.Release(cost)
		g.Release(cost)
		g.Release(cost)
	}))

	// In line too, with a reservation that is used again.
	g.Add(Cost{Chunks: 4})
	var r Reservation
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		g.Reserve(&r, cost)
		g.Release(Cost{Chunks: 1})
		<-r.Ready()
		g.Add(Cost{Chunks: 1})
		g.Release(cost)
		g.Reserve(&r, cost)
		g.Cancel(&r)
	}))
}
