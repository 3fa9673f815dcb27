package channel_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/internal/channel"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errCause = errors.New("the caller gave up")

// lender counts loans.
type lender struct{ lent, back int }

func (l *lender) Lend() func() {
	l.lent++
	return func() { l.back++ }
}

func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{}
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), plan.LenderKey{}, l))
		ch, gone := make(chan int, 1), make(chan struct{})
		require.NoError(t, channel.Send(ctx, ch, 1, gone))
		assert.Zero(t, l.lent, "there is room")
		done := make(chan error, 1)
		go func() { done <- channel.Send(ctx, ch, 2, gone) }()
		synctest.Wait()
		assert.Equal(t, lender{lent: 1}, *l)
		assert.Equal(t, 1, <-ch)
		require.NoError(t, <-done)
		assert.Equal(t, lender{lent: 1, back: 1}, *l)

		go func() { done <- channel.Send(ctx, ch, 3, gone) }()
		synctest.Wait()
		close(gone)
		require.ErrorIs(t, <-done, channel.ErrGone)
		assert.Equal(t, 2, <-ch)
		require.ErrorIs(t, channel.Send(ctx, ch, 4, gone), channel.ErrGone, "though there is room")

		require.NoError(t, channel.Send(ctx, ch, 5, nil))
		go func() { done <- channel.Send(ctx, ch, 6, nil) }()
		synctest.Wait()
		cancel(errCause)
		require.ErrorIs(t, <-done, errCause)
		assert.Equal(t, 5, <-ch)
		require.ErrorIs(t, channel.Send(ctx, ch, 7, nil), errCause, "though there is room")
		assert.Empty(t, ch)
	})
}

func TestValues(t *testing.T) {
	ch := make(chan any, 10)
	for _, v := range []any{1, "two", 3, nil, int64(5), 6} {
		ch <- v
	}
	values := channel.NewValues[int](ch)
	var c stage.Chunk[int]
	require.NoError(t, values.Take(t.Context(), &c, 4))
	assert.Equal(t, []int{1, 3}, c.Items)
	require.Len(t, c.Errors, 2)
	assert.Equal(t, stage.ItemError{Index: 1, Before: 1, Input: "two", At: stage.Position{Record: 1}, Err: c.Errors[0].Err}, *c.Errors[0])
	assert.EqualError(t, c.Errors[0], "item 1: the value is string, want int")
	assert.EqualError(t, c.Errors[1], "item 3: the value is <nil>, want int")
	close(ch)
	require.ErrorIs(t, values.Take(t.Context(), &c, 10), io.EOF)
	assert.Equal(t, []int{6}, c.Items)
	require.Len(t, c.Errors, 1)
	assert.EqualError(t, c.Errors[0], "item 4: the value is int64, want int")
}

// A nil value is one of any interface, and of nothing else.
func TestValuesNil(t *testing.T) {
	ch := make(chan any, 2)
	ch <- nil
	ch <- errCause
	var c stage.Chunk[error]
	require.NoError(t, channel.NewValues[error](ch).Take(t.Context(), &c, 10))
	assert.Equal(t, []error{nil, errCause}, c.Items)
	ch <- nil
	var p stage.Chunk[*int]
	require.NoError(t, channel.NewValues[*int](ch).Take(t.Context(), &p, 10))
	assert.Empty(t, p.Items)
	assert.Len(t, p.Errors, 1)
}
