package main

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"time"
)

// probe watches a run. It may hook into the job before the run begins; the
// function that it returns is called when the run has ended and writes into the
// job's sample.
type probe func(j *job) (finish func())

// probePeakHeap samples the bytes of heap in use, garbage and free room in used
// spans included, every millisecond.
func probePeakHeap(j *job) func() {
	read := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		var highest uint64
		for {
			metrics.Read(read)
			highest = max(highest, read[0].Value.Uint64()+read[1].Value.Uint64())
			select {
			case <-tick.C:
			case <-done:
				peak <- highest
				return
			}
		}
	}()
	return func() {
		close(done)
		j.sample.PeakHeapMB = megabytes(<-peak)
	}
}

// probeLiveHeap collects the garbage sixteen times while the consumer is at work
// and notes how much of the heap was live, everything that the process holds
// included.
func probeLiveHeap(j *job) func() {
	var (
		live    = []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		every   = max(1, j.n/16)
		slow    = j.delivered
		count   int
		highest uint64
	)
	j.delivered = func(v int) {
		slow(v) // meanwhile all that the budget allows piles up
		if count++; count%every == 0 {
			runtime.GC()
			metrics.Read(live)
			highest = max(highest, live[0].Value.Uint64())
		}
	}
	return func() { j.sample.LiveHeapMB = megabytes(highest) }
}

// probeLatency measures each item from when it was taken from the source to when
// the consumer got its result. An item is its place in the list of stamps, so it
// carries its own. The garbage that the lists are is not the implementation's.
func probeLatency(j *job) func() {
	stamps := make([]time.Duration, j.n)
	took := make([]time.Duration, 0, j.n)
	base := time.Now()
	j.taken = func(item int) { stamps[item] = time.Since(base) }
	j.delivered = func(result int) { took = append(took, time.Since(base)-stamps[result]) }
	return func() {
		slices.Sort(took)
		j.sample.P50us = figure(float64(took[len(took)/2]) / 1e3)
		j.sample.P99us = figure(float64(took[len(took)*99/100]) / 1e3)
	}
}

// probeFirst measures from the beginning of the run to its first result.
func probeFirst(j *job) func() {
	var first time.Duration
	j.delivered = func(int) {
		if first == 0 {
			first = time.Since(j.sample.start)
		}
	}
	return func() { j.sample.FirstItemMs = figure(float64(first) / 1e6) }
}

func megabytes(bytes uint64) *float64 { return figure(float64(bytes) / 1e6) }
