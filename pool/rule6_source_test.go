package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// brokenAt is a source that calls end when it is pulled at item n, in the
// middle of a chunk.
func brokenAt(n int, end func()) stage.Stream[int] {
	return handmadeStream(func() handmade[int] {
		next := 0
		return handmade[int]{pull: func(_ context.Context, into *stage.Chunk[int], limit stage.Limit) error {
			for range limit.Room() {
				if next == n {
					end()
				}
				into.Items = append(into.Items, next)
				next++
			}
			return nil
		}}
	})
}

func TestR6_PanicInSource(t *testing.T) {
	for _, verb := range lazyVerbs() {
		for _, chunk := range []int{0, 1, 4} {
			t.Run(fmt.Sprintf("%s/chunk %d", verb.name, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					s := verb.of(p, brokenAt(30, func() { explode(errBang) }), identity, pool.ChunkSize(chunk))
					items, failed, end := ranged(t, context.Background(), s)
					slices.Sort(items)
					assert.Equal(t, integers(30, nil), items, "what came before is delivered")
					assert.Empty(t, failed)
					requirePanicked(t, end, errBang, "brokenAt")
					require.ErrorIs(t, end, errBang)
					assert.Contains(t, end.Error(), "handmade", "the error names the source")
					requireAllSlots(t, p, 2)
				})
			})
		}
	}
	for _, verb := range eagerVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				items, err := verb.of(context.Background(), p, brokenAt(30, func() { explode(errBang) }), identity)
				assert.Nil(t, items)
				requirePanicked(t, err, errBang, "brokenAt")
				requireAllSlots(t, p, 2)
			})
		})
	}
}

func TestR6_GoexitInSource(t *testing.T) {
	for _, workers := range []int{1, 2, 4} {
		for _, opts := range [][]pool.Option{nil, {pool.ChunkSize(1)}, {pool.ChunkSize(3)}, {pool.InFlight(1)}, {pool.InFlight(5)}} {
			for _, verb := range lazyVerbs() {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(workers)
					s := verb.of(p, brokenAt(30, goexit), identity, opts...)
					items, failed, end := ranged(t, context.Background(), s)
					slices.Sort(items)
					assert.Equal(t, integers(len(items), nil), items)
					assert.Empty(t, failed)
					require.ErrorIs(t, end, stage.ErrGoexit, "nothing is cut short in silence")
					requireAllSlots(t, p, workers)
				})
			}
			for _, verb := range eagerVerbs() {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(workers)
					items, err := verb.of(context.Background(), p, brokenAt(30, goexit), identity, opts...)
					assert.Nil(t, items)
					require.ErrorIs(t, err, stage.ErrGoexit)
					requireAllSlots(t, p, workers)
				})
			}
		}
	}
}

// endings are the ways in which user code may not return.
func endings() map[string]func() {
	return map[string]func(){"panic": func() { explode(errBang) }, "goexit": goexit}
}

// requireEnded checks that err tells of one of the endings.
func requireEnded(t *testing.T, how string, err error) {
	t.Helper()
	if how == "panic" {
		requirePanicked(t, err, errBang, "explode")
	} else {
		require.ErrorIs(t, err, stage.ErrGoexit)
	}
}

// ownGoroutine runs fn in a goroutine that may be ended by runtime.Goexit, and
// reports whether it was.
func ownGoroutine(fn func()) (exited bool) {
	exited = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
		exited = false
	}()
	<-done
	return exited
}

// A source that cannot be opened fails the call; a Goexit there ends the
// goroutine that opened it, and leaves nothing of the call behind.
func TestR6_PanicInOpen(t *testing.T) {
	for how, end := range endings() {
		broken := stage.New("broken", func(context.Context) (stage.Puller[int], error) {
			end()
			return nil, errors.New("unreachable")
		})
		for _, verb := range lazyVerbs() {
			t.Run(how+"/"+verb.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					exited := ownGoroutine(func() {
						items, failed, end := ranged(t, context.Background(), verb.of(p, broken, identity))
						assert.Empty(t, items)
						assert.Empty(t, failed)
						requireEnded(t, how, end)
					})
					assert.False(t, exited && how == "panic")
					requireAllSlots(t, p, 2)
				})
			})
		}
		for _, verb := range eagerVerbs() {
			t.Run(how+"/"+verb.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					exited := ownGoroutine(func() {
						_, err := verb.of(context.Background(), p, broken, identity)
						requireEnded(t, how, err)
					})
					assert.False(t, exited && (how == "panic" || strings.HasSuffix(verb.name, "Async")), "an async call resolves")
					requireAllSlots(t, p, 2)
				})
			})
		}
	}
}

