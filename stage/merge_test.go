package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/plan"
)

var errInput = errors.New("the input broke")

// eventsFrom are n items that count up from first.
func eventsFrom(first, n int) []event {
	events := make([]event, n)
	for i := range events {
		events[i].item = first + i
	}
	return events
}

// balanced checks the conservation law of each opened stage.
func balanced(t require.TestingT, r *plan.Registry) {
	for _, m := range r.Meters() {
		assert.Equal(t, m.In+m.Expanded, m.Out+m.Filtered+m.Failed+m.Merged+m.Abandoned, "the counters of %s add up", m.Node.Label())
	}
}

// Whatever the inputs, their chunks and the limits: all items and errors of each
// input come, in its order.
func TestMergeIsAnInterleaving(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		inputs := rapid.IntRange(0, 5).Draw(t, "inputs")
		scripts := make([]*script, inputs)
		streams := make([]Stream[int], inputs)
		for i := range scripts {
			s := &script{cuts: rapid.SliceOfN(rapid.IntRange(0, 7), 0, 4).Draw(t, "cuts"), late: rapid.Bool().Draw(t, "late"), part: int32(i)}
			if len(s.cuts) > 0 && slices.Max(s.cuts) == 0 {
				s.cuts = nil
			}
			for k := range rapid.IntRange(0, 30).Draw(t, "items") {
				e := event{item: i*1000 + k}
				if rapid.IntRange(0, 5).Draw(t, "fails") == 0 {
					e.err = fmt.Errorf("item %d", e.item)
				}
				s.events = append(s.events, e)
			}
			scripts[i], streams[i] = s, s.stream()
		}
		var r plan.Registry
		p, err := Merge(streams...).Open(plan.WithRegistry(t.Context(), &r))
		require.NoError(t, err)
		got := make([][]string, inputs)
		var c Chunk[int]
		for err == nil {
			limit := Limit{Items: rapid.IntRange(0, 9).Draw(t, "limit")}
			err = p.Pull(t.Context(), &c, limit)
			if limit.Items > 0 {
				require.LessOrEqual(t, len(c.Items), limit.Items)
			}
			errs := c.Errors
			for i := range len(c.Items) + 1 {
				for len(errs) > 0 && errs[0].Before == i {
					var n int
					_, serr := fmt.Sscanf(errs[0].Err.Error(), "item %d", &n)
					require.NoError(t, serr)
					got[n/1000] = append(got[n/1000], errs[0].Err.Error())
					errs = errs[1:]
				}
				if i < len(c.Items) {
					n := c.Items[i]
					got[n/1000] = append(got[n/1000], fmt.Sprint(n))
				}
			}
			require.Empty(t, errs)
		}
		require.Equal(t, io.EOF, err)
		require.NoError(t, p.Close())
		for i, s := range scripts {
			var want []string
			for _, e := range s.events {
				if e.err != nil {
					want = append(want, e.err.Error())
				} else {
					want = append(want, fmt.Sprint(e.item))
				}
			}
			assert.Equal(t, want, got[i])
			assert.Equal(t, 1, s.mu.closes)
		}
		balanced(t, &r)
	})
}

func TestMergeHandsOnTokens(t *testing.T) {
	t.Parallel()
	a := &script{events: eventsFrom(0, 10), cuts: []int{4}}
	b := &script{events: eventsFrom(100, 10), part: 1}
	p, err := Merge(a.stream(), b.stream()).Open(t.Context())
	require.NoError(t, err)
	var (
		c Chunk[int]
		n [2]int64
	)
	for err == nil {
		err = p.Pull(t.Context(), &c, Limit{Items: 3})
		for _, tok := range c.Tokens {
			assert.Equal(t, n[tok.At.Part], tok.First, "in order")
			n[tok.At.Part] += tok.N
		}
	}
	require.Equal(t, io.EOF, err)
	require.NoError(t, p.Close())
	assert.Equal(t, [2]int64{10, 10}, n)
}

// An input that always has something must not keep another waiting.
func TestMergeIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &script{events: eventsFrom(0, 1000), cuts: []int{1}}
		b := &script{events: eventsFrom(1000, 1000), cuts: []int{1}}
		p, err := Merge(a.stream(), b.stream()).Open(t.Context())
		require.NoError(t, err)
		var (
			c      Chunk[int]
			behind int
		)
		for range 100 {
			require.NoError(t, p.Pull(t.Context(), &c, Limit{}))
			synctest.Wait()
			if c.Items[0] < 1000 {
				behind++
			}
		}
		require.NoError(t, p.Close())
		assert.InDelta(t, 50, behind, 1)
	})
}

