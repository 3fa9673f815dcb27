package backpressure

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/penstock-go/penstock/internal/benchtest"
)

// An item, in what these benchmarks report, is one request and its release.

var budgets = []struct {
	name  string
	limit Cost
	cost  Cost
}{
	{"items", Cost{Chunks: 64, Items: 1024}, Cost{Chunks: 1, Items: 16}},
	{"bytes", Cost{Chunks: 64, Items: 1024, Bytes: 1 << 20}, Cost{Chunks: 1, Items: 16, Bytes: 4096}},
}

// BenchmarkAcquire is Acquire and Release while there is room: nobody waits, but
// the goroutines change the same word.
func BenchmarkAcquire(b *testing.B) {
	for _, budget := range budgets {
		for _, k := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("budget=%s/goroutines=%d", budget.name, k), func(b *testing.B) {
				g := New(budget.limit)
				benchtest.PerItem(b, benchtest.Items, func() {
					benchtest.Split(k, benchtest.Items, func(n int) { pairs(b, g, budget.cost, n) })
				})
			})
		}
	}
}

// pairs takes c and gives it back n times.
func pairs(b *testing.B, g *Gate, c Cost, n int) {
	b.Helper()
	ctx := b.Context()
	for range n {
		if err := g.Acquire(ctx, c); err != nil {
			b.Error(err)
			return
		}
		g.Release(c)
	}
}

// BenchmarkHandOver is a full gate whose Release admits who is next in line:
// in one goroutine, which is what the line costs, and from one goroutine to
// another, which is parked meanwhile.
func BenchmarkHandOver(b *testing.B) {
	for _, budget := range []struct {
		name string
		cost Cost
	}{{"items", Cost{Items: 1}}, {"bytes", Cost{Items: 1, Bytes: 4096}}} {
		one := budget.cost // and the limit: there is room for one
		b.Run("budget="+budget.name+"/way=Reserve/goroutines=1", func(b *testing.B) {
			g := New(one)
			g.Add(one)
			var r Reservation
			benchtest.PerItem(b, benchtest.Items, func() {
				for range benchtest.Items {
					if g.Reserve(&r, one) {
						b.Fatal("there was room")
					}
					g.Release(one)
					<-r.Ready()
				}
			})
		})
		for _, k := range []int{2, 8} {
			b.Run(fmt.Sprintf("budget=%s/way=Reserve/goroutines=%d", budget.name, k), func(b *testing.B) {
				handOver(b, k, New(one), func(_ context.Context, g *Gate, r *Reservation) error {
					if !g.Reserve(r, one) {
						<-r.Ready()
					}
					return nil
				}, one)
			})
			b.Run(fmt.Sprintf("budget=%s/way=Acquire/goroutines=%d", budget.name, k), func(b *testing.B) {
				handOver(b, k, New(one), func(ctx context.Context, g *Gate, _ *Reservation) error {
					return g.Acquire(ctx, one)
				}, one)
			})
		}
	}
}

// handOver has k goroutines that take all of the budget in turn.
func handOver(b *testing.B, k int, g *Gate, take func(context.Context, *Gate, *Reservation) error, c Cost) {
	b.Helper()
	ctx := b.Context()
	benchtest.PerItem(b, benchtest.Items, func() {
		benchtest.Split(k, benchtest.Items, func(n int) {
			var r Reservation
			for range n {
				if err := take(ctx, g, &r); err != nil {
					b.Error(err)
					return
				}
				runtime.Gosched() // let the others come and queue
				g.Release(c)
			}
		})
	})
}

// BenchmarkFull is what it costs to find no room.
func BenchmarkFull(b *testing.B) {
	for _, budget := range []struct {
		name string
		cost Cost
	}{{"items", Cost{Items: 1}}, {"bytes", Cost{Items: 1, Bytes: 4096}}} {
		b.Run("budget="+budget.name, func(b *testing.B) {
			g := New(budget.cost)
			g.Add(budget.cost)
			benchtest.PerItem(b, benchtest.Items, func() {
				for range benchtest.Items {
					if g.TryAcquire(budget.cost) {
						b.Fatal("there was room")
					}
				}
			})
		})
	}
}
