package sink_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog" //nolint:depguard // go-streams takes no other logger
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var (
	errInlet = errors.New("the inlet is broken")
	errCause = errors.New("the caller gave up")
	quiet    = extension.WithLogger(slog.New(slog.DiscardHandler))
)

// inlet is a sink of go-streams that keeps what it is sent, and can do more.
type inlet struct {
	in   chan any
	done chan struct{}
	got  []any
	end  func() // called when all has been taken; nil: nothing
	wait func() // called by AwaitCompletion; nil: nothing
	err  error
}

func newInlet() *inlet { return &inlet{in: make(chan any), done: make(chan struct{})} }

func (i *inlet) start() *inlet {
	go func() {
		defer close(i.done)
		for v := range i.in {
			i.got = append(i.got, v)
		}
		if i.end != nil {
			i.end()
		}
	}()
	return i
}

func (i *inlet) In() chan<- any { return i.in }
func (i *inlet) Err() error     { return i.err }

func (i *inlet) AwaitCompletion() {
	<-i.done
	if i.wait != nil {
		i.wait()
	}
}

// to is the sink of an inlet that is made already.
func to(i streams.Inlet, opts ...sink.InletOption) stage.Sink[int] {
	return sink.ToInlet[int](func(context.Context, context.CancelFunc) (streams.Inlet, error) { return i, nil }, opts...)
}

// The inlet gets what a loop would send, whatever the chunks, and the run returns when
// it has completed.
func TestToInletIsTheLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.Int()).Draw(t, "items")
		want := make([]any, 0, len(items))
		for _, v := range items {
			want = append(want, v)
		}
		opened := 0
		var last *inlet
		s := sink.ToInlet[int](func(context.Context, context.CancelFunc) (streams.Inlet, error) {
			opened++
			last = newInlet().start()
			return last, nil
		})
		require.Zero(t, opened)
		for i := range 2 { // a plan can be run again
			sum, err := stage.Run(t.Context(), source.Slice(items), s)
			require.NoError(t, err)
			require.Equal(t, int64(len(items)), sum.Written)
			require.Equal(t, want, append([]any{}, last.got...))
			require.Equal(t, i+1, opened)
		}
	})
}

func TestToInletWritesFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.txt")
	lines := stage.Map(source.Range(0, 1000), stage.Pure(func(i int) string { return fmt.Sprintln("line", i) }))
	_, err := stage.Run(t.Context(), lines, sink.ToInlet[string](func(ctx context.Context, fail context.CancelFunc) (streams.Inlet, error) {
		return extension.NewFileSink(path, extension.WithContext(ctx), extension.WithContextCancel(fail), quiet), nil
	}))
	require.NoError(t, err)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, 1000, strings.Count(string(got), "\n"))
	assert.True(t, strings.HasSuffix(string(got), "\nline 999\n"))
}

func TestToInletWritesConnections(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // nothing was written to it
	lines := make(chan int, 1)
	go func() {
		n := 0
		defer func() { lines <- n }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // nothing was written to it
		for s := bufio.NewScanner(conn); s.Scan() && s.Text() == fmt.Sprint(n); n++ {
		}
	}()
	text := stage.Map(source.Range(0, 500), stage.Pure(func(i int) string { return fmt.Sprintln(i) }))
	_, err = stage.Run(t.Context(), text, sink.ToInlet[string](func(ctx context.Context, fail context.CancelFunc) (streams.Inlet, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		return extension.NewWriterSink(conn, extension.WithContext(ctx), extension.WithContextCancel(fail), quiet)
	}))
	require.NoError(t, err)
	assert.Equal(t, 500, <-lines)
}

// ahead is a flow with a sink behind it that tells when it is done.
type ahead struct {
	streams.Flow

	done chan struct{}
}

func (a ahead) AwaitCompletion() { <-a.done }

func TestToInletOfAFlow(t *testing.T) {
	last := newInlet().start()
	_, err := stage.Run(t.Context(), source.Range(0, 4), sink.ToInlet[int](func(context.Context, context.CancelFunc) (streams.Inlet, error) {
		first := ahead{flow.NewMap(func(v int) string { return fmt.Sprint(v * v) }, 1), make(chan struct{})}
		go func() {
			defer close(first.done)
			first.To(last)
		}()
		return first, nil
	}))
	require.NoError(t, err)
	assert.Equal(t, []any{"0", "1", "4", "9"}, last.got)
}

