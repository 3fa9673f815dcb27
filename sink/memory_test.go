package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

func TestCollect(t *testing.T) {
	var got []int
	s := Collect(&got)
	require.NoError(t, run(t, s, 1))
	assert.NotNil(t, got)
	assert.Empty(t, got)
	require.NoError(t, run(t, s, 2, 1, 2, 3))
	require.NoError(t, run(t, s, 2, 4))
	assert.Equal(t, []int{1, 2, 3, 4}, got, "it appends")

	w := open(t, s)
	require.NoError(t, w.Write(t.Context(), &stage.Chunk[int]{Items: []int{5}}))
	require.NoError(t, w.Close(t.Context(), errBoom))
	assert.Equal(t, []int{1, 2, 3, 4, 5}, got, "what was written before a failure stays")
}

func TestCollectDoesNotKeepTheChunk(t *testing.T) {
	var got []int
	w := open(t, Collect(&got))
	c := &stage.Chunk[int]{Items: []int{1, 2}}
	require.NoError(t, w.Write(t.Context(), c))
	c.Reset()
	require.NoError(t, w.Close(t.Context(), nil))
	assert.Equal(t, []int{1, 2}, got)
}

func TestFunc(t *testing.T) {
	var got []int
	fn := func(_ context.Context, v int) error {
		switch v {
		case 7:
			return errBoom
		case 8:
			panic("eight")
		}
		got = append(got, v)
		return nil
	}
	require.NoError(t, run(t, Func(fn), 2, 1, 2, 3))
	assert.Equal(t, []int{1, 2, 3}, got)
	err := run(t, Func(fn), 2, 4, 5, 6, 7, 9)
	require.ErrorIs(t, err, errBoom)
	require.EqualError(t, err, "sink: item 3: boom")
	assert.Equal(t, []int{1, 2, 3, 4, 5, 6}, got, "nothing behind the failed item")
	err = run(t, Func(fn), 2, 8)
	require.EqualError(t, err, "sink: item 0: panic: eight")
	pe, ok := errors.AsType[*stage.PanicError](err)
	require.True(t, ok)
	assert.Contains(t, string(pe.Stack), "TestFunc")
}

func TestFuncContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	calls := 0
	w := open(t, Func(func(context.Context, int) error {
		if calls++; calls == 2 {
			cancel(errBoom)
		}
		return nil
	}))
	require.ErrorIs(t, w.Write(ctx, &stage.Chunk[int]{Items: []int{1, 2, 3}}), errBoom)
	assert.Equal(t, 2, calls)
}

func TestDiscard(t *testing.T) {
	require.NoError(t, run(t, Discard[int](), 2, 1, 2, 3))
}

// lender counts loans.
type lender struct{ lent, back int }

func (l *lender) Lend() func() {
	l.lent++
	return func() { l.back++ }
}

func TestChan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{}
		ctx := context.WithValue(t.Context(), plan.LenderKey{}, l)
		ch := make(chan int, 2)
		w := open(t, Chan(ch))
		done := make(chan error, 1)
		go func() { done <- w.Write(ctx, &stage.Chunk[int]{Items: []int{1, 2, 3, 4}}) }()
		synctest.Wait()
		assert.Empty(t, done, "it waits for the receiver")
		assert.Equal(t, lender{lent: 1}, *l, "and lends its slot meanwhile")
		for i := range 4 {
			assert.Equal(t, i+1, <-ch)
		}
		require.NoError(t, <-done)
		assert.Equal(t, l.lent, l.back)
		require.NoError(t, w.Close(ctx, nil))
		ch <- 5 // it is not closed
	})
}

func TestChanContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		ch := make(chan int, 1)
		w := open(t, Chan(ch))
		done := make(chan error, 1)
		go func() { done <- w.Write(ctx, &stage.Chunk[int]{Items: []int{1, 2}}) }()
		synctest.Wait()
		cancel(errBoom)
		require.ErrorIs(t, <-done, errBoom)
		<-ch
		require.ErrorIs(t, w.Write(ctx, &stage.Chunk[int]{Items: []int{3}}), errBoom)
		assert.Empty(t, ch)
	})
}

func TestNoSinkResumes(t *testing.T) {
	state := json.RawMessage(`{"x":1}`)
	for _, s := range []stage.Sink[string]{
		Discard[string](), Collect(new([]string)), Func(func(context.Context, string) error { return nil }),
		Chan(make(chan<- string)), Lines("-"), NDJSON[string]("-"),
	} {
		_, err := s.Open(t.Context(), state)
		require.ErrorIs(t, err, errNoResume)
		require.EqualError(t, err, fmt.Sprintf("sink: %v: this sink cannot resume a run that was cut off", s))
	}
}

func TestNames(t *testing.T) {
	assert.Equal(t, "Discard", fmt.Sprint(Discard[int]()))
	assert.Equal(t, "Lines(a/b.gz)", fmt.Sprint(Lines("a/b.gz")))
	assert.Equal(t, "CSV(stdout)", fmt.Sprint(CSV[small]("-")))
	assert.Equal(t, "SQL(t)", fmt.Sprint(SQL[small](database(t), "t")))
}

func TestArguments(t *testing.T) {
	type bad struct{ C chan int }
	for want, fn := range map[string]func(){
		"penstock: sink.Collect: into is nil":                                    func() { Collect[int](nil) },
		"penstock: sink.Func: fn is nil":                                         func() { Func[int](nil) },
		"penstock: sink.Chan: ch is nil":                                         func() { Chan[int](nil) },
		"penstock: sink.CSV: T is string, want a struct":                         func() { CSV[string]("x") },
		"penstock: sink.CSV: T is sink.bad: csvutil: unsupported type: chan int": func() { CSV[bad]("x") },
		"penstock: sink.CSV: T is struct {}: it has no exported field":           func() { CSV[struct{}]("x") },
	} {
		assert.Equal(t, want, panics(t, fn))
	}
}
