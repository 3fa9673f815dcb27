package stage

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fakePuller is a third party's puller, made of functions.
type fakePuller struct {
	pull      func(ctx context.Context, into *Chunk[int], max Limit) error
	close     func() error
	remaining func() (int64, bool)
}

func (f *fakePuller) Pull(ctx context.Context, into *Chunk[int], max Limit) error {
	return f.pull(ctx, into, max)
}

func (f *fakePuller) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

func (f *fakePuller) Remaining() (int64, bool) { return f.remaining() }

func (f *fakePuller) stream() Stream[int] {
	return New("fake", func(context.Context) (Puller[int], error) { return f, nil })
}

// letters is a Filler: each block holds letters, which become items; '!' is a
// failed record.
type letters struct {
	fakeBlocks
	fill func(ctx context.Context, c *Chunk[string]) error
}

type fakeBlocks struct {
	blocks []string
	at     Position
	first  int64
	limits []Limit
	failAt int // pulls, from 1
}

func (l *letters) Pull(_ context.Context, into *Chunk[string], max Limit) error {
	into.Reset()
	l.limits = append(l.limits, max)
	if l.failAt == len(l.limits) {
		return errBad
	}
	if len(l.blocks) == 0 {
		return io.EOF
	}
	b := l.blocks[0]
	l.blocks = l.blocks[1:]
	into.Block = []byte(b)
	into.Tokens = append(into.Tokens, Token{At: l.at, First: l.first, N: int64(len(b))})
	l.first += int64(len(b))
	l.at.Record += int64(len(b))
	l.at.Offset += int64(len(b))
	return nil
}

func (l *letters) Fill(ctx context.Context, c *Chunk[string]) error {
	if l.fill != nil {
		return l.fill(ctx, c)
	}
	for i, b := range c.Block {
		if b == '!' {
			c.Fail(&ItemError{Index: c.Tokens[0].First + int64(i), Err: errBad})
			continue
		}
		c.Items = append(c.Items, string(b))
		c.Offsets = append(c.Offsets, int32(i))
	}
	return nil
}

func (*letters) Close() error { return nil }

func lettersOf(blocks ...string) *letters {
	return &letters{fakeBlocks: fakeBlocks{blocks: blocks, at: Position{Key: "f"}}}
}

func (l *letters) stream() Stream[string] {
	return New("letters", func(context.Context) (Puller[string], error) { return l, nil })
}

func open[T any](t *testing.T, s Stream[T]) Puller[T] {
	t.Helper()
	p, err := s.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func TestGuardFillsChunksItself(t *testing.T) {
	p := open(t, lettersOf("ab", "", "c!d").stream())
	var c Chunk[string]
	require.NoError(t, p.Pull(t.Context(), &c, Limit{}))
	assert.Equal(t, []string{"a", "b"}, c.Items)
	assert.Equal(t, "ab", string(c.Block))
	require.NoError(t, p.Pull(t.Context(), &c, Limit{}))
	assert.Empty(t, c.Items)
	require.NoError(t, p.Pull(t.Context(), &c, Limit{}))
	assert.Equal(t, []string{"c", "letters#3: bad", "d"}, outcome(&c), "the error got the stage's name")
	assert.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{}))
}

func TestGuardSplitsToTheLimit(t *testing.T) {
	p := open(t, lettersOf("abcde").stream())
	var c Chunk[string]
	for _, want := range []string{"ab", "cd", "e"} {
		require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 2}))
		assert.Equal(t, want, strings.Join(c.Items, ""))
		assert.Nil(t, c.Block, "several chunks share it")
	}
	assert.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{Items: 2}))
}

// TestGuardSplitPositions checks on random blocks that the parts account for all
// records once, and that items know their record and byte.
func TestGuardSplitPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blocks := rapid.SliceOf(rapid.StringMatching(`[a-z!]{0,12}`)).Draw(t, "blocks")
		text := strings.Join(blocks, "")
		p, done := watched(t, lettersOf(blocks...).stream())
		defer done()
		var (
			c    Chunk[string]
			next int64
			got  strings.Builder
		)
		for {
			limit := rapid.IntRange(1, 5).Draw(t, "limit")
			err := p.Pull(context.Background(), &c, Limit{Items: limit})
			require.LessOrEqual(t, len(c.Items), limit)
			for i := range c.Items {
				at := c.Locate(i)
				require.Equal(t, at.Record, at.Offset, "a byte is a record here")
				require.Equal(t, c.Items[i], text[at.Offset:at.Offset+1])
			}
			for _, tok := range c.Tokens {
				require.Equal(t, next, tok.First)
				require.Equal(t, next, tok.At.Record)
				require.Equal(t, next, tok.At.Offset)
				next += tok.N
			}
			for _, s := range outcome(&c) {
				if len(s) > 1 {
					s = "!"
				}
				got.WriteString(s)
			}
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
		require.Equal(t, text, got.String())
		require.Equal(t, int64(len(text)), next)
	})
}