// A connector that says that it gives up fails the run: at once, or at the end.
func TestToInletFailsWithItsConnector(t *testing.T) {
	open := func(path string) stage.Sink[string] {
		return sink.ToInlet[string](func(ctx context.Context, fail context.CancelFunc) (streams.Inlet, error) {
			return extension.NewFileSink(path, extension.WithContext(ctx), extension.WithContextCancel(fail), quiet), nil
		})
	}
	missing := filepath.Join(t.TempDir(), "missing", "out.txt")
	endless := stage.Map(source.Range(0, 1<<40), stage.Pure(func(i int) string { return fmt.Sprint(i) }))
	_, err := stage.Run(t.Context(), endless, open(missing))
	require.ErrorContains(t, err, "sink: inlet: item ")
	require.ErrorContains(t, err, "the connector has given up")
	_, err = stage.Run(t.Context(), source.Of[string](), open(missing))
	require.ErrorContains(t, err, "sink: inlet: after 0 items: the connector has given up")
}

// A send that is blocked ends with the run's context, or when the connector gives up.
func TestToInletIsBlocked(t *testing.T) {
	for name, want := range map[string]string{"cancel": errCause.Error(), "fail": "sink: inlet: item 2: the connector has given up"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				i := &inlet{in: make(chan any, 2), done: make(chan struct{})}
				var inner func() error
				var giveUp context.CancelFunc
				done := make(chan error, 1)
				go func() {
					_, err := stage.Run(ctx, source.Range(0, 10), sink.ToInlet[int](func(ctx context.Context, fail context.CancelFunc) (streams.Inlet, error) {
						inner, giveUp = ctx.Err, fail
						context.AfterFunc(ctx, func() { i.start() })
						return i, nil
					}))
					done <- err
				}()
				synctest.Wait()
				assert.Empty(t, done)
				require.NoError(t, inner())
				if name == "cancel" {
					cancel(errCause)
				} else {
					giveUp()
				}
				require.ErrorContains(t, <-done, want)
				require.Error(t, inner())
				assert.Equal(t, []any{0, 1}, i.got, "what was sent is sent")
			})
		})
	}
}

// A run that fails ends the context with the cause, and waits for the inlet.
func TestToInletIsAborted(t *testing.T) {
	i := newInlet()
	var cause error
	bad := stage.Map(source.Range(0, 10), func(_ context.Context, v int) (int, error) {
		if v == 3 {
			return 0, errCause
		}
		return v, nil
	})
	i.err = errInlet
	_, err := stage.Run(t.Context(), bad, sink.ToInlet[int](func(ctx context.Context, _ context.CancelFunc) (streams.Inlet, error) {
		i.end = func() { cause = context.Cause(ctx) }
		return i.start(), nil
	}))
	require.ErrorIs(t, err, errCause)
	require.NotErrorIs(t, err, errInlet, "nobody asks it then")
	require.ErrorIs(t, cause, errCause)
	assert.Equal(t, []any{0, 1, 2}, i.got)
}

// lender counts loans.
type lender struct{ lent, back int }

func (l *lender) Lend() func() {
	l.lent++
	return func() { l.back++ }
}

// R9: a wait inside a task lends the task's slot.
func TestToInletLendsWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{}
		ctx := context.WithValue(t.Context(), plan.LenderKey{}, l)
		i := &inlet{in: make(chan any, 1), done: make(chan struct{})}
		w, err := to(i).Open(ctx, nil)
		require.NoError(t, err)
		require.NoError(t, w.Write(ctx, &stage.Chunk[int]{Items: []int{1}}))
		assert.Zero(t, l.lent)
		done := make(chan error, 1)
		go func() { done <- w.Write(ctx, &stage.Chunk[int]{Items: []int{2}}) }()
		synctest.Wait()
		assert.Equal(t, lender{lent: 1}, *l)
		i.start()
		require.NoError(t, <-done)
		assert.Equal(t, lender{lent: 1, back: 1}, *l)
		i.wait = func() { assert.Equal(t, lender{lent: 2, back: 1}, *l) }
		require.NoError(t, w.Close(ctx, nil))
		assert.Equal(t, lender{lent: 2, back: 2}, *l)
	})
}

// noChannel is an inlet without a channel.
type noChannel struct{}

