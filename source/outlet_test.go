package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog" //nolint:depguard // go-streams takes no other logger
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var (
	errOutlet = errors.New("the outlet is broken")
	errCause  = errors.New("the caller gave up")
	quiet     = extension.WithLogger(slog.New(slog.DiscardHandler))
)

// outlet is one of go-streams in the simplest form, with an error.
type outlet struct {
	ch  chan any
	err error
}

func (o *outlet) Out() <-chan any { return o.ch }
func (o *outlet) Err() error      { return o.err }

// sends is what opens an outlet that sends values until its context ends, and notes
// in *ended that it did.
func sends(ended *bool, values ...any) func(context.Context) (streams.Outlet, error) {
	return func(ctx context.Context) (streams.Outlet, error) {
		o := &outlet{ch: make(chan any)}
		*ended = false
		go func() {
			defer close(o.ch)
			defer func() { *ended = true }()
			for _, v := range values {
				select {
				case o.ch <- v:
				case <-ctx.Done():
					return
				}
			}
		}()
		return o, nil
	}
}

// ranged ranges over a stream to its end.
func ranged[T any](ctx context.Context, s stage.Stream[T]) (items []T, errs []string) {
	for v, err := range s.All(ctx) {
		if err != nil {
			errs = append(errs, err.Error())
		} else {
			items = append(items, v)
		}
	}
	return items, errs
}

// It gives what a loop over the channel does, whatever the chunks.
func TestFromOutletIsTheLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Int().AsAny(), rapid.SampledFrom([]any{"a", nil, 1.5})), 0, 50).Draw(t, "values")
		buffer := rapid.IntRange(0, 10).Draw(t, "buffer")
		chunk := rapid.IntRange(0, 7).Draw(t, "chunk")
		s := source.FromOutlet[int](func(context.Context) (streams.Outlet, error) {
			ch := make(chan any, buffer)
			go func() {
				defer close(ch)
				for _, v := range values {
					ch <- v
				}
			}()
			return extension.NewChanSource(ch).Via(flow.NewPassThrough()), nil
		})
		var items []int
		var errs []string
		for i, v := range values {
			if n, ok := v.(int); ok {
				items = append(items, n)
			} else {
				errs = append(errs, fmt.Sprintf("FromOutlet: item %d: the value is %T, want int", i, v))
			}
		}
		for range 2 { // a plan can be run again
			got, failed := ranged(t.Context(), s)
			require.Equal(t, items, got)
			require.Equal(t, errs, failed)
			got, failed = ranged(t.Context(), pool.Imap(pool.New(2), s, stage.Pure(func(v int) int { return v }), pool.ChunkSize(chunk)))
			require.Equal(t, items, got)
			require.Equal(t, errs, failed)
		}
	})
}

func TestFromOutletReadsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in.txt")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("line\n", 1000)), 0o600))
	s := source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
		return extension.NewFileSource(path, extension.WithContext(ctx), quiet).
			Via(flow.NewMap(func(line string) int { return len(line) }, 1)), nil
	})
	total, err := s.Collect(t.Context())
	require.NoError(t, err)
	assert.Len(t, total, 1000)
	assert.Equal(t, 4, total[999])
}

func TestFromOutletIsLazy(t *testing.T) {
	var opened int
	var during func() error
	s := source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
		opened++
		during = ctx.Err
		ended := false
		return sends(&ended, 1, 2)(ctx)
	}).Filter(func(int) bool { return during() == nil })
	assert.Zero(t, opened)
	for i := range 3 {
		items, errs := ranged(t.Context(), s)
		assert.Equal(t, []int{1, 2}, items)
		assert.Empty(t, errs)
		assert.Equal(t, i+1, opened)
		require.Error(t, during(), "its context has ended")
	}
}