func TestGuardKeepsTokensWholeWhenPlacesAreUnknown(t *testing.T) {
	for name, shape := range map[string]func(*Chunk[int]){
		"bytes without offsets": func(c *Chunk[int]) { c.Tokens[0].At.Offset = 5 },
		"several tokens":        func(c *Chunk[int]) { c.Tokens = append(c.Tokens, Token{First: 4, N: 1}) },
		"not one per record":    func(c *Chunk[int]) { c.Tokens[0].N = 9 },
		"none":                  func(c *Chunk[int]) { c.Tokens = nil },
	} {
		t.Run(name, func(t *testing.T) {
			var want []Token
			p := open(t, (&fakePuller{pull: func(_ context.Context, into *Chunk[int], _ Limit) error {
				into.Items = append(into.Items, 1, 2, 3)
				into.Tokens = append(into.Tokens, Token{N: 3})
				shape(into)
				want = append([]Token(nil), into.Tokens...)
				return io.EOF
			}}).stream())
			var c Chunk[int]
			require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 2}))
			assert.Empty(t, c.Tokens)
			require.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{Items: 2}))
			assert.Equal(t, want, append([]Token(nil), c.Tokens...))
		})
	}
}

func TestGuardSplitsTokensOfSourcesInMemory(t *testing.T) {
	p := open(t, (&fakePuller{pull: func(_ context.Context, into *Chunk[int], _ Limit) error {
		into.Items = append(into.Items, 1, 2, 3)
		into.Tokens = append(into.Tokens, Token{First: 10, N: 3, At: Position{Record: 10}})
		return io.EOF
	}}).stream())
	var c Chunk[int]
	require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 2}))
	assert.Equal(t, []Token{{First: 10, N: 2, At: Position{Record: 10}}}, c.Tokens)
	require.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{Items: 2}))
	assert.Equal(t, []Token{{First: 12, N: 1, At: Position{Record: 12}}}, c.Tokens)
}

func TestGuardTurnsPanicsIntoErrors(t *testing.T) {
	pulls := 0
	p := open(t, (&fakePuller{pull: func(_ context.Context, into *Chunk[int], _ Limit) error {
		pulls++
		into.Items = append(into.Items, 1)
		panic(errBad)
	}}).stream().Named("numbers"))
	var c Chunk[int]
	err := p.Pull(t.Context(), &c, Limit{})
	var pe *PanicError
	require.ErrorAs(t, err, &pe)
	require.ErrorIs(t, err, errBad)
	require.EqualError(t, err, "numbers: panic: bad")
	assert.Contains(t, string(pe.Stack), "guard_test.go")
	assert.Equal(t, []int{1}, c.Items, "what it had is delivered")
	assert.Equal(t, err, p.Pull(t.Context(), &c, Limit{}), "the end is remembered")
	assert.Empty(t, c.Items)
	assert.Equal(t, 1, pulls)
}

func TestGuardDropsHalfABlock(t *testing.T) {
	filled := false
	p := open(t, New("half", func(context.Context) (Puller[string], error) {
		return &halfBlock{letters{fill: func(context.Context, *Chunk[string]) error {
			filled = true
			return nil
		}}}, nil
	}))
	var c Chunk[string]
	require.EqualError(t, p.Pull(t.Context(), &c, Limit{}), "half: panic: half")
	assert.False(t, filled)
	assert.Nil(t, c.Block)
}

type halfBlock struct{ letters }

func (*halfBlock) Pull(_ context.Context, into *Chunk[string], _ Limit) error {
	into.Block = []byte("hal")
	panic("half")
}

func TestGuardFillErrorEndsTheStream(t *testing.T) {
	for name, failure := range map[string]func(){"error": nil, "panic": func() { panic(errBad) }} {
		t.Run(name, func(t *testing.T) {
			l := lettersOf("ab", "cd")
			l.fill = func(_ context.Context, c *Chunk[string]) error {
				c.Items = append(c.Items, "a")
				if failure != nil {
					failure()
				}
				return errBad
			}
			p := open(t, l.stream())
			var c Chunk[string]
			require.ErrorIs(t, p.Pull(t.Context(), &c, Limit{}), errBad)
			assert.Equal(t, []string{"a"}, c.Items)
			require.ErrorIs(t, p.Pull(t.Context(), &c, Limit{}), errBad, "the end is remembered")
			assert.Len(t, l.limits, 1)
		})
	}
}

