package reorder

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func itoa[T int | uint64](n T) string { return fmt.Sprint(n) }

// model is what a Buffer is meant to be: a map and a few numbers.
type model struct {
	window, size uint64
	head         uint64
	values       map[uint64]int
	put          map[uint64]bool
	drawn        uint64
	end          uint64 // noEnd: not known
	aborted      bool
}

// accept says what becomes of a value of number seq.
func (m *model) accept(seq uint64) error {
	switch {
	case m.aborted:
		return errOver
	case seq >= m.end:
		return ErrClosed
	case m.put[seq]:
		return ErrPutTwice
	case seq >= m.head+m.window:
		return errGaveUp // it would have to wait
	default:
		return nil
	}
}

func (m *model) next() error {
	_, there := m.values[m.head]
	switch {
	case m.aborted:
		return errOver
	case there:
		return nil
	case m.head >= m.end:
		return io.EOF
	default:
		return errGaveUp
	}
}

// A buffer does what its model does, whatever the calls. None of them waits: the
// context that they are given has ended.
func TestBufferIsLikeItsModel(t *testing.T) {
	ctx := givenUp(t)
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.IntRange(1, 9).Draw(t, "window")
		if rapid.Bool().Draw(t, "wide") {
			window = rapid.IntRange(60, 70).Draw(t, "window")
		}
		unordered := rapid.Bool().Draw(t, "unordered")
		b := New[int](window)
		m := &model{
			window: uint64(window), size: uint64(len(b.slots)), end: noEnd,
			values: map[uint64]int{}, put: map[uint64]bool{},
		}
		last := 0 // value
		store := func(t *rapid.T, seq uint64, err error) {
			if want := m.accept(seq); want != nil {
				require.ErrorIs(t, err, want)
				return
			}
			require.NoError(t, err)
			m.values[seq], m.put[seq] = last, true
			m.drawn = max(m.drawn, seq+1)
		}
		takes := func(t *rapid.T, v int) {
			require.Equal(t, m.values[m.head], v)
			delete(m.values, m.head)
			m.head++
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				last++
				if unordered {
					store(t, m.drawn, b.Add(ctx, last))
					return
				}
				from := uint64(0)
				if m.head > 2 {
					from = m.head - 2
				}
				seq := rapid.Uint64Range(from, m.head+m.window+2).Draw(t, "number")
				store(t, seq, b.Put(ctx, seq, last))
			},
			"put the next": func(t *rapid.T) {
				last++
				if !unordered {
					store(t, m.head, b.Put(ctx, m.head, last))
				}
			},
			"try": func(t *rapid.T) {
				v, ok := b.TryNext()
				_, there := m.values[m.head]
				require.Equal(t, there, ok)
				if ok {
					takes(t, v)
				} else {
					require.Zero(t, v)
				}
			},
			"next": func(t *rapid.T) {
				want := m.next()
				v, err := b.Next(ctx)
				if want != nil {
					require.ErrorIs(t, err, want)
					require.Zero(t, v)
					return
				}
				require.NoError(t, err)
				takes(t, v)
			},
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "unless") > 0 {
					return
				}
				n := m.drawn
				if unordered {
					b.Close()
				} else {
					n += rapid.Uint64Range(0, 2*m.window).Draw(t, "more")
					b.CloseAt(n)
				}
				if m.end == noEnd && !m.aborted {
					m.end = n
				}
			},
			"abort": func(t *rapid.T) {
				if rapid.IntRange(0, 14).Draw(t, "unless") > 0 {
					return
				}
				if m.aborted {
					b.Abort(errors.New("too late"))
				} else {
					b.Abort(errOver)
				}
				m.aborted = true
			},
			"": func(t *rapid.T) {
				require.False(t, b.Waiting())
				require.Zero(t, b.blocked.Load())
				require.Empty(t, b.wake, "no token is left behind")
				require.Equal(t, m.aborted, b.Err() != nil)
			},
		})
		var want []int
		for seq := m.head; seq < m.head+m.size; seq++ {
			if v, there := m.values[seq]; there {
				want = append(want, v)
			}
		}
		require.Equal(t, want, slices.Collect(b.Drain()))
		require.Len(t, m.values, len(want), "no value lies elsewhere")
	})
}
