package reorder

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/penstock-go/penstock/internal/benchtest"
)

// An item, in what these benchmarks report, is one value that is put and taken.

// BenchmarkAlone is one goroutine that puts and takes: what the ring itself
// costs. A window that is no power of two also keeps count of the head.
func BenchmarkAlone(b *testing.B) {
	next := (*Buffer[int]).Next
	tryNext := func(buf *Buffer[int], _ context.Context) (int, error) { // for a value that is there
		v, ok := buf.TryNext()
		if !ok {
			return 0, io.ErrNoProgress
		}
		return v, nil
	}
	add := func(buf *Buffer[int], ctx context.Context, _ uint64, v int) error { return buf.Add(ctx, v) }
	inOrder := func(i uint64) uint64 { return i }
	reversed := func(i uint64) uint64 { return i ^ (block - 1) }
	for _, window := range []int{64, 100} {
		for _, bench := range []struct {
			name  string
			put   func(*Buffer[int], context.Context, uint64, int) error
			order func(uint64) uint64
			take  func(*Buffer[int], context.Context) (int, error)
		}{
			{"call=Put/order=in/take=TryNext", (*Buffer[int]).Put, inOrder, tryNext},
			{"call=Put/order=in/take=Next", (*Buffer[int]).Put, inOrder, next},
			{"call=Put/order=reversed/take=TryNext", (*Buffer[int]).Put, reversed, tryNext},
			{"call=Put/order=reversed/take=Next", (*Buffer[int]).Put, reversed, next},
			{"call=Add/order=drawn/take=TryNext", add, inOrder, tryNext},
			{"call=Add/order=drawn/take=Next", add, inOrder, next},
		} {
			b.Run(fmt.Sprintf("window=%d/%s", window, bench.name), func(b *testing.B) {
				alone(b, New[int](window), bench.put, bench.order, bench.take)
			})
		}
	}
}

// block is how many values alone puts before it takes as many.
const block = 32

// alone puts blocks of values under the numbers that order makes of 0, 1, 2...
// and takes them.
func alone(
	b *testing.B, buf *Buffer[int],
	put func(*Buffer[int], context.Context, uint64, int) error, order func(uint64) uint64,
	take func(*Buffer[int], context.Context) (int, error),
) {
	b.Helper()
	ctx := b.Context()
	var seq uint64
	benchtest.PerItem(b, benchtest.Items, func() {
		for range benchtest.Items / block {
			for range block {
				if err := put(buf, ctx, order(seq), 1); err != nil {
					b.Fatal(err)
				}
				seq++
			}
			for range block {
				if _, err := take(buf, ctx); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkProducers has producers that draw tickets, and a consumer that waits
// for each value: parked, or by asking again and again. Where the window is
// narrow, the producers wait most of the time.
func BenchmarkProducers(b *testing.B) {
	for _, call := range []string{"Put", "Add"} {
		for _, take := range []string{"Next", "TryNext"} {
			for _, window := range []int{4, 1024} {
				for _, k := range []int{1, 2, 8} {
					name := fmt.Sprintf("call=%s/take=%s/window=%d/producers=%d", call, take, window, k)
					b.Run(name, func(b *testing.B) {
						benchtest.PerItem(b, benchtest.Items, func() {
							produce(b, New[int](window), k, call == "Add", take == "TryNext")
						})
					})
				}
			}
		}
	}
}

// produce puts benchtest.Items values into the buffer and takes them.
func produce(b *testing.B, buf *Buffer[int], producers int, unordered, asking bool) {
	b.Helper()
	const n = benchtest.Items
	ctx := b.Context()
	buf.CloseAt(n)
	var ticket atomic.Uint64
	var wg sync.WaitGroup
	defer wg.Wait()
	for range producers {
		wg.Go(func() {
			for {
				seq := ticket.Add(1) - 1
				if seq >= n {
					return
				}
				var err error
				if unordered {
					err = buf.Add(ctx, 1)
				} else {
					err = buf.Put(ctx, seq, 1)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	for taken := 0; taken < n; {
		if asking {
			if _, ok := buf.TryNext(); ok {
				taken++
			} else {
				runtime.Gosched()
			}
			continue
		}
		if _, err := buf.Next(ctx); err != nil {
			buf.Abort(err) // lets the producers go
			b.Error(err)
			return
		}
		taken++
	}
}