func TestGuardFillErrorIsLessThanPulls(t *testing.T) {
	// The source's failure is the cause; that its half block cannot be filled follows from it.
	p := open(t, New("torn", func(context.Context) (Puller[string], error) {
		return &tornBlock{letters{fill: func(context.Context, *Chunk[string]) error { return io.ErrUnexpectedEOF }}}, nil
	}))
	var c Chunk[string]
	require.Equal(t, errBad, p.Pull(t.Context(), &c, Limit{}))
}

type tornBlock struct{ letters }

func (*tornBlock) Pull(_ context.Context, into *Chunk[string], _ Limit) error {
	into.Block = []byte("torn")
	return errBad
}

func TestGuardRemembersTheEnd(t *testing.T) {
	for _, end := range []error{io.EOF, errBad} {
		pulls := 0
		p := open(t, (&fakePuller{pull: func(_ context.Context, into *Chunk[int], _ Limit) error {
			pulls++
			into.Items = append(into.Items, pulls)
			return end
		}}).stream())
		var c Chunk[int]
		require.Equal(t, end, p.Pull(t.Context(), &c, Limit{}))
		require.Equal(t, []int{1}, c.Items)
		require.Equal(t, end, p.Pull(t.Context(), &c, Limit{}))
		require.Empty(t, c.Items)
		require.Equal(t, 1, pulls)
	}
}

func TestGuardResetsWhatThePullerForgot(t *testing.T) {
	n := 0
	p := open(t, (&fakePuller{pull: func(_ context.Context, into *Chunk[int], _ Limit) error {
		n++
		into.Items = append(into.Items, n) // without Reset
		return nil
	}}).stream())
	var c Chunk[int]
	require.NoError(t, p.Pull(t.Context(), &c, Limit{}))
	require.NoError(t, p.Pull(t.Context(), &c, Limit{}))
	assert.Equal(t, []int{2}, c.Items)
}

func TestGuardGiveUpLosesNothing(t *testing.T) {
	cause := errors.New("enough")
	t.Run("before the pull", func(t *testing.T) {
		p := open(t, upTo(3).stream())
		var c Chunk[int]
		require.Equal(t, cause, p.Pull(ended(cause), &c, Limit{}))
		require.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{}))
		assert.Equal(t, []int{0, 1, 2}, c.Items)
	})
	t.Run("while a block is filled", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		l := lettersOf("ab", "c")
		l.fill = func(fctx context.Context, c *Chunk[string]) error {
			cancel(cause)
			if fctx.Err() != nil {
				return context.Cause(fctx)
			}
			c.Items = append(c.Items, string(c.Block))
			return nil
		}
		p := open(t, l.stream())
		var c Chunk[string]
		require.NoError(t, p.Pull(ctx, &c, Limit{}))
		assert.Equal(t, []string{"ab"}, c.Items)
	})
	t.Run("with too many items beside the error", func(t *testing.T) {
		first := true
		p := open(t, (&fakePuller{pull: func(ctx context.Context, into *Chunk[int], _ Limit) error {
			if !first {
				return io.EOF
			}
			first = false
			into.Items = append(into.Items, 1, 2, 3)
			return context.Cause(ctx)
		}}).stream())
		var c Chunk[int]
		require.NoError(t, p.Pull(ended(cause), &c, Limit{Items: 2}))
		assert.Equal(t, []int{1, 2}, c.Items)
		require.NoError(t, p.Pull(ended(cause), &c, Limit{Items: 2}))
		assert.Equal(t, []int{3}, c.Items)
		require.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{Items: 2}))
	})
	t.Run("a failure after the context ended is one", func(t *testing.T) {
		p := open(t, (&fakePuller{pull: func(context.Context, *Chunk[int], Limit) error { return errBad }}).stream())
		var c Chunk[int]
		require.Equal(t, errBad, p.Pull(ended(cause), &c, Limit{}))
		require.Equal(t, errBad, p.Pull(t.Context(), &c, Limit{}))
	})
}

func TestGuardPutsErrorsInOrder(t *testing.T) {
	p := open(t, (&fakePuller{pull: func(_ context.Context, into *Chunk[int], _ Limit) error {
		into.Items = append(into.Items, 1, 2)
		into.Errors = append(into.Errors,
			&ItemError{Index: 0, Before: -3},
			&ItemError{Index: 1, Before: 1, Err: errBad, Stage: "x"},
			&ItemError{Index: 2, Before: 0, Err: errBad},
			&ItemError{Index: 3, Before: 99, Err: errBad})
		return io.EOF
	}}).stream())
	var c Chunk[int]
	require.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{}))
	assert.Equal(t, []string{
		"fake#0: failed without giving a reason", "1", "x#1: bad", "fake#2: bad", "2", "fake#3: bad",
	}, outcome(&c))
}

