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

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// deaf are the places in which a run may be stuck with what looks at no context.
var deaf = map[string]func(s stage.Stream[int64], hang func(int64)) stage.Stream[int64]{
	"Map": func(s stage.Stream[int64], hang func(int64)) stage.Stream[int64] {
		return stage.Map(s, stage.Pure(func(v int64) int64 { hang(v); return v }))
	},
	"Filter": func(s stage.Stream[int64], hang func(int64)) stage.Stream[int64] {
		return s.Filter(func(v int64) bool { hang(v); return true })
	},
	"Imap": func(s stage.Stream[int64], hang func(int64)) stage.Stream[int64] {
		return pool.Imap(nil, s, stage.Pure(func(v int64) int64 { hang(v); return v }), pool.ChunkSize(1))
	},
	"ImapUnordered": func(s stage.Stream[int64], hang func(int64)) stage.Stream[int64] {
		return pool.ImapUnordered(nil, s, stage.Pure(func(v int64) int64 { hang(v); return v }), pool.ChunkSize(2))
	},
	"source": func(_ stage.Stream[int64], hang func(int64)) stage.Stream[int64] {
		return stage.New("Deaf", func(context.Context) (stage.Puller[int64], error) { return &deafSource{hang: hang}, nil })
	},
	"sink": func(s stage.Stream[int64], _ func(int64)) stage.Stream[int64] { return s },
}

type deafSource struct {
	hang func(int64)
	next int64
}

func (d *deafSource) Pull(_ context.Context, into *stage.Chunk[int64], _ stage.Limit) error {
	into.Reset()
	d.hang(d.next)
	into.Items = append(into.Items, d.next)
	d.next++
	return nil
}

func (*deafSource) Close() error { return nil }

// A run whose function, source or sink hangs returns on time, and what comes back
// later is neither written nor published nor saved.
func TestShutdownKeepsItsDeadline(t *testing.T) {
	for name, through := range deaf {
		for _, saves := range []bool{false, true} {
			if saves && name == "source" {
				continue // it cannot resume
			}
			for _, g := range []struct{ grace, patience time.Duration }{
				{2 * time.Second, 2 * time.Second}, {1, 500 * time.Millisecond}, {time.Minute, 5 * time.Second},
			} {
				t.Run(fmt.Sprintf("%s/%v", name, g.grace), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { abandons(t, name, through, saves, g.grace, g.patience) })
				})
			}
		}
	}
}

func abandons(
	t *testing.T, name string, through func(stage.Stream[int64], func(int64)) stage.Stream[int64], saves bool,
	grace, patience time.Duration,
) {
	t.Helper()
	const hour = time.Hour
	stop, please := context.WithCancelCause(t.Context())
	free := make(chan struct{})
	hang := func(v int64) {
		if v == 5 {
			<-free
		}
	}
	var (
		mu     sync.Mutex
		got    []int64
		closed []error
	)
	sink := &recording{
		write: func(c *stage.Chunk[int64]) error {
			if name == "sink" && len(c.Items) > 0 && c.Items[0] >= 5 {
				<-free
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, c.Items...)
			return nil
		},
		close: func(cause error) {
			mu.Lock()
			defer mu.Unlock()
			closed = append(closed, cause)
		},
	}
	opts := []stage.RunOption{stage.Shutdown(stop, grace)}
	var store memoryStore
	if saves {
		opts = append(opts, stage.Checkpoint(&store, time.Minute))
	}
	time.AfterFunc(hour, func() { please(errPlease) })
	began := time.Now()
	sum, err := stage.Run(t.Context(), through(numbersTo(10, 10, nil), hang), sink, opts...)
	took := time.Since(began)

	var stopped *stage.StoppedError
	require.ErrorAs(t, err, &stopped)
	require.ErrorIs(t, err, errPlease)
	require.ErrorIs(t, err, stage.ErrStopped)
	assert.True(t, stopped.Abandoned)
	assert.False(t, stopped.Saved)
	assert.Equal(t, hour+grace+patience, took)
	assert.ErrorContains(t, err, "was abandoned")
	mu.Lock()
	before := len(got)
	assert.EqualValues(t, before, sum.Written)
	assert.Empty(t, closed)
	mu.Unlock()

	close(free)
	synctest.Wait()
	mu.Lock()
	defer mu.Unlock()
	if name != "sink" {
		assert.Len(t, got, before, "something was written afterwards")
	}
	require.Len(t, closed, 1)
	require.ErrorIs(t, closed[0], stage.ErrStopped)
	assert.False(t, store.open)
}

// A run that ends with Goexit ends the goroutine that called Run, and a panic of what
// is not the sink's or a function's arrives there.
func TestShutdownEndsAsTheRunDoes(t *testing.T) {
	ended := make(chan bool)
	go func() {
		returned := false
		defer func() { ended <- returned }()
		sink := &recording{write: func(*stage.Chunk[int64]) error { runtime.Goexit(); return nil }, close: func(error) {}}
		_, _ = stage.Run(t.Context(), numbersTo(10, 10, nil), sink, stage.Shutdown(t.Context(), 0))
		returned = true
	}()
	assert.False(t, <-ended)
}

// A context that others end is waited for: R5.
func TestCancellingWaitsForAFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		began := time.Now()
		s := stage.Map(numbersTo(3, 3, nil), stage.Pure(func(v int64) int64 { time.Sleep(time.Hour); return v }))
		sink := &recording{write: func(*stage.Chunk[int64]) error { return nil }, close: func(error) {}}
		_, err := stage.Run(ctx, s, sink, stage.Shutdown(t.Context(), time.Second))
		require.ErrorIs(t, err, gone)
		assert.Equal(t, time.Hour, time.Since(began))
	})
}