func (noChannel) In() chan<- any { return nil }

// What can go wrong with an inlet fails the run, by name, and its context ends.
func TestToInletFails(t *testing.T) {
	for name, c := range map[string]struct {
		open func() (streams.Inlet, error)
		want string
	}{
		"error":   {func() (streams.Inlet, error) { return nil, errInlet }, "sink: inlet: the inlet is broken"},
		"panic":   {func() (streams.Inlet, error) { panic(errInlet) }, "stage: sink ToInlet: open: panic: the inlet is broken"},
		"nothing": {func() (streams.Inlet, error) { return nil, nil }, "sink: inlet: open returned neither an inlet nor an error"}, //nolint:nilnil // what is tested
		"channel": {func() (streams.Inlet, error) { return noChannel{}, nil }, "sink: inlet: the inlet has no channel"},
		"closed": {func() (streams.Inlet, error) {
			i := newInlet().start()
			close(i.in)
			return i, nil
		}, "sink: inlet: item 0: panic: send on closed channel"},
		"completion": {func() (streams.Inlet, error) {
			i := newInlet().start()
			i.wait = func() { panic(errInlet) }
			return i, nil
		}, "sink: inlet: after 3 items: panic: the inlet is broken"},
		"Err": {func() (streams.Inlet, error) {
			i := newInlet().start()
			i.err = errInlet
			return i, nil
		}, "sink: inlet: after 3 items: the inlet is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			var during func() error
			_, err := stage.Run(t.Context(), source.Range(0, 3), sink.ToInlet[int](func(ctx context.Context, _ context.CancelFunc) (streams.Inlet, error) {
				during = ctx.Err
				return c.open()
			}))
			require.ErrorContains(t, err, c.want)
			require.Error(t, during())
		})
	}
	_, err := stage.Run(t.Context(), source.Range(0, 3), to(flow.NewPassThrough(), sink.Reopen()))
	require.ErrorContains(t, err, "sink: inlet: the inlet cannot be reopened: it has no method AwaitCompletion")
}

// broker is where connectors put what they were sent, when they complete: what they
// hold when their context ends, as that of a process that dies, is lost.
type broker struct {
	opened int
	got    map[int]bool
}

func (b *broker) open(ctx context.Context, _ context.CancelFunc) (streams.Inlet, error) {
	b.opened++
	i := newInlet()
	i.end = func() {
		for _, v := range i.got {
			if ctx.Err() == nil {
				b.got[v.(int)] = true
			}
		}
	}
	return i.start(), nil
}

// With Reopen a run that dies after a checkpoint loses nothing that the connector
// held. Without it some is lost.
func TestToInletReopens(t *testing.T) {
	const n = 40
	for _, opts := range [][]sink.InletOption{{sink.Reopen()}, nil} {
		b := broker{got: map[int]bool{}}
		store := checkpoint.File(filepath.Join(t.TempDir(), "job.checkpoint"))
		for run := 1; ; run++ {
			require.Less(t, run, n)
			calls := 0
			in := stage.Map(source.Range(0, n), func(_ context.Context, v int) (int, error) {
				if calls++; calls > 20 {
					return 0, errCause
				}
				return v, nil
			})
			_, err := stage.Run(t.Context(), in, sink.ToInlet[int](b.open, opts...), stage.Checkpoint(store, time.Nanosecond))
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errCause)
		}
		if opts == nil {
			assert.Less(t, len(b.got), n)
			continue
		}
		assert.Len(t, b.got, n)
		assert.Greater(t, b.opened, 3)
	}
}

// Without a checkpoint Reopen changes nothing.
func TestToInletReopenWithoutACheckpoint(t *testing.T) {
	b := broker{got: map[int]bool{}}
	_, err := stage.Run(t.Context(), source.Range(0, 1000), sink.ToInlet[int](b.open, sink.Reopen()))
	require.NoError(t, err)
	assert.Equal(t, 1, b.opened)
	assert.Len(t, b.got, 1000)
}

func TestToInletChecksItsArguments(t *testing.T) {
	assert.PanicsWithValue(t, "penstock: sink.ToInlet: open is nil", func() { sink.ToInlet[int](nil) })
	assert.PanicsWithValue(t, "penstock: sink.ToInlet: an option is nil", func() { to(newInlet(), nil) })
}