func TestGuardClose(t *testing.T) {
	t.Run("twice", func(t *testing.T) {
		s := upTo(3)
		p, err := s.stream().Open(t.Context())
		require.NoError(t, err)
		require.NoError(t, p.Close())
		require.NoError(t, p.Close())
		assert.Equal(t, 1, s.mu.closes)
		var c Chunk[int]
		assert.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{}))
		assert.Zero(t, s.mu.pulls)
	})
	t.Run("drops what is held back", func(t *testing.T) {
		p, done := watched(t, (&fakePuller{pull: func(_ context.Context, into *Chunk[int], _ Limit) error {
			into.Items = append(into.Items, 1, 2, 3)
			return nil
		}}).stream())
		var c Chunk[int]
		require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 1}))
		assert.Equal(t, int64(2), done()[0].Abandoned)
		assert.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{Items: 1}))
	})
	t.Run("panic", func(t *testing.T) {
		p, err := (&fakePuller{close: func() error { panic("stuck") }}).stream().Open(t.Context())
		require.NoError(t, err)
		require.EqualError(t, p.Close(), "fake: panic: stuck")
		require.NoError(t, p.Close())
	})
	t.Run("error", func(t *testing.T) {
		p, err := (&fakePuller{close: func() error { return errBad }}).stream().Open(t.Context())
		require.NoError(t, err)
		require.Equal(t, errBad, p.Close())
	})
}

func TestGuardRemaining(t *testing.T) {
	n := int64(3)
	f := &fakePuller{
		remaining: func() (int64, bool) { return n, true },
		pull: func(_ context.Context, into *Chunk[int], _ Limit) error {
			into.Items = append(into.Items, 1, 2, 3)
			n = 0
			return nil
		},
	}
	p := open(t, f.stream())
	assertRemaining(t, p, 3)
	var c Chunk[int]
	require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 1}))
	assertRemaining(t, p, 2)
	f.remaining = func() (int64, bool) { panic("no idea") }
	assertRemaining(t, p, -1)
	assertRemaining(t, open(t, counting()), -1)
	assertRemaining(t, open(t, Through("x", ints(3), func(_ context.Context, p Puller[int]) (Puller[int], error) { return p, nil })), -1)
	assertRemaining(t, open(t, Stream[int]{}), 0)
}

// assertRemaining checks what a puller says of its length; -1: unknown.
func assertRemaining[T any](t *testing.T, p Puller[T], want int64) {
	t.Helper()
	s, ok := p.(Sized)
	if !ok {
		assert.Equal(t, int64(-1), want)
		return
	}
	n, known := s.Remaining()
	assert.Equal(t, want >= 0, known)
	if known {
		assert.Equal(t, want, n)
	}
}

func TestGuardBlocks(t *testing.T) {
	assert.Nil(t, open(t, ints(3)).(*guard[int]).Blocks(), "no Filler")

	p, done := watched(t, lettersOf("ab!", "cd").stream())
	b := p.(*guard[string]).Blocks()
	var c1, c2, c3 Chunk[string]
	require.NoError(t, b.Pull(t.Context(), &c1, Limit{}))
	assert.Empty(t, c1.Items, "not filled yet")
	require.NoError(t, b.Pull(t.Context(), &c2, Limit{}))
	require.NoError(t, b.Fill(t.Context(), &c2))
	require.NoError(t, b.Fill(t.Context(), &c1))
	assert.Equal(t, []string{"a", "b", "letters#2: bad"}, outcome(&c1))
	assert.Equal(t, []string{"c", "d"}, c2.Items)
	require.Equal(t, io.EOF, b.Pull(t.Context(), &c3, Limit{}))
	require.Equal(t, io.EOF, b.Pull(t.Context(), &c3, Limit{}))
	_, known := b.(Sized).Remaining()
	assert.False(t, known)
	require.NoError(t, b.Close())
	m := done()[0]
	assert.Equal(t, int64(5), m.In)
	assert.Equal(t, int64(4), m.Out)
	assert.Equal(t, int64(1), m.Failed)
	assert.Equal(t, int64(2), m.ChunksOut)
}

func TestGuardBlocksFailures(t *testing.T) {
	l := lettersOf("ab")
	l.failAt = 2
	l.fill = func(context.Context, *Chunk[string]) error { panic("torn") }
	b := open(t, l.stream()).(*guard[string]).Blocks()
	var c Chunk[string]
	require.NoError(t, b.Pull(t.Context(), &c, Limit{}))
	require.EqualError(t, b.Fill(t.Context(), &c), "letters: panic: torn")
	require.Equal(t, errBad, b.Pull(t.Context(), &c, Limit{}))
	require.Equal(t, errBad, b.Pull(t.Context(), &c, Limit{}), "the end is remembered")
	assert.Len(t, l.limits, 2)
}
