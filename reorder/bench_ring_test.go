package reorder

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/penstock-go/penstock/backpressure"
	"github.com/penstock-go/penstock/internal/benchtest"
)

// BenchmarkRingAlone is BenchmarkAlone for a Ring, whose producers hold credits:
// here they are the window, which the loop never exceeds.
func BenchmarkRingAlone(b *testing.B) {
	for _, bench := range []struct {
		name string
		seq  func(r Ring[int], i uint64) uint64
	}{
		{"call=Publish/order=in", func(_ Ring[int], i uint64) uint64 { return i }},
		{"call=Publish/order=reversed", func(_ Ring[int], i uint64) uint64 { return i ^ (block - 1) }},
		{"call=Draw/order=drawn", func(r Ring[int], _ uint64) uint64 { return r.Draw() }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := NewRing[int](64)
			var i uint64
			benchtest.PerItem(b, benchtest.Items, func() {
				for range benchtest.Items / block {
					for range block {
						seq := bench.seq(r, i)
						*r.Place(seq) = 1
						if err := r.Publish(seq); err != nil {
							b.Fatal(err)
						}
						i++
					}
					for range block {
						if v := r.Ready(); v == nil || *v != 1 {
							b.Fatal("the value is not there")
						}
						r.Taken()
					}
				}
			})
		})
	}
}

// BenchmarkRingProducers has producers that take a credit for each value and a
// consumer that waits for the value and gives the credit back, as in a pool.
func BenchmarkRingProducers(b *testing.B) {
	for _, call := range []string{"Publish", "Draw"} {
		for _, k := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("call=%s/producers=%d", call, k), func(b *testing.B) {
				benchtest.PerItem(b, benchtest.Items, func() { produceRing(b, k, call == "Draw") })
			})
		}
	}
}

// produceRing hands benchtest.Items values through a ring.
func produceRing(b *testing.B, producers int, unordered bool) {
	b.Helper()
	const n, window = benchtest.Items, 1024
	ctx := b.Context()
	r := NewRing[int](window)
	r.CloseAt(n)
	one := backpressure.Cost{Chunks: 1}
	gate := backpressure.New(backpressure.Cost{Chunks: window})
	var ticket atomic.Uint64
	var wg sync.WaitGroup
	defer wg.Wait()
	for range producers {
		wg.Go(func() {
			for {
				if err := gate.Acquire(ctx, one); err != nil {
					b.Error(err)
					return
				}
				seq := ticket.Add(1) - 1
				if seq >= n {
					gate.Release(one) // for the others, which wait only to learn the same
					return
				}
				if unordered {
					seq = r.Draw()
				}
				*r.Place(seq) = 1
				if err := r.Publish(seq); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	for {
		err := r.Wait(ctx)
		if err == io.EOF {
			return
		}
		if err != nil {
			b.Error(err)
			return
		}
		r.Taken()
		gate.Release(one)
	}
}
