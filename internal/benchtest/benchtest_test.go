package benchtest

import (
	"context"
	"flag"
	"io"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// once makes testing.Benchmark run a single round.
func once(t *testing.T) {
	t.Helper()
	of := flag.Lookup("test.benchtime")
	was := of.Value.String()
	require.NoError(t, of.Value.Set("1x"))
	t.Cleanup(func() { require.NoError(t, of.Value.Set(was)) })
}

var kept []*int

func TestPerItemDividesByTheItemsOfAllRounds(t *testing.T) {
	once(t)
	const n = 1000
	rounds := 0
	r := testing.Benchmark(func(b *testing.B) {
		b.Helper()
		PerItem(b, n, func() {
			rounds++
			kept = kept[:0]
			for i := range n / 2 {
				kept = append(kept, new(i))
			}
		})
	})
	items := float64(n * rounds)
	require.NotZero(t, rounds)
	assert.InDelta(t, 0.5, r.Extra["allocs/item"], 0.1, "half an allocation an item")
	assert.InDelta(t, float64(r.T.Nanoseconds())/items, r.Extra["ns/item"], 1e-6)
	assert.Zero(t, r.NsPerOp(), "not printed")
}

func TestSplitSharesEverything(t *testing.T) {
	for _, k := range []int{1, 2, 3, 8} {
		for _, n := range []int{0, 1, 7, 1000} {
			var calls, total atomic.Int64
			Split(k, n, func(n int) {
				calls.Add(1)
				total.Add(int64(n))
			})
			assert.EqualValues(t, k, calls.Load(), "goroutines")
			assert.EqualValues(t, n, total.Load(), "%d shared by %d", n, k)
		}
	}
}

// ten is a source of ten items that ends with err.
type ten struct {
	left   int
	err    error
	closed *atomic.Int64
}

func (p *ten) Pull(_ context.Context, into *stage.Chunk[int], max stage.Limit) error {
	into.Reset()
	for len(into.Items) < max.Room() && p.left > 0 {
		into.Items = append(into.Items, p.left)
		p.left--
	}
	if p.left == 0 {
		return p.err
	}
	return nil
}

func (p *ten) Close() error {
	p.closed.Add(1)
	return nil
}

func TestDrainChecksWhatComes(t *testing.T) {
	once(t)
	for _, test := range []struct {
		name  string
		err   error
		want  int
		fails bool
	}{
		{"all", io.EOF, 10, false},
		{"fewer", io.EOF, 11, true},
		{"more", io.EOF, 9, true},
		{"failed", io.ErrUnexpectedEOF, 10, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var opened, closed atomic.Int64
			s := stage.New("ten", func(context.Context) (stage.Puller[int], error) {
				opened.Add(1)
				return &ten{left: 10, err: test.err, closed: &closed}, nil
			})
			failed := true // Fatal leaves by Goexit
			testing.Benchmark(func(b *testing.B) {
				b.Helper()
				Drain(b, s, 3, test.want)
				failed = b.Failed()
			})
			assert.Equal(t, test.fails, failed)
			assert.Equal(t, opened.Load(), closed.Load())
			assert.NotZero(t, opened.Load())
		})
	}
}
