package stage

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nothing is an open function that breaks its contract.
func nothing() (Puller[int], error) { return nil, nil } //nolint:nilnil // that is the case

func TestNewOpenFailures(t *testing.T) {
	requirePanics(t, "penstock: stage.New: open is nil", func() { New[int]("x", nil) })
	for name, tc := range map[string]struct {
		open func(context.Context) (Puller[int], error)
		want string
	}{
		"error":   {func(context.Context) (Puller[int], error) { return nil, errBad }, "bad"},
		"panic":   {func(context.Context) (Puller[int], error) { panic("x") }, "src: panic: x"},
		"nothing": {func(context.Context) (Puller[int], error) { return nothing() }, "src: open returned neither a puller nor an error"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New("src", tc.open).Open(t.Context())
			require.EqualError(t, err, tc.want)
			assert.Nil(t, p)
		})
	}
	cause := errors.New("enough")
	opened := false
	_, err := New("src", func(context.Context) (Puller[int], error) { opened = true; return nothing() }).Open(ended(cause))
	require.Equal(t, cause, err)
	assert.False(t, opened)
}

func TestThroughClosesItsInputWhenOpenFails(t *testing.T) {
	requirePanics(t, "penstock: stage.Through: open is nil", func() { Through[int, int]("x", ints(1), nil) })
	for name, tc := range map[string]struct {
		open func(context.Context, Puller[int]) (Puller[int], error)
		want string
	}{
		"error": {func(context.Context, Puller[int]) (Puller[int], error) { return nil, errBad }, "bad"},
		"panic": {func(context.Context, Puller[int]) (Puller[int], error) { panic("x") }, "mine: panic: x"},
		"nothing": {func(context.Context, Puller[int]) (Puller[int], error) { return nothing() },
			"mine: open returned neither a puller nor an error"},
	} {
		t.Run(name, func(t *testing.T) {
			s := upTo(3)
			_, err := Through("mine", s.stream(), tc.open).Open(t.Context())
			require.EqualError(t, err, tc.want)
			assert.Equal(t, 1, s.mu.closes)
		})
	}
	t.Run("Goexit", func(t *testing.T) {
		s := upTo(3)
		exits(func() {
			_, _ = Through("mine", s.stream(), func(context.Context, Puller[int]) (Puller[int], error) {
				runtime.Goexit()
				return nothing()
			}).Open(context.Background())
		})
		assert.Equal(t, 1, s.mu.closes)
	})
	t.Run("input", func(t *testing.T) {
		_, err := Through("mine", New("src", func(context.Context) (Puller[int], error) { return nil, errBad }),
			func(_ context.Context, p Puller[int]) (Puller[int], error) { return p, nil }).Open(t.Context())
		require.Equal(t, errBad, err)
	})
}

// exits runs fn in a goroutine of its own and waits for that to end.
func exits(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	<-done
}

// odds is a third party's filter: it may ask for too much and hand on too much.
type odds struct {
	in Puller[int]
	c  Chunk[int]
}

func (o *odds) Pull(ctx context.Context, into *Chunk[int], _ Limit) error {
	into.Reset()
	err := o.in.Pull(ctx, &o.c, Limit{Items: 10})
	for _, v := range o.c.Items {
		switch {
		case v == 7:
			into.Fail(&ItemError{Input: v, Err: errBad})
		case v%2 == 1:
			into.Items = append(into.Items, v)
		}
	}
	return err
}

func (o *odds) Close() error { return o.in.Close() }

func TestThroughCountsAndKeepsToTheLimit(t *testing.T) {
	s := Through("odds", ints(20), func(_ context.Context, in Puller[int]) (Puller[int], error) { return &odds{in: in}, nil })
	p, done := watched(t, s)
	var c Chunk[int]
	var got []string
	for err := error(nil); err == nil; {
		err = p.Pull(t.Context(), &c, Limit{Items: 2})
		require.LessOrEqual(t, len(c.Items), 2)
		got = append(got, outcome(&c)...)
	}
	assert.Equal(t, []string{"1", "3", "5", "odds#0: bad", "9", "11", "13", "15", "17", "19"}, got)
	m := done()[0]
	assert.Equal(t, "odds", m.Node.Label())
	assert.Equal(t, int64(20), m.In)
	assert.Equal(t, int64(9), m.Out)
	assert.Equal(t, int64(1), m.Failed)
	assert.Equal(t, int64(10), m.Filtered)

	p, done = watched(t, s)
	require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 2}))
	assert.Equal(t, int64(2), done()[0].Abandoned, "5 and 9 were held back")

	p, done = watched(t, Through("twice", ints(3), func(_ context.Context, in Puller[int]) (Puller[int], error) {
		return &fakePuller{close: in.Close, pull: func(ctx context.Context, into *Chunk[int], max Limit) error {
			err := in.Pull(ctx, into, max)
			into.Items = append(into.Items, into.Items...)
			return err
		}}, nil
	}))
	require.Equal(t, io.EOF, p.Pull(t.Context(), &c, Limit{}))
	assert.Equal(t, []int{0, 1, 2, 0, 1, 2}, c.Items)
	assert.Equal(t, int64(3), done()[0].Expanded)
}
