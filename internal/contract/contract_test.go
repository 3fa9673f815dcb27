package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/internal/childtest"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/stage"
)

// length is how many items a feed has.
const length = 25

var (
	errItem   = errors.New("the item is bad")
	errSource = errors.New("the source is broken")
	errCause  = errors.New("the caller gave up")
)

// feed is a source of the numbers from 0 that does at one of them what a test is
// about. It counts what is opened and closed.
type feed struct {
	at            int
	do            func(c *stage.Chunk[int]) error // nil: nothing
	opens, closes atomic.Int32
}

func (f *feed) stream() stage.Stream[int] {
	return stage.New("feed", func(context.Context) (stage.Puller[int], error) {
		f.opens.Add(1)
		return &feeding{feed: f}, nil
	})
}

type feeding struct {
	*feed
	next int
}

// Pull gives one, two or three items at a time.
func (f *feeding) Pull(ctx context.Context, c *stage.Chunk[int], max stage.Limit) error {
	c.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	first := f.next
	for f.next < length && len(c.Items) < min(max.Room(), 1+first%3) {
		v := f.next
		f.next++
		if v == f.at && f.do != nil {
			if err := f.do(c); err != nil {
				return err
			}
			break
		}
		c.Items = append(c.Items, v)
	}
	if f.next > first {
		c.Tokens = append(c.Tokens, stage.Token{First: int64(first), N: int64(f.next - first)})
		return nil
	}
	return io.EOF
}

func (f *feeding) Close() error {
	f.closes.Add(1)
	return nil
}

// ended checks that nothing of a run is left.
func (f *feed) ended(t *testing.T) {
	t.Helper()
	assert.Equal(t, f.opens.Load(), f.closes.Load(), "times that the source was opened and closed")
	goleak.VerifyNone(t)
	assert.False(t, childtest.Zombie(t), "a process was not waited for")
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	assert.Empty(t, left, "temporary files")
}

// drain ranges over a stream to its end.
func drain(ctx context.Context, s stage.Stream[string]) (out []string, errs []error) {
	for v, err := range s.All(ctx) {
		if err != nil {
			errs = append(errs, err)
		} else {
			out = append(out, v)
		}
	}
	return out, errs
}

func nothing(int) error { return nil }

func numbers(without int) []int {
	var out []int
	for v := range length {
		if v != without {
			out = append(out, v)
		}
	}
	return out
}

func (op operator) equal(t *testing.T, want, got []string) {
	t.Helper()
	if op.anyOrder {
		assert.ElementsMatch(t, want, got)
		return
	}
	if len(want) > 0 || len(got) > 0 {
		assert.Equal(t, want, got)
	}
}

// someOf checks that got began as an undisturbed run does.
func (op operator) someOf(t *testing.T, want, got []string) {
	t.Helper()
	if !op.anyOrder {
		require.LessOrEqual(t, len(got), len(want))
		op.equal(t, want[:len(got)], got)
		return
	}
	left := slices.Clone(want)
	for _, v := range got {
		i := slices.Index(left, v)
		require.GreaterOrEqual(t, i, 0, "%s came once more than it should have", v)
		left = slices.Delete(left, i, i+1)
	}
}

// forEach runs a test for each operator, for each place of its input.
func forEach(t *testing.T, test func(t *testing.T, op operator, at int)) {
	t.Helper()
	for _, op := range operators() {
		t.Run(op.name, func(t *testing.T) {
			for at := range length {
				test(t, op, at)
				if t.Failed() {
					t.Fatalf("at item %d", at)
				}
			}
		})
	}
}

func TestIsTheLoop(t *testing.T) {
	for _, op := range operators() {
		t.Run(op.name, func(t *testing.T) {
			f := feed{}
			s := op.apply(f.stream(), nothing)
			for range 2 { // a plan can be run again
				got, errs := drain(t.Context(), s)
				assert.Empty(t, errs)
				op.equal(t, op.want(numbers(-1)), got)
				f.ended(t)
			}
		})
	}
}

func TestIsLeftEarly(t *testing.T) {
	forEach(t, func(t *testing.T, op operator, at int) { //nolint:thelper // the test itself
		f := feed{}
		var got []string
		for v, err := range op.apply(f.stream(), nothing).All(t.Context()) {
			require.NoError(t, err)
			if got = append(got, v); len(got) > at {
				break
			}
		}
		op.someOf(t, op.want(numbers(-1)), got)
		f.ended(t)
	})
}

