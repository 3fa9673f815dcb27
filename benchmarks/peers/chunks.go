package main

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// fixedSizes are the chunk sizes that the automatic one is compared with.
var fixedSizes = []int{1, 4, 16, 64, 256, 1024, 4096}

// openChunks is the suite of the automatic chunk size: each function with it and
// with every fixed one.
func openChunks(ctx context.Context, set settings) (*plan, error) {
	flights, err := openFlights(ctx, set.quick)
	if err != nil {
		return nil, err
	}
	return &plan{cases: chunks(flights), close: flights.close}, nil
}

func chunks(flights *lines) []benchCase {
	of := func(name string, n, quickN int, f fn) benchCase {
		return benchCase{
			name: name, job: job{n: n, fn: f, workers: 2, ordered: true}, quickN: quickN, split: 2,
			impls: sized(penstock), bounds: []bound{vsBestFixed(0.9)},
		}
	}
	short := of("1000x10us", 1000, 100, spinFor(10*time.Microsecond))
	short.most, short.bounds = 1000, []bound{vsBestFixed(0.95)}
	parse := of("flights-lines", flights.n, flights.n, nil)
	parse.most, parse.job.value = flights.n, flights.value
	parse.impls = sized(penstockBy(flights.penstock))
	order := of("ordered-vs-unordered/noop", 1_000_000, 2000, noop)
	order.impls = []impl{penstock, penstock.with("unordered", func(j *job) { j.ordered = false })}
	order.bounds = []bound{vsUnordered(1.2)}
	return []benchCase{
		order,
		of("noop", 1_000_000, 5000, noop),
		of("1us", 100_000, 5000, spinFor(time.Microsecond)),
		of("20us", 5000, 200, spinFor(20*time.Microsecond)),
		of("sleep-1ms", 100, 20, sleepFor(time.Millisecond)),
		// On average as long as 4 us an item.
		of("skewed", 20_000, 1000, uneven(2*time.Microsecond, 200*time.Microsecond, 100)),
		parse,
		short,
	}
}

// sized is the implementation with the automatic chunk size and with each fixed
// one.
func sized(im impl) []impl {
	all := append(make([]impl, 0, 1+len(fixedSizes)), im)
	for _, size := range fixedSizes {
		all = append(all, im.chunk(size))
	}
	return all
}

func vsBestFixed(limit float64) bound {
	return bound{what: "throughput / best fixed size's", atLeast: true, limit: limit, figure: func(rs results) float64 {
		best := rs.fastest(variant)
		if best == nil {
			return rs.ns("") // not a number
		}
		return best.NsPerItem / rs.ns(ourName)
	}}
}

func vsUnordered(limit float64) bound {
	return bound{what: "time / unordered's", limit: limit, figure: func(rs results) float64 {
		return rs.ns(ourName) / rs.ns("penstock/unordered")
	}}
}

// penstock parses the lines of the file in the workers of a pool.
func (l *lines) penstock(ctx context.Context, j job) (tally, error) {
	if j.n != l.n {
		return tally{}, errors.New("a file of lines is read as a whole")
	}
	p := pool.New(j.workers)
	defer p.Close()
	return penstockConsume(ctx, j, penstockImap(p, source.Lines(l.path), j, parseFlight))
}
