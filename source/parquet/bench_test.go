package parquet

import (
	"io"
	"os"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/benchtest"
)

const benchRows = 100_000

// BenchmarkSource reads rows of four columns, and of one, in one goroutine.
// BenchmarkLibrary is the same with the library's reader.
func BenchmarkSource(b *testing.B) {
	path := written(b, benchRows, flights(benchRows), parquet.Compression(&parquet.Zstd))
	b.Run("columns=4", func(b *testing.B) { benchtest.Drain(b, Source[flight](path), 1024, benchRows) })
	type miles struct {
		Miles int64 `parquet:"miles"`
	}
	b.Run("columns=1", func(b *testing.B) { benchtest.Drain(b, Source[miles](path), 1024, benchRows) })
}

func BenchmarkLibrary(b *testing.B) {
	path := written(b, benchRows, flights(benchRows), parquet.Compression(&parquet.Zstd))
	b.Run("columns=4", func(b *testing.B) {
		rows := make([]flight, 1024)
		benchtest.PerItem(b, benchRows, func() {
			f, err := os.Open(path)
			require.NoError(b, err)
			r := parquet.NewGenericReader[flight](f)
			total := 0
			for err == nil {
				var n int
				n, err = r.Read(rows)
				total += n
			}
			require.Equal(b, io.EOF, err)
			require.Equal(b, benchRows, total)
			require.NoError(b, r.Close())
			require.NoError(b, f.Close())
		})
	})
}
