package stage_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func seconds(v int64) time.Time { return time.Unix(v, 0) }

func inOrder() stage.TimeOf[int64] { return stage.EventTime(seconds, 0) }

func single(int64) string { return "all" }

// A window of arrival time comes when it ends, though the stream is idle.
func TestArrivalWindowsComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ch := make(chan int64)
		go func() {
			defer close(ch)
			for i, wait := range []time.Duration{time.Second, 2 * time.Second, 40 * time.Second, time.Second} {
				time.Sleep(wait)
				ch <- int64(i)
			}
			time.Sleep(100 * time.Second)
		}()
		began := time.Now()
		var got []string
		s := stage.Tumbling(source.Chan(ch), stage.ArrivalTime[int64](), 10*time.Second, single, sums())
		for r, err := range s.All(ctx) {
			require.NoError(t, err)
			got = append(got, fmt.Sprint(time.Since(began), " ", r.Start.Sub(began), " ", r.End.Sub(began), " ", r.Items, " ", r.Value))
		}
		assert.Equal(t, []string{"10s 0s 10s 2 1", "50s 40s 50s 2 5"}, got)
	})
}

func TestArrivalSessionsComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got []string
		s := stage.Session(source.Chan(numbersIn(t.Context(), time.Second, 2*time.Second, 9*time.Second, time.Second)),
			stage.ArrivalTime[int64](), 5*time.Second, single, sums())
		for r, err := range s.All(t.Context()) {
			require.NoError(t, err)
			got = append(got, fmt.Sprint(time.Since(began), " ", r.Start.Sub(began), " ", r.Items))
		}
		// The second comes with the end of the stream.
		assert.Equal(t, []string{"8s 1s 2", "13s 12s 2"}, got)
	})
}

// numbersIn sends the numbers from 0 on, each after a wait.
func numbersIn(ctx context.Context, waits ...time.Duration) <-chan int64 {
	ch := make(chan int64)
	go func() {
		defer close(ch)
		for i, wait := range waits {
			time.Sleep(wait)
			select {
			case ch <- int64(i):
			case <-ctx.Done():
				return
			}
		}
	}()
	return ch
}

// handClock goes when it is told to.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*handTimer]bool
}

type handTimer struct {
	at time.Time
	f  func()
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{c.now.Add(d), f}
	c.timers[t] = true
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		was := c.timers[t]
		delete(c.timers, t)
		return was
	}
}

// forward lets time pass.
func (c *handClock) forward(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	for t := range c.timers {
		if !t.at.After(c.now) {
			due = append(due, t.f)
			delete(c.timers, t)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}

// oneByOne is a source of chunks of one item.
type oneByOne func(context.Context) (int64, error)

func (next oneByOne) Pull(ctx context.Context, into *stage.Chunk[int64], _ stage.Limit) error {
	into.Reset()
	v, err := next(ctx)
	if err == nil {
		into.Items = append(into.Items, v)
	}
	return err
}

func (oneByOne) Close() error { return nil }

// All that waits goes by the clock that it is given.
func TestOnClock(t *testing.T) {
	clock := &handClock{now: time.Unix(1000, 0), timers: map[*handTimer]bool{}}
	on := stage.OnClock(clock)
	forward := func(d time.Duration) func(context.Context) (int64, error) {
		n := int64(0)
		return func(ctx context.Context) (int64, error) {
			if n++; n%2 == 0 { // the clock goes while the source has nothing
				clock.forward(d)
				if ctx.Err() != nil {
					return 0, context.Cause(ctx)
				}
			}
			return n, nil
		}
	}
	windows, err := stage.Tumbling(source.Func(forward(15*time.Second)).Take(3), stage.ArrivalTime[int64](on), 10*time.Second, single, sums()).Collect(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, windows)
	assert.Equal(t, time.Unix(1000, 0).UTC(), windows[0].Start)
	assert.Equal(t, int64(1), windows[0].Items)

	slow := stage.New("slow", func(context.Context) (stage.Puller[int64], error) { return oneByOne(forward(time.Minute)), nil })
	batches, err := stage.BatchWait(slow.Take(4), 10, time.Second, on).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "[[1] [3] [5] [7]]", fmt.Sprint(batches))

	began := clock.Now()
	ctx, cancel := context.WithCancel(t.Context())
	var ticking sync.WaitGroup
	ticking.Go(func() {
		for ctx.Err() == nil {
			clock.forward(time.Second)
			runtime.Gosched()
		}
	})
	got, err := source.Slice([]int64{1, 2, 3}).Throttle(0.2, 1, on).Collect(t.Context())
	cancel()
	ticking.Wait()
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 2, 3}, got)
	assert.GreaterOrEqual(t, clock.Now().Sub(began), 10*time.Second)
}

// lateOf are the late, the filtered and the failed items of a run's windows.
func lateOf(sum stage.Summary) []int64 {
	for _, s := range sum.Stages {
		if s.Op == "Tumbling" {
			return []int64{s.Late, s.Filtered, s.Failed}
		}
	}
	return nil
}

