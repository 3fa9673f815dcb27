package reorder

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// meeting is a set of calls that are made at the same moment.
type meeting struct {
	*testing.T
	calls   []func()
	settled func() // looks at the outcome when all calls have returned or wait for ever

	arrived atomic.Int32
}

const rounds = 1200

// collide makes the calls of a meeting at the same moment, give or take some
// nanoseconds, again and again, so that they meet at every step of each other.
// Calls that meet all return; if one of them waits for ever, the others go on
// without it.
func collide(t *testing.T, meet func(t *meeting)) {
	t.Helper()
	collideSome(t, rounds, meet)
}

// collideSlowly is collide for calls some of which return only after settled has
// let them.
func collideSlowly(t *testing.T, meet func(t *meeting)) {
	t.Helper()
	for range rounds / 10 {
		collideSome(t, 1, meet)
	}
}

func collideSome(t *testing.T, n int, meet func(t *meeting)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		meetings := make([]*meeting, n)
		for i := range meetings {
			meetings[i] = &meeting{T: t}
			meet(meetings[i])
		}
		for i := range meetings[0].calls {
			go func() {
				rng := rand.New(rand.NewPCG(uint64(n), uint64(i)))
				var pastime atomic.Int32
				for _, m := range meetings {
					late := rng.IntN(60)
					m.arrive()
					for range late {
						pastime.Add(1)
					}
					m.calls[i]()
				}
			}()
		}
		synctest.Wait()
		for _, m := range meetings {
			m.settled()
		}
	})
}

// arrive waits until all are there. It spins, since who sleeps is late by
// microseconds; with fewer processors than calls there is no point in that.
func (m *meeting) arrive() {
	m.arrived.Add(1)
	if len(m.calls) > runtime.NumCPU() {
		return
	}
	patience := 50
	if runtime.GOMAXPROCS(0) == 1 {
		patience = 0
	}
	for tries := 0; int(m.arrived.Load()) < len(m.calls) && tries < 2000; tries++ {
		if tries > patience {
			runtime.Gosched()
		}
	}
}

func TestPutAgainstNext(t *testing.T) {
	collide(t, func(t *meeting) {
		b := New[int](1)
		added, next := errOver, errOver
		t.settled = func() {
			require.NoError(t, added)
			require.NoError(t, next)
			require.Empty(t, b.wake)
			require.False(t, b.Waiting())
		}
		t.calls = []func(){
			func() { added = b.Put(t.Context(), 0, 1) },
			func() { _, next = b.Next(t.Context()) },
		}
	})
}

func TestPutAgainstNextThatGivesUp(t *testing.T) {
	collide(t, func(t *meeting) {
		b := New[int](1)
		ctx, cancel := context.WithCancelCause(t.Context())
		next := errOver
		t.settled = func() {
			if next != nil {
				require.ErrorIs(t, next, errGaveUp)
				v, err := b.Next(givenUp(t.T))
				require.NoError(t, err, "nothing is lost")
				require.Equal(t, 7, v)
			}
			require.Empty(t, b.wake)
			require.False(t, b.Waiting())
		}
		t.calls = []func(){
			func() { _, next = b.Next(ctx) },
			either(
				func() { assert.NoError(t, b.Put(t.Context(), 0, 7)) },
				func() { cancel(errGaveUp) },
			),
		}
	})
}

func TestCloseAtAgainstNext(t *testing.T) {
	collide(t, func(t *meeting) {
		b := New[int](1)
		var next error
		t.settled = func() {
			require.Equal(t, io.EOF, next)
			require.Empty(t, b.wake)
		}
		t.calls = []func(){
			func() { b.CloseAt(0) },
			func() { _, next = b.Next(t.Context()) },
		}
	})
}

func TestAbortAgainstNext(t *testing.T) {
	collide(t, func(t *meeting) {
		b := New[int](1)
		var next error
		t.settled = func() {
			require.Equal(t, errOver, next)
			require.Empty(t, b.wake)
		}
		t.calls = []func(){
			func() { b.Abort(errOver) },
			func() { _, next = b.Next(t.Context()) },
		}
	})
}

func TestNextAgainstPutBeyondTheWindow(t *testing.T) {
	for _, window := range []uint64{2, 3} {
		collide(t, func(t *meeting) {
			b := New[int](int(window))
			put(t.T, b, 0)
			ahead := errOver
			t.settled = func() {
				require.NoError(t, ahead)
				require.Zero(t, b.blocked.Load())
			}
			t.calls = []func(){
				func() { ahead = b.Put(t.Context(), window, 1) },
				func() { b.TryNext() },
			}
		})
	}
}

