package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unary is an operator with one input of ints, whose function panics at one item.
type unary struct {
	name  string
	apply func(in Stream[int], at func(v int)) Stream[int]
}

// unaries are the operators whose function sees each of the items -1, -2...
func unaries() []unary {
	return []unary{
		{"Map", func(in Stream[int], at func(int)) Stream[int] {
			return Map(in, func(_ context.Context, v int) (int, error) { at(v); return v, nil })
		}},
		{"FilterMap", func(in Stream[int], at func(int)) Stream[int] {
			return FilterMap(in, func(_ context.Context, v int) (int, bool, error) { at(v); return v, true, nil })
		}},
		{"FlatMap", func(in Stream[int], at func(int)) Stream[int] {
			return FlatMap(in, func(_ context.Context, v int, emit func(int)) error {
				emit(v)
				at(v)
				return nil
			})
		}},
		{"Scan", func(in Stream[int], at func(int)) Stream[int] {
			return Scan(in, 0, func(_ context.Context, _, v int) (int, error) { at(v); return v, nil })
		}},
		{"Filter", func(in Stream[int], at func(int)) Stream[int] {
			return in.Filter(func(v int) bool { at(v); return true })
		}},
		{"TakeWhile", func(in Stream[int], at func(int)) Stream[int] {
			return in.TakeWhile(func(v int) bool { at(v); return true })
		}},
		{"SkipWhile", func(in Stream[int], at func(int)) Stream[int] {
			// Items before the one that panics are skipped, so that it is looked at.
			return in.SkipWhile(func(v int) bool { at(v); return true })
		}},
		{"Tap", func(in Stream[int], at func(int)) Stream[int] {
			return in.Tap(at)
		}},
	}
}

func TestPanicAtEachPosition(t *testing.T) {
	const n = 6
	for _, op := range unaries() {
		for bad := range n {
			t.Run(fmt.Sprint(op.name, bad), func(t *testing.T) {
				p := open(t, op.apply(ints(n), func(v int) {
					if v == bad {
						panic(errBad)
					}
				}))
				var got []string
				var c Chunk[int]
				var e *ItemError
				for err := error(nil); err == nil; {
					err = p.Pull(t.Context(), &c, Limit{})
					got = append(got, outcome(&c)...)
					if len(c.Errors) > 0 {
						e = c.Errors[0]
					}
				}
				var want []string
				for v := range n {
					if v == bad {
						want = append(want, fmt.Sprintf("%s#%d: panic: bad", op.name, v))
					} else if op.name != "SkipWhile" {
						want = append(want, fmt.Sprint(v))
					}
				}
				require.Equal(t, want, got)
				require.Equal(t, bad, e.Input)
				require.Equal(t, Position{Key: "script", Record: int64(bad)}, e.At)
				require.Contains(t, string(e.Stack), "loop_test.go")
				var pe *PanicError
				require.ErrorAs(t, e, &pe)
				require.ErrorIs(t, e, errBad)
			})
		}
	}
}

// TestGoexitUnwinds: the consumer's goroutine ends, and what is open is closed.
func TestGoexitUnwinds(t *testing.T) {
	for _, op := range unaries() {
		t.Run(op.name, func(t *testing.T) {
			s := upTo(5)
			reached := false
			exits(func() {
				_, _ = op.apply(s.stream(), func(v int) {
					if v == 2 {
						runtime.Goexit()
					}
				}).Count(context.Background())
				reached = true
			})
			assert.False(t, reached)
			assert.Equal(t, 1, s.mu.closes)
		})
	}
}

func TestGiveUpTriesTheItemAgain(t *testing.T) {
	cause := errors.New("enough")
	var seen []int
	var cancel context.CancelCauseFunc
	p := open(t, Map(ints(4), func(ctx context.Context, v int) (int, error) {
		seen = append(seen, v)
		if v == 2 && cancel != nil {
			cancel(cause)
			cancel = nil
		}
		return v, ctx.Err()
	}))
	ctx, c := context.WithCancelCause(t.Context())
	cancel = c
	var into Chunk[int]
	require.Equal(t, cause, p.Pull(ctx, &into, Limit{}))
	assert.Equal(t, []int{0, 1}, into.Items, "what was done is handed on")
	assert.Empty(t, into.Tokens)
	require.Equal(t, cause, p.Pull(ctx, &into, Limit{}))
	assert.True(t, into.Empty())
	assertRemaining(t, p, 2)
	require.Equal(t, io.EOF, p.Pull(t.Context(), &into, Limit{}))
	assert.Equal(t, []int{2, 3}, into.Items)
	assert.Len(t, into.Tokens, 1)
	assert.Equal(t, []int{0, 1, 2, 2, 3}, seen)
}

