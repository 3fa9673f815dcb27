package source

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// BenchmarkQuery reads rows of a table, and does so without the source.
func BenchmarkQuery(b *testing.B) {
	const rows = 50_000
	db := numbered(b, rows)
	const query = "SELECT id, square FROM t"
	measure := func(name string, fn func(b *testing.B) int64) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.EqualValues(b, rows, fn(b))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/item")
		})
	}
	counted := func(s stage.Stream[square]) func(b *testing.B) int64 {
		return func(b *testing.B) int64 {
			b.Helper()
			n, err := s.Count(b.Context())
			require.NoError(b, err)
			return n
		}
	}
	measure("rows", counted(Query[square](db, query)))
	measure("pages", counted(Query[square](db, query, Key("id"))))
	measure("byhand", func(b *testing.B) (n int64) {
		b.Helper()
		result, err := db.QueryContext(b.Context(), query)
		require.NoError(b, err)
		defer func() { require.NoError(b, result.Close()) }()
		for result.Next() {
			var s square
			require.NoError(b, result.Scan(&s.ID, &s.Square))
			n++
		}
		require.NoError(b, result.Err())
		return n
	})
}
