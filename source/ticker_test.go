package source_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func TestTickerTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for tick, err := range source.Ticker(time.Minute).All(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, time.Now(), tick)
			if tick.Sub(start) == 5*time.Minute {
				break
			}
			require.Zero(t, tick.Sub(start)%time.Minute)
		}
		require.Equal(t, 5*time.Minute, time.Since(start))
	})
}

// A consumer that is away gets the last tick that it missed, at once, and no other.
func TestTickerDropsWhatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p, err := source.Ticker(time.Second).Open(t.Context())
		require.NoError(t, err)
		var c stage.Chunk[time.Time]
		var got, waited []time.Duration
		for _, away := range []time.Duration{0, 500 * time.Millisecond, 3700 * time.Millisecond, 0} {
			time.Sleep(away)
			began := time.Now()
			require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 10}))
			require.Len(t, c.Items, 1)
			require.Len(t, c.Tokens, 1)
			require.Equal(t, int64(len(got)), c.Tokens[0].First)
			got = append(got, c.Items[0].Sub(start))
			waited = append(waited, time.Since(began))
		}
		require.NoError(t, p.Close())
		require.Equal(t, []time.Duration{1 * time.Second, 2 * time.Second, 5 * time.Second, 6 * time.Second}, got)
		require.Equal(t, []time.Duration{time.Second, 500 * time.Millisecond, 0, 300 * time.Millisecond}, waited)
	})
}

func TestTickerEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		p, err := source.Ticker(time.Second).Open(t.Context())
		require.NoError(t, err)
		go func() {
			time.Sleep(time.Second / 2)
			cancel(why)
		}()
		var c stage.Chunk[time.Time]
		require.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{}), why)
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}), "a pull that was given up loses nothing")
		require.Len(t, c.Items, 1)
		require.NoError(t, p.Close())
	})
}

// handClock is a clock that is moved by hand.
type handClock struct {
	now time.Time
}

func (c *handClock) Now() time.Time { return c.now }

func (c *handClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.now = c.now.Add(d)
	f()
	return func() bool { return false }
}

func TestTickerGoesByAClock(t *testing.T) {
	clock := &handClock{now: time.Unix(0, 0)}
	p, err := source.Ticker(time.Hour, source.OnClock(clock)).Open(t.Context())
	require.NoError(t, err)
	var c stage.Chunk[time.Time]
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
	require.Equal(t, time.Unix(3600, 0), c.Items[0])
	clock.now = time.Unix(0, 0) // it is set back
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
	require.Equal(t, time.Unix(7200, 0), c.Items[0])
	require.Equal(t, time.Unix(7200, 0), clock.now)
	require.NoError(t, p.Close())
}

func TestTickerCannotGoOn(t *testing.T) {
	store := checkpoint.File(t.TempDir() + "/checkpoint")
	_, err := stage.Run(t.Context(), source.Ticker(time.Second), sink.Discard[time.Time](), stage.Checkpoint(store, time.Second))
	require.ErrorIs(t, err, source.ErrNoResume)
	require.ErrorContains(t, err, "Ticker: a run with a checkpoint could not go on")
}

func TestTickerChecksItsArguments(t *testing.T) {
	require.PanicsWithValue(t, "penstock: source.Ticker: interval is 0s, want more than 0", func() { source.Ticker(0) })
	require.PanicsWithValue(t, "penstock: source.OnClock: clock is nil", func() { source.OnClock(nil) })
	require.PanicsWithValue(t, "penstock: source.Ticker: MaxRecord is no option of a live source", func() {
		source.Ticker(time.Second, source.MaxRecord(1))
	})
}