func TestIsCancelled(t *testing.T) {
	forEach(t, func(t *testing.T, op operator, at int) { //nolint:thelper // the test itself
		ctx, cancel := context.WithCancelCause(t.Context())
		f := feed{at: at, do: func(*stage.Chunk[int]) error {
			cancel(errCause)
			return nil
		}}
		got, errs := drain(ctx, op.apply(f.stream(), nothing))
		if op.short && len(errs) == 0 {
			op.equal(t, op.want(numbers(at)), got)
		} else {
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], errCause)
		}
		f.ended(t)
	})
}

func TestIsGivenAFailedItem(t *testing.T) {
	forEach(t, func(t *testing.T, op operator, at int) { //nolint:thelper // the test itself
		f := feed{at: at, do: func(c *stage.Chunk[int]) error {
			c.Fail(&stage.ItemError{Index: int64(at), Err: errItem})
			return nil
		}}
		got, errs := drain(t.Context(), op.apply(f.stream(), nothing))
		op.equal(t, op.want(numbers(at)), got)
		if op.short && len(errs) == 0 {
			f.ended(t)
			return
		}
		require.Len(t, errs, 1)
		var item *stage.ItemError
		require.ErrorAs(t, errs[0], &item)
		require.ErrorIs(t, item, errItem)
		assert.Equal(t, "feed", item.Stage)
		assert.Equal(t, int64(at), item.Index)
		f.ended(t)
	})
}

// TestSourceFails: what the source fails with comes once and last, after the items
// before it.
func TestSourceFails(t *testing.T) {
	forEach(t, func(t *testing.T, op operator, at int) { //nolint:thelper // the test itself
		f := feed{at: at, do: func(*stage.Chunk[int]) error { return errSource }}
		got, errs := drain(t.Context(), op.apply(f.stream(), nothing))
		if op.short && len(errs) == 0 {
			op.equal(t, op.want(numbers(-1)), got)
		} else {
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], errSource)
		}
		f.ended(t)
	})
}

func TestSourcePanics(t *testing.T) {
	forEach(t, func(t *testing.T, op operator, at int) { //nolint:thelper // the test itself
		f := feed{at: at, do: func(*stage.Chunk[int]) error { panic(errSource) }}
		got, errs := drain(t.Context(), op.apply(f.stream(), nothing))
		if op.short && len(errs) == 0 {
			op.equal(t, op.want(numbers(-1)), got)
		} else {
			require.Len(t, errs, 1)
			var panicked *stage.PanicError
			require.ErrorAs(t, errs[0], &panicked)
			require.ErrorIs(t, errs[0], errSource)
		}
		f.ended(t)
	})
}

// TestFunctionFails: an error of the function concerns its item only, but where the
// row says that it ends the stream.
func TestFunctionFails(t *testing.T) {
	forEach(t, func(t *testing.T, op operator, at int) { //nolint:thelper // the test itself
		if op.mute || !op.calls {
			return
		}
		checkCalls(t, op, at, func(item int) error {
			if item == at {
				return errItem
			}
			return nil
		})
	})
}

func TestFunctionPanics(t *testing.T) {
	forEach(t, func(t *testing.T, op operator, at int) { //nolint:thelper // the test itself
		if !op.calls {
			return
		}
		errs := checkCalls(t, op, at, func(item int) error {
			if item == at {
				panic(errItem)
			}
			return nil
		})
		for _, err := range errs {
			var panicked *stage.PanicError
			require.ErrorAs(t, err, &panicked)
		}
	})
}

func checkCalls(t *testing.T, op operator, at int, call func(int) error) []error {
	t.Helper()
	var hit atomic.Bool
	f := feed{}
	s := op.apply(f.stream(), func(item int) error {
		if item == at {
			hit.Store(true)
		}
		return call(item)
	})
	got, errs := drain(t.Context(), s)
	f.ended(t)
	if !hit.Load() {
		require.Empty(t, errs)
		return nil
	}
	require.NotEmpty(t, errs, "the function failed and nobody said so")
	for _, err := range errs {
		require.ErrorIs(t, err, errItem)
		var item *stage.ItemError
		require.Equal(t, !op.tears, errors.As(err, &item), "%v", err)
	}
	if !op.tears {
		require.Len(t, errs, 1)
		op.equal(t, op.want(numbers(at)), got)
	}
	// A run that goes on past failed items comes to the same.
	var into []string
	sum, err := stage.Run(t.Context(), s, sink.Collect(&into), stage.Continue(0))
	if op.tears {
		require.ErrorIs(t, err, errItem)
	} else {
		require.NoError(t, err)
		require.Equal(t, int64(1), sum.Failed, fmt.Sprint(sum))
	}
	f.ended(t)
	return errs
}
