package reorder

import (
	"context"
	"io"
	"math/rand/v2"
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
}

// collide makes the calls of a meeting at the same moment, give or take some
// nanoseconds, again and again, so that they meet at every step of each other.
func collide(t *testing.T, meet func(t *meeting)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var todo []chan func()
		defer func() {
			for _, c := range todo {
				close(c)
			}
		}()
		rng := rand.New(rand.NewPCG(1, 1))
		for range rounds {
			m := &meeting{T: t}
			meet(m)
			synctest.Wait()
			var arrived atomic.Int32
			for i, call := range m.calls {
				if i == len(todo) {
					c := make(chan func())
					todo = append(todo, c)
					go func() {
						for f := range c {
							f()
						}
					}()
				}
				late := rng.IntN(40)
				todo[i] <- func() {
					arrived.Add(1)
					for tries := 0; int(arrived.Load()) < len(m.calls) && tries < 1000; tries++ {
						continue // spin: who sleeps is late by microseconds
					}
					for range late {
						arrived.Add(1)
					}
					call()
				}
			}
			synctest.Wait()
			m.settled()
		}
	})
}

const rounds = 1500

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
			func() { assert.NoError(t, b.Put(t.Context(), 0, 7)) },
			func() { _, next = b.Next(ctx) },
			func() { cancel(errGaveUp) },
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
			func() { b.TryNext() },
			func() { cancel(errGaveUp) },
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
	collide(t, func(t *meeting) {
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
				require.Len(t, take(b), 1)
			}
			clean(t.T, b)
		}
		t.calls = []func(){add, add, add, func() { b.TryNext() }}
	})
}

// One of those who wait gives up while one is let go, be it the same or not.
func TestNextAgainstAddThatGivesUp(t *testing.T) {
	collide(t, func(t *meeting) {
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
			func() { b.TryNext() },
			func() { cancel(errGaveUp) },
		}
	})
}

func TestAddsAgainstEachOther(t *testing.T) {
	collide(t, func(t *meeting) {
		b := New[int](3)
		t.settled = func() {
			require.ElementsMatch(t, []int{1, 2, 3}, take(b))
		}
		t.calls = []func(){
			func() { assert.NoError(t, b.Add(t.Context(), 1)) },
			func() { assert.NoError(t, b.Add(t.Context(), 2)) },
			func() { assert.NoError(t, b.Add(t.Context(), 3)) },
		}
	})
}

func TestEndAgainstThoseWhoComeToWait(t *testing.T) {
	for name, end := range map[string]func(b *Buffer[int]){
		"close": func(b *Buffer[int]) { b.CloseAt(1) },
		"abort": func(b *Buffer[int]) { b.Abort(ErrClosed) },
	} {
		t.Run(name, func(t *testing.T) {
			collide(t, func(t *meeting) {
				b := New[int](1)
				put(t.T, b, 0)
				b.drawn.Store(1) // as if it had been added
				errs := make([]error, 3)
				t.settled = func() {
					for _, err := range errs {
						require.ErrorIs(t, err, ErrClosed)
					}
					clean(t.T, b)
				}
				t.calls = []func(){
					func() { errs[0] = b.Put(t.Context(), 3, 0) },
					func() { errs[1] = b.Add(t.Context(), 0) },
					func() { errs[2] = b.Add(t.Context(), 0) },
					func() { end(b) },
				}
			})
		})
	}
}