// Nothing is pulled before somebody asks, and no more than a chunk ahead.
func TestMergeIsLazyAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := &script{events: eventsFrom(0, 100)}, &script{events: eventsFrom(0, 100)}
		var r plan.Registry
		p, err := Merge(a.stream(), b.stream()).Open(plan.WithRegistry(t.Context(), &r))
		require.NoError(t, err)
		synctest.Wait()
		assert.Zero(t, a.mu.pulls+b.mu.pulls)
		var c Chunk[int]
		require.NoError(t, p.Pull(t.Context(), &c, Limit{Items: 5}))
		synctest.Wait()
		assert.Equal(t, 15, a.mu.pulled+b.mu.pulled, "the chunk handed on, and one ahead of each")
		require.NoError(t, p.Close())
		assert.Equal(t, 1, a.mu.closes)
		assert.Equal(t, 1, b.mu.closes)
		balanced(t, &r)
	})
}

func TestMergeEndsWithTheFirstFailure(t *testing.T) {
	t.Parallel()
	bad := &script{events: eventsFrom(0, 10), end: errInput}
	endless := New("endless", func(context.Context) (Puller[int], error) { return blocked{}, nil })
	var got []int
	var failed error
	for v, err := range Merge(bad.stream(), endless).All(t.Context()) {
		if err != nil {
			failed = err
			continue
		}
		got = append(got, v)
	}
	require.ErrorIs(t, failed, errInput)
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got, "all before the failure came")
}

// blocked waits for its context.
type blocked struct{}

func (blocked) Pull(ctx context.Context, into *Chunk[int], _ Limit) error {
	into.Reset()
	<-ctx.Done()
	return context.Cause(ctx)
}
func (blocked) Close() error { return nil }

func TestMergeToEndGoesOnWithTheOthers(t *testing.T) {
	t.Parallel()
	closing := errors.New("cannot close")
	a := &script{events: eventsFrom(0, 10), end: errInput}
	b := &script{events: eventsFrom(100, 50), closeErr: closing}
	var got []int
	var failed error
	for v, err := range MergeToEnd(a.stream(), b.stream()).All(t.Context()) {
		if err != nil {
			failed = err
			continue
		}
		got = append(got, v)
	}
	require.ErrorIs(t, failed, errInput)
	require.ErrorIs(t, failed, closing)
	assert.Len(t, got, 60)
}

func TestMergeOfNothingIsEmpty(t *testing.T) {
	t.Parallel()
	n, err := Merge[int]().Count(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
	n, err = Merge(Stream[int]{}, (&script{events: eventsFrom(0, 3)}).stream()).Count(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 3, n)
}

func TestMergeClosesWhatItOpenedWhenAnotherCannotBeOpened(t *testing.T) {
	t.Parallel()
	a := &script{events: eventsFrom(0, 3)}
	broken := New("broken", func(context.Context) (Puller[int], error) { return nil, errInput })
	_, err := Merge(a.stream(), broken).Open(t.Context())
	require.ErrorIs(t, err, errInput)
	assert.Equal(t, 1, a.mu.closes)
}

func TestMergeLosesNothingWhenAPullIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		in := Map((&script{events: eventsFrom(0, 20)}).stream(), func(_ context.Context, v int) (int, error) {
			if v == 7 {
				<-hold
			}
			return v, nil
		})
		p, err := Merge(in).Open(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		var c Chunk[int]
		var gaveUp error
		var pulled []int
		done := make(chan struct{})
		go func() {
			defer close(done)
			for gaveUp == nil {
				gaveUp = p.Pull(ctx, &c, Limit{Items: 4})
				pulled = append(pulled, c.Items...)
			}
		}()
		synctest.Wait()
		cancel(errInput)
		<-done
		require.ErrorIs(t, gaveUp, errInput)
		close(hold)
		for err == nil {
			err = p.Pull(t.Context(), &c, Limit{Items: 4})
			pulled = append(pulled, c.Items...)
		}
		require.Equal(t, io.EOF, err)
		require.NoError(t, p.Close())
		want := make([]int, 20)
		for i := range want {
			want[i] = i
		}
		assert.Equal(t, want, pulled)
	})
}

func TestMergeNoticesPanicAndGoexit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func()
		want error
	}{
		"panic":  {func() { panic(errInput) }, errInput},
		"Goexit": {runtime.Goexit, ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := Stream[int]{node: &plan.Node{Op: "bad", Kind: plan.Source}, open: func(context.Context, *plan.Meter) (Puller[int], error) {
				return doing(tc.do), nil
			}}
			_, err := Merge((&script{events: eventsFrom(0, 5)}).stream(), bad).Count(t.Context())
			require.ErrorIs(t, err, tc.want)
		})
	}
}

type doing func()

func (d doing) Pull(context.Context, *Chunk[int], Limit) error {
	d()
	return io.EOF
}
func (doing) Close() error { return nil }

// A run that is shut down still hands on what the other inputs have in flight.
func TestMergeOfInputsThatWereStopped(t *testing.T) {
	t.Parallel()
	a := &script{events: eventsFrom(0, 10), end: ErrStopped}
	b := &script{events: eventsFrom(100, 10), end: ErrStopped}
	var got int
	var failed error
	for _, err := range Merge(a.stream(), b.stream()).All(t.Context()) {
		if err != nil {
			failed = err
		} else {
			got++
		}
	}
	require.ErrorIs(t, failed, ErrStopped)
	assert.Equal(t, 20, got)
}
