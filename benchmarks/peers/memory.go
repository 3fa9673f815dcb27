package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"time"

	"github.com/destel/rill"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/sourcegraph/conc/stream"
)

// memory is the suite of what is held while a consumer is slow: the peak of the
// heap against the number of small items, and what is live of large results.
func memory() []benchCase {
	cases := make([]benchCase, 0, 7)
	slow := spinFor(200 * time.Nanosecond)
	consume := func(result int) {
		if v, err := slow(context.Background(), result); v != result || err != nil {
			panic("peers: the slow consumer is broken")
		}
	}
	small := []impl{penstock, byRill, byConc, byGoStreams, byPond, byMap, byRing}
	for i := range small {
		small[i].slice = false // the items would be on the heap
	}
	for _, n := range []int{10_000, 100_000, 1_000_000, 10_000_000} {
		impls := small
		if n > 1_000_000 {
			impls = small[:1] // the others take seconds, and one of them gigabytes
		}
		cases = append(cases, benchCase{
			name: fmt.Sprintf("slow-consumer/items=%d", n), quickN: min(n/10, 10_000), whole: true,
			job: job{
				n: n, fn: noop, workers: 2, ordered: true, seq: true,
				window: peerWindow, buffer: peerBuffer, delivered: consume,
			},
			impls: impls, probes: []probe{probePeakHeap},
			bounds: []bound{{what: "peak heap, MB", limit: 16, figure: peakHeap}},
		})
	}
	pause := func(int) { time.Sleep(time.Millisecond) }
	for _, n := range []int{50, 200, 800} {
		cases = append(cases, benchCase{
			name: fmt.Sprintf("slow-consumer/1MB/items=%d", n), quickN: 20, whole: true,
			job: job{n: n, workers: 2, ordered: true, inFlight: 8, delivered: pause},
			impls: []impl{
				penstockBy(penstockBlocks),
				{name: rillName, run: rillBlocks, note: rillNote + "; no budget to set: holds what its workers have"},
				{name: "conc", run: concBlocks, note: "no budget to set: holds what its workers have and their queue"},
			},
			probes: []probe{probeLiveHeap, probePeakHeap},
			bounds: []bound{{what: "live heap, MB", limit: 12, figure: func(rs results) float64 {
				return rs.ours(func(r *row) *float64 { return r.LiveHeapMB })
			}}},
		})
	}
	return cases
}

// newBlock makes a result of 1,000,000 bytes that knows its item.
func newBlock(_ context.Context, item int) ([]byte, error) {
	b := make([]byte, 1_000_000)
	binary.LittleEndian.PutUint64(b, uint64(item))
	return b, nil
}

// addBlock takes a block, which stays alive until the consumer is done with it.
func (t *tally) addBlock(b []byte) {
	t.add(int(binary.LittleEndian.Uint64(b)))
	runtime.KeepAlive(b)
}

func penstockBlocks(ctx context.Context, j job) (tally, error) {
	p := pool.New(j.workers)
	defer p.Close()
	t := j.tally()
	for b, err := range penstockImap(p, source.Range(0, j.n), j, newBlock).All(ctx) {
		if err != nil {
			return t, err
		}
		t.addBlock(b)
	}
	return t, nil
}

func rillBlocks(ctx context.Context, j job) (tally, error) {
	t := j.tally()
	out := rill.OrderedMap(rill.FromSeq(j.items(), nil), j.workers, func(x int) ([]byte, error) { return newBlock(ctx, x) })
	for b, err := range rill.ToSeq2(out) {
		if err != nil {
			return t, err
		}
		t.addBlock(b)
	}
	return t, nil
}

func concBlocks(ctx context.Context, j job) (tally, error) {
	var (
		t      = j.tally()
		failed error
		s      = stream.New().WithMaxGoroutines(j.workers)
	)
	for x := range j.items() {
		s.Go(func() stream.Callback {
			b, err := newBlock(ctx, x)
			return func() {
				if err != nil {
					failed = err
					return
				}
				t.addBlock(b)
			}
		})
	}
	s.Wait()
	return t, failed
}
