package main

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// What a row costs, with the inflating of half a million.
func BenchmarkRealData(b *testing.B) {
	path, err := command.Data(data)
	require.NoError(b, err)
	j := job{in: []string{path}, by: "origin", of: "delay"}
	var seen atomic.Int64
	var rows int64
	b.ReportAllocs()
	for b.Loop() {
		res, err := j.run(b.Context(), &seen)
		require.NoError(b, err)
		rows += res.rows
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}