// What is there is handed on at once, and nothing is lost by who gives up waiting.
func TestFromOutletNeverWaitsToFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outlet{ch: make(chan any, 10)}
		p, err := source.FromOutlet[int](func(context.Context) (streams.Outlet, error) { return o, nil }).Open(t.Context())
		require.NoError(t, err)
		o.ch <- 1
		o.ch <- 2
		var c stage.Chunk[int]
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
		assert.Equal(t, []int{1, 2}, c.Items)
		assert.Equal(t, []stage.Token{{First: 0, N: 2}}, c.Tokens)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Pull(ctx, &c, stage.Limit{}) }()
		synctest.Wait()
		cancel(errCause)
		require.ErrorIs(t, <-done, errCause)
		o.ch <- "3"
		o.ch <- 4
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
		assert.Equal(t, []int{4}, c.Items)
		require.Len(t, c.Errors, 1)
		assert.Equal(t, int64(2), c.Errors[0].Index)
		assert.Equal(t, []stage.Token{{At: stage.Position{Record: 2}, First: 2, N: 2}}, c.Tokens)
		o.ch <- 5
		close(o.ch)
		require.ErrorIs(t, p.Pull(t.Context(), &c, stage.Limit{}), io.EOF)
		assert.Equal(t, []int{5}, c.Items)
		assert.Equal(t, []stage.Token{{At: stage.Position{Record: 4}, First: 4, N: 1}}, c.Tokens)
		require.NoError(t, p.Close())
	})
}

func values(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// R5: when control returns the outlet has ended, wherever the stream is left.
func TestFromOutletIsLeftEarly(t *testing.T) {
	for at := range 12 {
		ended := false
		n := 0
		for v, err := range source.FromOutlet[int](sends(&ended, values(20)...)).All(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, n, v)
			if n++; n > at {
				break
			}
		}
		assert.True(t, ended)
	}
}

// The outlet closes its channel when the context ends, and that is no end of the
// items.
func TestFromOutletIsCancelled(t *testing.T) {
	for at := range 12 {
		ended := false
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		n := 0
		var errs []error
		for v, err := range source.FromOutlet[int](sends(&ended, values(20)...)).All(ctx) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			require.Equal(t, n, v)
			if n++; n > at {
				cancel(errCause)
			}
		}
		require.Equal(t, []error{errCause}, errs)
		assert.True(t, ended)
	}
}

// Nor is it one for a pull with a context of its own.
func TestFromOutletIsCancelledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		p, err := source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
			o := &outlet{ch: make(chan any)}
			context.AfterFunc(ctx, func() { close(o.ch) })
			return o, nil
		}).Open(ctx)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			var c stage.Chunk[int]
			done <- p.Pull(t.Context(), &c, stage.Limit{})
		}()
		synctest.Wait()
		cancel(errCause)
		require.ErrorIs(t, <-done, errCause)
		require.NoError(t, p.Close())
	})
}

// One that does not look at its context, as a file, is read to its end.
func TestFromOutletDrainsWhatIgnoresItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in.txt")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("line\n", 1000)), 0o600))
	var out <-chan any
	s := source.FromOutlet[string](func(context.Context) (streams.Outlet, error) {
		f := extension.NewFileSource(path, quiet)
		out = f.Out()
		return f, nil
	})
	line, err := s.First(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "line", line)
	_, open := <-out
	assert.False(t, open)
}

// One that does not and never ends is waited for; a shutdown leaves it behind.
func TestFromOutletHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outlet{ch: make(chan any, 3)}
		o.ch <- 1
		stop, ended := context.WithCancel(t.Context())
		var returned atomic.Bool
		done := make(chan error, 1)
		go func() {
			_, err := stage.Run(t.Context(), source.FromOutlet[int](func(context.Context) (streams.Outlet, error) { return o, nil }),
				sink.Discard[int](), stage.Shutdown(stop, time.Minute))
			returned.Store(true)
			done <- err
		}()
		synctest.Wait()
		ended()
		synctest.Wait()
		assert.False(t, returned.Load(), "it waits for the outlet")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.False(t, returned.Load(), "within the grace")
		var late *stage.StoppedError
		require.ErrorAs(t, <-done, &late)
		assert.True(t, late.Abandoned)
		close(o.ch)
	})
}

func TestFromOutletTakesNilAsAnInterface(t *testing.T) {
	ended := false
	items, errs := ranged(t.Context(), source.FromOutlet[any](sends(&ended, 1, nil, "a")))
	assert.Equal(t, []any{1, nil, "a"}, items)
	assert.Empty(t, errs)
}

// noChannel is an outlet without a channel.
type noChannel struct{}

