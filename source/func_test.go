package source

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// upTo returns 0, 1... up to n, then err.
func upTo(n int, err error) func(context.Context) (int, error) {
	i := -1
	return func(context.Context) (int, error) {
		if i++; i >= n {
			return 0, err
		}
		return i, nil
	}
}

func TestFunc(t *testing.T) {
	for _, max := range limits() {
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6}, all(t, Func(upTo(7, io.EOF)), max))
		r := read(t, Func(upTo(7, errBoom)), max)
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6}, r.items)
		require.ErrorIs(t, r.err, errBoom)
		require.EqualError(t, r.err, "source: item 7: boom")
		r = read(t, Func(upTo(7, fmt.Errorf("page 3: %w", io.ErrUnexpectedEOF))), max)
		require.EqualError(t, r.err, "source: item 7: page 3: unexpected EOF")
	}
}

func TestFuncWrappedEOFIsNoEnd(t *testing.T) {
	p := open(t, Func(upTo(2, fmt.Errorf("page 3: %w", io.EOF))))
	var c stage.Chunk[int]
	require.EqualError(t, p.Pull(t.Context(), &c, stage.Limit{}), "source: item 2: page 3: EOF")
}

func TestFuncSlowCallsDoNotDelayWhatIsAtHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		p := open(t, Func(func(context.Context) (int, error) {
			if calls++; calls > 10 {
				time.Sleep(time.Second)
			}
			return calls, nil
		}))
		var c stage.Chunk[int]
		for _, n := range []int{11, 1, 1} {
			require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 100}))
			assert.Len(t, c.Items, n)
		}
	})
}

func TestFuncFastCallsFillTheChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, Func(func(context.Context) (int, error) {
			time.Sleep(10 * time.Microsecond)
			return 1, nil
		}))
		var c stage.Chunk[int]
		for range 3 {
			require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 50}))
			assert.Len(t, c.Items, 50)
		}
	})
}

func TestFuncGivenUpLosesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls, next := 0, upTo(10, io.EOF)
	p := open(t, Func(func(ctx context.Context) (int, error) {
		if calls++; calls == 4 {
			cancel()
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return next(ctx)
	}))
	var c stage.Chunk[int]
	require.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{}), context.Canceled)
	assert.Equal(t, []int{0, 1, 2}, c.Items)
	require.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{}), context.Canceled)
	assert.Empty(t, c.Items)
	require.ErrorIs(t, p.Pull(t.Context(), &c, stage.Limit{}), io.EOF)
	assert.Equal(t, []int{3, 4, 5, 6, 7, 8, 9}, c.Items)
	assert.Equal(t, int64(3), c.Tokens[0].First)
}

func TestFuncPanics(t *testing.T) {
	next := upTo(3, io.EOF)
	r := read(t, Func(func(ctx context.Context) (int, error) {
		v, err := next(ctx)
		if v == 2 {
			panic("two")
		}
		return v, err
	}), stage.Limit{})
	assert.Equal(t, []int{0, 1}, r.items)
	require.EqualError(t, r.err, "Func: panic: two")
}

func BenchmarkFunc(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("chunk%d", size), func(b *testing.B) {
			p := open(b, Func(func(context.Context) (int, error) { return 1, nil }))
			var c stage.Chunk[int]
			b.ReportAllocs()
			items := 0
			for b.Loop() {
				if err := p.Pull(b.Context(), &c, stage.Limit{Items: size}); err != nil {
					b.Fatal(err)
				}
				items += len(c.Items)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(items), "ns/item")
		})
	}
}