// TestGiveUpOfUpstream: items and tokens that accompany the error wait.
func TestGiveUpOfUpstream(t *testing.T) {
	cause := errors.New("enough")
	for name, build := range map[string]func(Stream[int]) Stream[string]{
		"Map":     func(in Stream[int]) Stream[string] { return Map(in, Pure(func(v int) string { return fmt.Sprint(v) })) },
		"FlatMap": flat,
		"Batch": func(in Stream[int]) Stream[string] {
			return Map(Batch(in, 2), Pure(func(v []int) string { return fmt.Sprint(v) }))
		},
		"Zip": func(in Stream[int]) Stream[string] {
			return Map(Zip(in, counting()), Pure(func(v Pair[int, int]) string { return fmt.Sprint(v) }))
		},
		"Filter": func(in Stream[int]) Stream[string] { return flat(in.Filter(func(int) bool { return true })) },
		"Take":   func(in Stream[int]) Stream[string] { return flat(in.Take(9)) },
		"Skip":   func(in Stream[int]) Stream[string] { return flat(in.Skip(0)) },
		"Concat": func(in Stream[int]) Stream[string] { return flat(Concat(in)) },
	} {
		for _, withItems := range []bool{true, false} {
			t.Run(fmt.Sprint(name, withItems), func(t *testing.T) {
				pulls := 0
				var cancel context.CancelCauseFunc
				p := open(t, build((&fakePuller{pull: func(ctx context.Context, into *Chunk[int], _ Limit) error {
					pulls++
					if pulls > 4 {
						return io.EOF
					}
					if withItems {
						into.Items = append(into.Items, pulls)
					}
					into.Tokens = append(into.Tokens, Token{First: int64(pulls), N: 1})
					cancel(cause)
					return ctx.Err()
				}}).stream()))
				var c Chunk[string]
				var got, want []string
				var tokens []Token
				gaveUp := 0
				for {
					var ctx context.Context
					ctx, cancel = context.WithCancelCause(t.Context())
					err := p.Pull(ctx, &c, Limit{})
					got = append(got, c.Items...)
					tokens = append(tokens, c.Tokens...)
					cancel(nil)
					if err == io.EOF {
						break
					}
					if err != nil {
						gaveUp++
						require.Equal(t, cause, err)
					}
				}
				assert.GreaterOrEqual(t, gaveUp, 2)
				if withItems {
					switch name {
					case "Batch":
						want = []string{"[1 2]", "[3 4]"}
					case "Zip":
						want = []string{"{1 0}", "{2 1}", "{3 2}", "{4 3}"}
					default:
						want = []string{"1", "2", "3", "4"}
					}
				}
				assert.Equal(t, want, got)
				assert.Equal(t, int64(4), sumN(tokens))
			})
		}
	}
}

func flat(in Stream[int]) Stream[string] {
	return FlatMap(in, func(_ context.Context, v int, emit func(string)) error {
		emit(fmt.Sprint(v))
		return nil
	})
}

func sumN(ts []Token) (n int64) {
	for _, t := range ts {
		n += t.N
	}
	return n
}

func TestBlockMovesWithWhatIsDerivedFromIt(t *testing.T) {
	block := []byte("block")
	pullBlock := func(s Stream[int], max int) []byte {
		p := open(t, s)
		var c Chunk[int]
		_ = p.Pull(t.Context(), &c, Limit{Items: max})
		return c.Block
	}
	source := func() Stream[int] {
		s := upTo(4)
		s.block = block
		return s.stream()
	}
	same := func(v int) bool { return v < 100 }
	assert.Equal(t, block, pullBlock(source().Filter(same), 0))
	assert.Equal(t, block, pullBlock(source().Take(2), 0))
	assert.Equal(t, block, pullBlock(source().Skip(1), 0))
	assert.Equal(t, block, pullBlock(Map(source(), inc), 0))
	assert.Equal(t, block, pullBlock(Concat(source()), 0))
	assert.Nil(t, pullBlock(Scan(source(), 0, func(_ context.Context, a, v int) (int, error) { return a + v, nil }), 0),
		"a result may be a view of an earlier block")
	batch := func(n int) []byte {
		var c Chunk[[]int]
		_ = open(t, Batch(source(), n)).Pull(t.Context(), &c, Limit{})
		return c.Block
	}
	assert.Equal(t, block, batch(4))
	s := upTo(4)
	s.block, s.cuts = block, []int{2}
	var c Chunk[[]int]
	require.NoError(t, open(t, Batch(s.stream(), 3)).Pull(t.Context(), &c, Limit{}))
	assert.Nil(t, c.Block, "the batch is made of two blocks")
	p := open(t, FlatMap(source(), func(_ context.Context, v int, emit func(int)) error {
		emit(v)
		emit(v)
		return nil
	}))
	var ci Chunk[int]
	for range 8 {
		_ = p.Pull(t.Context(), &ci, Limit{Items: 1})
		assert.Nil(t, ci.Block, "the block is shared by two chunks")
	}
}