func (noChannel) Out() <-chan any { return nil }

// Whatever becomes of open, its context ends, and a run says why.
func TestFromOutletCannotOpen(t *testing.T) {
	for name, c := range map[string]struct {
		open func() (streams.Outlet, error)
		want string
	}{
		"error":   {func() (streams.Outlet, error) { return nil, errOutlet }, "source: outlet: the outlet is broken"},
		"panic":   {func() (streams.Outlet, error) { panic(errOutlet) }, "FromOutlet: panic: the outlet is broken"},
		"nothing": {func() (streams.Outlet, error) { return nil, nil }, "source: outlet: open returned neither an outlet nor an error"}, //nolint:nilnil // what is tested
		"channel": {func() (streams.Outlet, error) { return noChannel{}, nil }, "source: outlet: the outlet has no channel"},
		"nil":     {func() (streams.Outlet, error) { return (*outlet)(nil), nil }, "FromOutlet: panic: runtime error: invalid memory address or nil pointer dereference"},
	} {
		t.Run(name, func(t *testing.T) {
			var during func() error
			_, errs := ranged(t.Context(), source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
				during = ctx.Err
				return c.open()
			}))
			require.Equal(t, []string{c.want}, errs)
			require.Error(t, during())
		})
	}
	t.Run("Goexit", func(t *testing.T) {
		var during func() error
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
				during = ctx.Err
				runtime.Goexit()
				return nil, nil //nolint:nilnil // not reached
			}).Count(t.Context())
		}()
		<-done
		require.Error(t, during())
	})
}

// An outlet that can say what it ended with is asked.
func TestFromOutletFails(t *testing.T) {
	o := &outlet{ch: make(chan any, 3), err: errOutlet}
	o.ch <- 1
	o.ch <- 2
	close(o.ch)
	items, errs := ranged(t.Context(), source.FromOutlet[int](func(context.Context) (streams.Outlet, error) { return o, nil }))
	assert.Equal(t, []int{1, 2}, items)
	assert.Equal(t, []string{"source: outlet: item 2: the outlet is broken"}, errs)
}

// A flow of ours says why it ended.
func TestFromOutletOfAFlow(t *testing.T) {
	s := source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
		ended := false
		o, err := sends(&ended, values(10)...)(ctx)
		if err != nil {
			return nil, err
		}
		f := pool.Flow(ctx, nil, func(_ context.Context, v int) (int, error) {
			if v == 4 {
				return 0, errOutlet
			}
			return 10 * v, nil
		})
		flow.DoStream(o, f)
		return f, nil
	})
	var items []int
	var last error
	for v, err := range s.All(t.Context()) {
		if last = err; err == nil {
			items = append(items, v)
		}
	}
	assert.Equal(t, []int{0, 10, 20, 30}, items)
	require.ErrorIs(t, last, errOutlet)
}

// R9: a task that waits for an outlet lends its worker, also while it closes it.
func TestFromOutletLendsTheWorker(t *testing.T) {
	p := pool.New(1)
	for _, leave := range []int{1000, 3} {
		var calls atomic.Int64
		n, err := pool.Apply(t.Context(), p, func(ctx context.Context) (n int, err error) {
			s := source.FromOutlet[int](func(ctx context.Context) (streams.Outlet, error) {
				ended := false
				o, err := sends(&ended, values(20)...)(ctx)
				if err != nil {
					return nil, err
				}
				f := pool.Flow(context.WithoutCancel(ctx), p, func(_ context.Context, v int) (int, error) {
					calls.Add(1)
					return v, nil
				}, pool.InFlight(2))
				flow.DoStream(o, f)
				return f, nil
			})
			for _, err := range s.All(ctx) {
				if err != nil {
					return n, err
				}
				if n++; n == leave {
					break
				}
			}
			return n, nil
		})
		require.NoError(t, err)
		assert.Equal(t, min(leave, 20), n)
		assert.GreaterOrEqual(t, calls.Load(), int64(n))
	}
}

func TestFromOutletChecksItsArgument(t *testing.T) {
	assert.PanicsWithValue(t, "penstock: source.FromOutlet: open is nil", func() { source.FromOutlet[int](nil) })
}