func TestLateItemsHaveAPlace(t *testing.T) {
	in := source.Slice([]int64{1, 5, 21, 3, 25, 9, 40})
	var late []int64
	tumbling := func(opts ...stage.WindowOption) stage.Stream[stage.WindowResult[string, int64]] {
		return stage.Tumbling(in, inOrder(), 10*time.Second, single, sums(), opts...)
	}
	sum, err := stage.Run(t.Context(), tumbling(stage.OnLate(func(v int64) { late = append(late, v) })), sink.Discard[stage.WindowResult[string, int64]]())
	require.NoError(t, err)
	assert.Equal(t, []int64{3, 9}, late)
	assert.Equal(t, int64(3), sum.Written)
	assert.Equal(t, []int64{2, 2, 0}, lateOf(sum))
	sum, err = stage.Run(t.Context(), tumbling(stage.FailLate()), sink.Discard[stage.WindowResult[string, int64]](), stage.Continue(0))
	require.NoError(t, err)
	assert.Equal(t, []int64{2, 0, 2}, lateOf(sum))
	assert.Contains(t, sum.String(), "late")

	failed := 0
	for _, err := range tumbling(stage.FailLate()).All(t.Context()) {
		if err != nil {
			require.ErrorIs(t, err, stage.ErrLate)
			item, ok := errors.AsType[*stage.ItemError](err)
			require.True(t, ok)
			assert.Contains(t, []any{int64(3), int64(9)}, item.Input)
			failed++
		}
	}
	assert.Equal(t, 2, failed)
}

func TestOpenWindowsAreBounded(t *testing.T) {
	in := source.Slice([]int64{1, 2, 11, 12, 21})
	for _, s := range []stage.Stream[stage.WindowResult[string, int64]]{
		stage.Tumbling(in, stage.EventTime(seconds, time.Hour), 10*time.Second, single, sums(), stage.MaxWindows(2)),
		stage.Session(in, stage.EventTime(seconds, time.Hour), 5*time.Second, single, sums(), stage.MaxWindows(2)),
	} {
		results, err := s.Collect(t.Context())
		require.EqualError(t, err, s.Plan().Op+": more than 2 open windows (see MaxWindows)")
		assert.Nil(t, results)
	}
}

func TestMergeThatFailsEndsTheStream(t *testing.T) {
	bad := errors.New("too large")
	fold := sums()
	fold.Merge = func(int64, int64) (int64, error) { return 0, bad }
	in := source.Slice([]int64{1, 9, 5})
	_, err := stage.Session(in, stage.EventTime(seconds, time.Hour), 5*time.Second, single, fold).Collect(t.Context())
	require.ErrorIs(t, err, bad)
	assert.EqualError(t, err, "Session: merge of two sessions of all: too large")
}

func TestEventTimesOutOfRangeFail(t *testing.T) {
	when := stage.EventTime(func(v int64) time.Time { return time.Time{}.AddDate(int(v), 0, 0) }, 0)
	var got []string
	for r, err := range stage.Tumbling(source.Slice([]int64{0, 2000, 9000}), when, 24*time.Hour, single, sums()).All(t.Context()) {
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, fmt.Sprint(r.Start, r.Items))
		}
	}
	require.Len(t, got, 3)
	assert.Equal(t, "Tumbling: item 0: event time 0001-01-01 00:00:00 +0000 UTC: want one from 1800 to 2150", got[0])
	assert.Contains(t, got[1], "Tumbling: item 2: event time 9001")
	assert.Contains(t, got[2], "2001-01-01 00:00:00 +0000 UTC")
}

func TestArgumentsOfWindows(t *testing.T) {
	var none stage.Stream[int64]
	panics := func(message string, fn func()) {
		t.Helper()
		assert.PanicsWithValue(t, message, fn)
	}
	const second = time.Second
	panics("penstock: stage.EventTime: at is nil", func() { stage.EventTime[int64](nil, 0) })
	panics("penstock: stage.EventTime: disorder is -1ns, want 0 or more", func() { stage.EventTime(seconds, -1) })
	panics("penstock: stage.Tumbling: size is 0s, want more than 0 and at most 100 years", func() { stage.Tumbling(none, inOrder(), 0, single, sums()) })
	panics("penstock: stage.Tumbling: when is nil", func() { stage.Tumbling(none, stage.TimeOf[int64]{}, second, single, sums()) })
	panics("penstock: stage.Tumbling: key is nil", func() { stage.Tumbling[int64, int](none, inOrder(), second, nil, sums()) })
	panics("penstock: stage.Tumbling: fold.New is nil", func() { stage.Tumbling(none, inOrder(), second, single, stage.Fold[int64, int64]{}) })
	panics("penstock: stage.Tumbling: option is nil", func() { stage.Tumbling(none, inOrder(), second, single, sums(), nil) })
	panics("penstock: stage.Tumbling: OnLate has a func(string), want a func(int64)", func() {
		stage.Tumbling(none, inOrder(), second, single, sums(), stage.OnLate(func(string) {}))
	})
	panics("penstock: stage.Sliding: step is 2s, want at most 1s, which size is", func() { stage.Sliding(none, inOrder(), second, 2*second, single, sums()) })
	panics("penstock: stage.Session: gap is -1s, want more than 0 and at most 100 years", func() { stage.Session(none, inOrder(), -second, single, sums()) })
	panics("penstock: stage.OnLate: fn is nil", func() { stage.OnLate[int](nil) })
	panics("penstock: stage.AllowedLateness: d is -1ns, want 0 or more", func() { stage.AllowedLateness(-1) })
	panics("penstock: stage.MaxWindows: n is 0, want 1 or more", func() { stage.MaxWindows(0) })
}
