package source

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

var errBoom = errors.New("boom")

// numbers yields 0, 1, 2... for ever and says when it was stopped.
func numbers(stopped *bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		defer func() { *stopped = true }()
		for i := 0; yield(i); i++ {
		}
	}
}

func TestSeqAnyLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.Int()).Draw(t, "items")
		max := stage.Limit{Items: rapid.IntRange(-1, 10).Draw(t, "limit")}
		expected := append([]int(nil), items...)
		require.Equal(t, expected, all(t, Seq(slices.Values(items)), max))
		pairs := all(t, Seq2(slices.All(items)), max)
		require.Len(t, pairs, len(items))
		for i, p := range pairs {
			require.Equal(t, stage.Pair[int, int]{First: i, Second: items[i]}, p)
		}
	})
}

func TestSeqIsStopped(t *testing.T) {
	for pulls := range 3 {
		stopped := false
		p, err := Seq(numbers(&stopped)).Open(t.Context())
		require.NoError(t, err)
		var c stage.Chunk[int]
		for range pulls {
			require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 3}))
		}
		require.NoError(t, p.Close())
		assert.Equal(t, pulls > 0, stopped, "a sequence that was not pulled did not begin")
	}
}

func TestSeqIsLazy(t *testing.T) {
	yielded := 0
	p := open(t, Seq(func(yield func(int) bool) {
		for {
			yielded++
			if !yield(yielded) {
				return
			}
		}
	}))
	var c stage.Chunk[int]
	for i := 1; i <= 3; i++ {
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 4}))
		assert.Equal(t, 4*i, yielded, "no item more than the chunk was asked for")
	}
}

func TestSeqThatWaitsForItsConsumer(t *testing.T) {
	done := make(chan int, 1)
	p := open(t, Seq(func(yield func(int) bool) {
		for i := range 3 {
			if !yield(i) || <-done != i {
				return
			}
		}
	}))
	var c stage.Chunk[int]
	for i := range 3 {
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 1}))
		require.Equal(t, []int{i}, c.Items)
		done <- i
	}
	require.ErrorIs(t, p.Pull(t.Context(), &c, stage.Limit{Items: 1}), io.EOF)
}

func TestSeqIsPulledFromManyGoroutines(t *testing.T) {
	stopped := false
	p := open(t, Seq(numbers(&stopped)))
	var c stage.Chunk[int]
	for i := range 10 {
		done := make(chan error)
		go func() { done <- p.Pull(t.Context(), &c, stage.Limit{Items: 2}) }()
		require.NoError(t, <-done)
		assert.Equal(t, []int{2 * i, 2*i + 1}, c.Items)
	}
}

// R6 for a source: what it yielded before the panic is delivered.
func TestSeqPanics(t *testing.T) {
	r := read(t, Seq(func(yield func(int) bool) {
		for i := range 5 {
			yield(i)
		}
		panic("five is enough")
	}), stage.Limit{Items: 3})
	assert.Equal(t, []int{0, 1, 2, 3, 4}, r.items)
	require.EqualError(t, r.err, "Seq: panic: five is enough")
	pe, ok := errors.AsType[*stage.PanicError](r.err)
	require.True(t, ok)
	assert.NotEmpty(t, pe.Stack)
}

func TestSeqPanicsWhenStopped(t *testing.T) {
	p, err := Seq(func(yield func(int) bool) {
		defer panic(errBoom)
		yield(1)
	}).Open(t.Context())
	require.NoError(t, err)
	var c stage.Chunk[int]
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 1}))
	require.ErrorIs(t, p.Close(), errBoom)
	require.NoError(t, p.Close())
}

func TestSeqGivenUpLosesNothing(t *testing.T) {
	stopped := false
	p := open(t, Seq(numbers(&stopped)))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBoom)
	var c stage.Chunk[int]
	require.ErrorIs(t, p.Pull(ctx, &c, stage.Limit{Items: 3}), errBoom)
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 3}))
	assert.Equal(t, []int{0, 1, 2}, c.Items)
}

func TestSeq2OfAMap(t *testing.T) {
	m := map[string]int{"a": 1, "b": 2}
	got := map[string]int{}
	for _, p := range all(t, Seq2(maps.All(m)), stage.Limit{}) {
		got[p.First] = p.Second
	}
	assert.Equal(t, m, got)
}

func TestSeqErr(t *testing.T) {
	seq := func(yield func(int, error) bool) {
		for i := range 7 {
			var err error
			if i%3 == 1 {
				err = errBoom
			}
			if !yield(i, err) {
				return
			}
		}
	}
	for n := range 9 {
		r := read(t, SeqErr(seq), stage.Limit{Items: n})
		require.NoError(t, r.err)
		assert.Equal(t, "ieiieii", r.order)
		assert.Equal(t, []int{0, 2, 3, 5, 6}, r.items)
		assert.Equal(t, 4, r.errs[1].Input)
		require.ErrorIs(t, r.errs[1], errBoom)
		assert.Equal(t, "SeqErr: item 4: boom", r.errs[1].Error())
	}
}

func TestSeqDoesNotAllocatePerItem(t *testing.T) {
	stopped := false
	p := open(t, Seq(numbers(&stopped)))
	var c stage.Chunk[int]
	pull := func() { _ = p.Pull(t.Context(), &c, stage.Limit{Items: 256}) }
	pull()
	runtime.GC()
	assert.LessOrEqual(t, testing.AllocsPerRun(100, pull), 2.0)
}

func TestSeqArguments(t *testing.T) {
	assert.Equal(t, "penstock: source.Seq: seq is nil", panics(t, func() { Seq[int](nil) }))
	assert.Equal(t, "penstock: source.Seq2: seq is nil", panics(t, func() { Seq2[int, int](nil) }))
	assert.Equal(t, "penstock: source.SeqErr: seq is nil", panics(t, func() { SeqErr[int](nil) }))
	assert.Equal(t, "penstock: source.Chan: ch is nil", panics(t, func() { Chan[int](nil) }))
	assert.Equal(t, "penstock: source.Func: next is nil", panics(t, func() { Func[int](nil) }))
}

func BenchmarkSeq(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(map[int]string{1: "chunk1", 16: "chunk16", 256: "chunk256"}[size], func(b *testing.B) {
			stopped := false
			p := open(b, Seq(numbers(&stopped)))
			var c stage.Chunk[int]
			b.ReportAllocs()
			items := 0
			for b.Loop() {
				if err := p.Pull(b.Context(), &c, stage.Limit{Items: size}); err != nil {
					b.Fatal(err)
				}
				items += len(c.Items)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(items), "ns/item")
		})
	}
}