func TestOffsetsAreKeptWhereTrivial(t *testing.T) {
	source := func() Stream[string] { return lettersOf("abcd").stream() }
	offsets := func(s Stream[string]) []int32 {
		var c Chunk[string]
		_ = open(t, s).Pull(t.Context(), &c, Limit{})
		return append([]int32(nil), c.Offsets...)
	}
	assert.Equal(t, []int32{0, 1, 2, 3}, offsets(source().Tap(func(string) {})))
	assert.Equal(t, []int32{0, 1, 2, 3}, offsets(source().Take(9)))
	assert.Equal(t, []int32{2, 3}, offsets(source().Skip(2)))
	assert.Empty(t, offsets(source().Filter(func(s string) bool { return s != "b" })))
	assert.Empty(t, offsets(Map(source(), Pure(func(s string) string { return s }))))
	assert.Empty(t, offsets(New("wrong", func(context.Context) (Puller[string], error) {
		l := lettersOf("abcd")
		l.fill = func(_ context.Context, c *Chunk[string]) error {
			c.Items, c.Offsets = append(c.Items, "a", "b", "c"), append(c.Offsets, 0, 1)
			return nil
		}
		return l, nil
	}).Skip(1)), "two offsets for two items, but not theirs")
}

// asks runs a stream with a limit and returns what its source was asked for.
func asks[T any](t *testing.T, s *script, build func(Stream[int]) Stream[T], limits ...int) []int {
	t.Helper()
	p := open(t, build(s.stream()))
	var c Chunk[T]
	for _, l := range limits {
		if err := p.Pull(t.Context(), &c, Limit{Items: l}); err != nil && err != io.EOF {
			require.NoError(t, err)
		}
	}
	return s.mu.asked
}

func TestLazinessIsExact(t *testing.T) {
	type S = Stream[int]
	assert.Equal(t, []int{3, 2}, asks(t, upTo(9), func(in S) S { return in.Take(5) }, 3, 3))
	assert.Equal(t, []int{5}, asks(t, upTo(9), func(in S) S { return in.Take(5) }, 0))
	assert.Empty(t, asks(t, upTo(9), func(in S) S { return in.Take(0) }, 1))
	assert.Equal(t, []int{4}, asks(t, upTo(9), func(in S) S { return Map(in, inc) }, 4))
	assert.Equal(t, []int{4, 5, 1}, asks(t, upTo(20), func(in S) S { return in.Skip(6) }, 4, 5, 1), "while it skips too")
	short := upTo(9)
	short.cuts = []int{1, 2}
	assert.Equal(t, []int{4, 3, 1}, asks(t, short, func(in S) Stream[[]int] { return Batch(in, 4) }, 7), "what the batch lacks")
	assert.Equal(t, []int{2}, asks(t, upTo(9), func(in S) Stream[Pair[int, int]] { return Zip(in, counting()) }, 2))
	assert.Equal(t, []int{2}, asks(t, upTo(9), func(in S) Stream[Pair[int, int]] { return Zip(counting().Take(2), in) }, 5))
	wide := func(in S) S {
		return FlatMap(in, func(_ context.Context, v int, emit func(int)) error {
			for range 10 {
				emit(v)
			}
			return nil
		})
	}
	assert.Equal(t, []int{1}, asks(t, upTo(9), wide, 4, 4), "the first item has enough for both")
	assert.Equal(t, []int{1, 3}, asks(t, upTo(9), wide, 10, 30), "by then it is known how many an item makes")
	thin := func(in S) S { return FlatMap(in, func(context.Context, int, func(int)) error { return nil }) }
	assert.Equal(t, []int{1, 30}, asks(t, upTo(9), thin, 30, 30))
	ctx, seen := t.Context(), 0
	v, err := Map(ints(9), func(_ context.Context, v int) (int, error) { seen++; return v, nil }).First(ctx)
	require.NoError(t, err)
	assert.Equal(t, 0, v)
	assert.Equal(t, 1, seen)
}

func TestBytesAreAskedForAsTheyCame(t *testing.T) {
	for name, build := range map[string]func(Stream[string]) Stream[string]{
		"Map":    func(in Stream[string]) Stream[string] { return Map(in, Pure(func(s string) string { return s })) },
		"Filter": func(in Stream[string]) Stream[string] { return in.Filter(func(string) bool { return true }) },
		"Take":   func(in Stream[string]) Stream[string] { return in.Take(9) },
		"Skip":   func(in Stream[string]) Stream[string] { return in.Skip(1) },
		"Batch":  func(in Stream[string]) Stream[string] { return Unbatch(Batch(in, 2)) },
		"Zip": func(in Stream[string]) Stream[string] {
			return Map(Zip(in, counting()), Pure(func(p Pair[string, int]) string { return p.First }))
		},
	} {
		l := lettersOf("abc")
		p := open(t, build(l.stream()))
		var c Chunk[string]
		require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 2, Bytes: 77}))
		assert.Equal(t, int64(77), l.limits[0].Bytes, name)
	}
}
