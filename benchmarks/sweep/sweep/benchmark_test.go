package sweep

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// once has benchmarks in the test run a single iteration.
func once(t *testing.T) {
	t.Helper()
	f := flag.Lookup("test.benchtime")
	before := f.Value.String()
	require.NoError(t, f.Value.Set("1x"))
	t.Cleanup(func() { _ = f.Value.Set(before) })
}

func TestBenchmarkReports(t *testing.T) {
	once(t)
	job := squares(500)
	job.SizeOf = func(int) int { return 4 }
	d := newDriver("Benchmark", job, newConfig("Benchmark", nil))
	d.bytes = 2000
	for _, c := range []Combination{baseline(), {Mode: Ordered, Workers: 2}, {Mode: Eager, Workers: 2, Chunk: 16}} {
		got := testing.Benchmark(func(b *testing.B) {
			b.Helper()
			d.benchmark(b, c)
		})
		require.Equal(t, 1, got.N)
		assert.EqualValues(t, 2000, got.Bytes)
		assert.Len(t, got.Extra, 3)
		assert.InEpsilon(t, 1e9, got.Extra["ns/item"]*got.Extra["items/s"], 1e-6)
		assert.Less(t, got.Extra["allocs/item"], 5.0)
	}
}

func TestBenchmarkRunsAll(t *testing.T) {
	once(t)
	var names []string
	testing.Benchmark(func(b *testing.B) {
		b.Helper()
		Benchmark(b, squares(10), ChunkSizes(1), Workers(2))
		names = append(names, b.Name())
	})
	assert.NotEmpty(t, names)

	testing.Benchmark(func(b *testing.B) { // it fails, and is over
		b.Helper()
		Benchmark(b, Job[int, int]{Source: squares(9).Source, Func: evenOnly}, ChunkSizes(1), Workers(2))
	})
}

func BenchmarkSquares(b *testing.B) {
	Benchmark(b, squares(10_000), ChunkSizes(1, 64), Workers(2))
}