func TestNextAgainstPutThatGivesUp(t *testing.T) {
	collide(t, func(t *meeting) {
		b := New[int](1)
		put(t.T, b, 0)
		ctx, cancel := context.WithCancelCause(t.Context())
		ahead := errOver
		t.settled = func() {
			if ahead != nil {
				require.ErrorIs(t, ahead, errGaveUp)
				put(t.T, b, 1) // still free
			}
			require.Equal(t, []int{1}, take(b))
			clean(t.T, b)
		}
		t.calls = []func(){
			func() { ahead = b.Put(ctx, 1, 1) },
			either(func() { b.TryNext() }, func() { cancel(errGaveUp) }),
		}
	})
}

// clean looks at what nobody sees who waits for nothing.
func clean(t *testing.T, b *Buffer[int]) {
	t.Helper()
	require.Zero(t, b.blocked.Load())
	require.Empty(t, b.line)
	for _, p := range b.spare {
		require.Empty(t, p.ready, "a token is left")
	}
	require.Empty(t, b.wake)
}

// Three wait, or come to wait, while one value is taken: one of them gets in.
func TestNextAgainstAdds(t *testing.T) {
	collideSlowly(t, func(t *meeting) {
		b := New[int](1)
		require.NoError(t, b.Add(t.Context(), 0))
		var added atomic.Int32
		add := func() {
			assert.NoError(t, b.Add(t.Context(), 1))
			added.Add(1)
		}
		t.settled = func() {
			for n := range int32(3) {
				synctest.Wait()
				require.Equal(t, n+1, added.Load())
				_, ok := b.TryNext()
				require.True(t, ok)
			}
			clean(t.T, b)
		}
		t.calls = []func(){add, add, add, func() { b.TryNext() }}
	})
}

// One of those who wait gives up while one is let go, be it the same or not.
func TestNextAgainstAddThatGivesUp(t *testing.T) {
	collideSlowly(t, func(t *meeting) {
		b := New[int](1)
		require.NoError(t, b.Add(t.Context(), 0))
		ctx, cancel := context.WithCancelCause(t.Context())
		first, second := errOver, errOver
		t.settled = func() {
			if first == nil {
				require.Equal(t, []int{1}, take(b)[:1])
				synctest.Wait()
			} else {
				require.ErrorIs(t, first, errGaveUp)
			}
			require.NoError(t, second)
			take(b)
			clean(t.T, b)
		}
		t.calls = []func(){
			func() { first = b.Add(ctx, 1) },
			func() { second = b.Add(t.Context(), 1) },
			either(func() { b.TryNext() }, func() { cancel(errGaveUp) }),
		}
	})
}

func TestAddsAgainstEachOther(t *testing.T) {
	collide(t, func(t *meeting) {
		b := New[int](3)
		t.settled = func() {
			require.ElementsMatch(t, []int{1, 2}, take(b))
		}
		t.calls = []func(){
			func() { assert.NoError(t, b.Add(t.Context(), 1)) },
			func() { assert.NoError(t, b.Add(t.Context(), 2)) },
		}
	})
}

func TestEndAgainstThoseWhoComeToWait(t *testing.T) {
	for name, end := range map[string]func(b *Buffer[int]){
		"close": func(b *Buffer[int]) { b.CloseAt(1) },
		"abort": func(b *Buffer[int]) { b.Abort(ErrClosed) },
	} {
		for kind, wait := range map[string]func(ctx context.Context, b *Buffer[int]) error{
			"put": func(ctx context.Context, b *Buffer[int]) error { return b.Put(ctx, 3, 0) },
			"add": func(ctx context.Context, b *Buffer[int]) error { return b.Add(ctx, 0) },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				collide(t, func(t *meeting) {
					b := New[int](1)
					require.NoError(t, b.Add(t.Context(), 0))
					err := errOver
					t.settled = func() {
						require.ErrorIs(t, err, ErrClosed)
						clean(t.T, b)
					}
					t.calls = []func(){
						func() { err = wait(t.Context(), b) },
						func() { end(b) },
					}
				})
			})
		}
	}
}

// either returns both in one call, in either order.
func either(f, g func()) func() {
	if rand.IntN(2) == 0 {
		f, g = g, f
	}
	return func() { f(); g() }
}
