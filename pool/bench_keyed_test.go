package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/penstock-go/penstock/internal/benchtest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// zipf draws n keys of the given number, of which the k-th comes 1/k times as often
// as the first. (That of math/rand wants an exponent above 1.)
func zipf(n, keys int) []int {
	sums := make([]float64, keys)
	total := 0.0
	for k := range keys {
		total += 1 / float64(k+1)
		sums[k] = total
	}
	random := rand.New(rand.NewPCG(1, 2))
	drawn := make([]int, n)
	for i := range drawn {
		drawn[i], _ = slices.BinarySearch(sums, random.Float64()*total)
	}
	return drawn
}

// BenchmarkKeyed is ImapKeyed beside ImapUnordered over 1,000 keys of a Zipf
// distribution, with functions of 20 microseconds and none, for each item.
func BenchmarkKeyed(b *testing.B) {
	const workers = 2
	for _, work := range []time.Duration{0, 20 * time.Microsecond} {
		n := benchtest.Items
		if work > 0 {
			n /= 10
		}
		keys := zipf(n, 1000)
		busy := func(_ context.Context, k int) (int, error) {
			for begun := time.Now(); work > 0 && time.Since(begun) < work; {
			}
			return k, nil
		}
		run := func(b *testing.B, stream func(*pool.Pool) stage.Stream[int]) {
			b.Helper()
			p := pooled(b, workers)
			benchtest.PerItem(b, n, func() {
				got := 0
				for _, err := range stream(p).All(b.Context()) {
					if err != nil {
						b.Fatal(err)
					}
					got++
				}
				if got != n {
					b.Fatal(got)
				}
			})
		}
		same := func(k int) int { return k }
		b.Run(fmt.Sprintf("work=%v/verb=ImapUnordered", work), func(b *testing.B) {
			run(b, func(p *pool.Pool) stage.Stream[int] { return pool.ImapUnordered(p, source.Slice(keys), busy) })
		})
		b.Run(fmt.Sprintf("work=%v/verb=ImapKeyed", work), func(b *testing.B) {
			run(b, func(p *pool.Pool) stage.Stream[int] { return pool.ImapKeyed(p, source.Slice(keys), same, busy) })
		})
		b.Run(fmt.Sprintf("work=%v/verb=ImapKeyed/perKey=16", work), func(b *testing.B) {
			run(b, func(p *pool.Pool) stage.Stream[int] {
				return pool.ImapKeyed(p, source.Slice(keys), same, busy, pool.InFlightPerKey(16))
			})
		})
	}
}
