package source

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

func TestChanTakesWhatIsThere(t *testing.T) {
	ch := make(chan int, 10)
	p := open(t, Chan(ch))
	var c stage.Chunk[int]
	for i := range 5 {
		ch <- i
	}
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 3}))
	assert.Equal(t, []int{0, 1, 2}, c.Items)
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 3}))
	assert.Equal(t, []int{3, 4}, c.Items, "it does not wait for a full chunk")
	assert.Equal(t, []stage.Token{{At: stage.Position{Record: 3}, First: 3, N: 2}}, c.Tokens)
	ch <- 5
	close(ch)
	require.ErrorIs(t, p.Pull(t.Context(), &c, stage.Limit{Items: 3}), io.EOF)
	assert.Equal(t, []int{5}, c.Items)
	require.ErrorIs(t, p.Pull(t.Context(), &c, stage.Limit{Items: 3}), io.EOF)
	assert.Empty(t, c.Items)
}

func TestChanWaitsForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		p := open(t, Chan(ch))
		var c stage.Chunk[int]
		done := make(chan error, 1)
		go func() { done <- p.Pull(t.Context(), &c, stage.Limit{}) }()
		synctest.Wait()
		assert.Empty(t, done)
		ch <- 1
		require.NoError(t, <-done)
		assert.Equal(t, []int{1}, c.Items)
		go func() { done <- p.Pull(t.Context(), &c, stage.Limit{}) }()
		synctest.Wait()
		close(ch)
		require.ErrorIs(t, <-done, io.EOF)
	})
}

func TestChanGivenUpLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int, 1)
		p := open(t, Chan(ch))
		ctx, cancel := context.WithCancelCause(t.Context())
		var c stage.Chunk[int]
		done := make(chan error, 1)
		go func() { done <- p.Pull(ctx, &c, stage.Limit{}) }()
		synctest.Wait()
		cancel(errBoom)
		require.ErrorIs(t, <-done, errBoom)
		ch <- 1
		require.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{}), errBoom, "and takes nothing after the end")
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
		assert.Equal(t, []int{1}, c.Items)
	})
}

// lender counts loans.
type lender struct{ lent, back int }

func (l *lender) Lend() func() {
	l.lent++
	return func() { l.back++ }
}

// R9: a wait inside a task lends the task's slot.
func TestChanLendsWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{}
		ctx := context.WithValue(t.Context(), plan.LenderKey{}, l)
		ch := make(chan int, 2)
		p := open(t, Chan(ch))
		var c stage.Chunk[int]
		ch <- 1
		require.NoError(t, p.Pull(ctx, &c, stage.Limit{}))
		assert.Zero(t, l.lent, "what is there is taken without a wait")
		done := make(chan error, 1)
		go func() { done <- p.Pull(ctx, &c, stage.Limit{}) }()
		synctest.Wait()
		assert.Equal(t, lender{lent: 1}, *l)
		ch <- 2
		require.NoError(t, <-done)
		assert.Equal(t, lender{lent: 1, back: 1}, *l)
	})
}