// A source whose Close does not return fails the call that had gone well.
func TestR6_PanicInClose(t *testing.T) {
	for how, end := range endings() {
		broken := handmadeStream(func() handmade[int] {
			return handmade[int]{
				pull: func(_ context.Context, into *stage.Chunk[int], _ stage.Limit) error {
					into.Items = append(into.Items, 1, 2, 3)
					return io.EOF
				},
				close: func() error {
					end()
					return nil
				},
			}
		})
		for _, verb := range lazyVerbs() {
			t.Run(how+"/"+verb.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					exited := ownGoroutine(func() {
						items, failed, end := ranged(t, context.Background(), verb.of(p, broken, identity))
						slices.Sort(items)
						assert.Equal(t, []int{1, 2, 3}, items)
						assert.Empty(t, failed)
						requireEnded(t, how, end)
					})
					assert.False(t, exited && how == "panic")
					requireAllSlots(t, p, 2)
				})
			})
		}
		for _, verb := range eagerVerbs() {
			t.Run(how+"/"+verb.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					exited := ownGoroutine(func() {
						_, err := verb.of(context.Background(), p, broken, identity)
						requireEnded(t, how, err)
					})
					assert.False(t, exited && (how == "panic" || strings.HasSuffix(verb.name, "Async")), "an async call resolves")
					requireAllSlots(t, p, 2)
				})
			})
		}
	}
}

// fours is a Filler: each pull takes a block of four numbers, and fill makes
// items of them.
type fours struct {
	next, n int
	fill    func(first int)
}

func (b *fours) Pull(_ context.Context, into *stage.Chunk[int], _ stage.Limit) error {
	into.Reset()
	if b.next >= b.n {
		return io.EOF
	}
	into.Block = []byte{byte(b.next), byte(b.next + 1), byte(b.next + 2), byte(b.next + 3)}
	into.Tokens = append(into.Tokens, stage.Token{At: stage.Position{Record: int64(b.next)}, First: int64(b.next), N: 4})
	b.next += 4
	return nil
}

func (b *fours) Fill(_ context.Context, c *stage.Chunk[int]) error {
	b.fill(int(c.Block[0]))
	for _, v := range c.Block {
		c.Items = append(c.Items, int(v))
	}
	return nil
}

func (b *fours) Close() error { return nil }

// A block that cannot be filled ends the stream at its place.
func TestR6_PanicInFill(t *testing.T) {
	for how, end := range endings() {
		in := stage.New("blocks", func(context.Context) (stage.Puller[int], error) {
			return &fours{n: 100, fill: func(first int) {
				if first == 40 {
					end()
				}
			}}, nil
		})
		for _, workers := range []int{1, 3} {
			for _, verb := range lazyVerbs() {
				t.Run(fmt.Sprintf("%s/%d workers/%s", how, workers, verb.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(workers)
						items, failed, end := ranged(t, context.Background(), verb.of(p, in, func(_ context.Context, i int) (int, error) {
							if i == 3 || i == 50 {
								return 0, errBang
							}
							return i, nil
						}))
						requireEnded(t, how, end)
						if verb.ordered {
							assert.Equal(t, integers(40, func(i int) bool { return i == 3 }), items)
							assert.Equal(t, []int64{3}, indices(failed))
						} else {
							slices.Sort(items)
							assert.Subset(t, items, integers(40, func(i int) bool { return i == 3 }))
							for i := 40; i < 44; i++ {
								assert.NotContains(t, items, i)
							}
						}
						requireAllSlots(t, p, workers)
					})
				})
			}
			for _, verb := range eagerVerbs() {
				t.Run(fmt.Sprintf("%s/%d workers/%s", how, workers, verb.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(workers)
						items, err := verb.of(context.Background(), p, in, identity)
						assert.Nil(t, items)
						requireEnded(t, how, err)
						requireAllSlots(t, p, workers)
					})
				})
			}
		}
	}
}

// measured is a source that is asked how long it is.
type measured struct {
	stage.Puller[int]
	remaining func() (int64, bool)
}

func (s measured) Remaining() (int64, bool) { return s.remaining() }

func TestR6_PanicInRemaining(t *testing.T) {
	in := stage.New("sized", func(ctx context.Context) (stage.Puller[int], error) {
		up, err := countTo(2000).Open(ctx)
		return measured{up, func() (int64, bool) { panic("bang") }}, err
	})
	items, failed, end := ranged(t, context.Background(), pool.Imap(pool.New(2), in, identity))
	require.NoError(t, end, "the length is only a hint")
	assert.Empty(t, failed)
	assert.Equal(t, integers(2000, nil), items)
}
