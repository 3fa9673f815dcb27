package source_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// BenchmarkChanLatency is how long an item takes from a channel through an ordered
// pool, all of which wait for it, to another channel: the mean, and as metrics the
// median, the 99th percentile and the longest.
func BenchmarkChanLatency(b *testing.B) {
	in, out := make(chan int), make(chan int)
	p := pool.New(2)
	defer p.Close()
	ended := make(chan error, 1)
	go func() {
		mapped := pool.Imap(p, source.Chan(in), stage.Pure(func(v int) int { return v }))
		_, err := stage.Run(context.Background(), mapped, sink.Chan(out))
		ended <- err
	}()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		in <- 1
		<-out
		took = append(took, time.Since(began))
	}
	close(in)
	require.NoError(b, <-ended)
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
	b.ReportMetric(float64(took[len(took)-1]), "max-ns")
}
