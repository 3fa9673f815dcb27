package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// BenchmarkJob runs the whole job on the real data.
func BenchmarkJob(b *testing.B) {
	data, err := command.Data(data)
	require.NoError(b, err)
	j := job{in: []string{data}, out: filepath.Join(b.TempDir(), "flights.db"), minDelay: minDelay}
	var rows int64
	for b.Loop() {
		res, err := j.run(b.Context(), func(Flight) {})
		require.NoError(b, err)
		rows += res.Read
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
