//go:build postgres

package pgcopy

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/pgtest"
	"github.com/penstock-go/penstock/stage"
)

type flight struct {
	Date        string `db:"date"`
	Delay       int    `db:"delay"`
	Distance    int    `db:"distance"`
	Origin      string `db:"origin"`
	Destination string `db:"destination"`
}

// BenchmarkCopy copies rows with the sink, and with pgx alone.
func BenchmarkCopy(b *testing.B) {
	const rows = 200_000
	config := pgtest.Config(b)
	pgtest.Execute(b, config, "CREATE UNLOGGED TABLE t (date text, delay int, distance int, origin text, destination text)")
	conn, err := pgx.ConnectConfig(b.Context(), config)
	require.NoError(b, err)
	defer func() { require.NoError(b, conn.Close(b.Context())) }()
	items := make([]flight, rows)
	for i := range items {
		items[i] = flight{"2001-01-01T00:01:00", i % 100, i, "ABQ", "PHX"}
	}
	measure := func(name string, fn func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			_, err := conn.Exec(b.Context(), "TRUNCATE t")
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				fn(b)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/item")
		})
	}
	measure("sink", func(b *testing.B) {
		b.Helper()
		w, err := Sink[flight](conn, "t").Open(b.Context(), nil)
		require.NoError(b, err)
		var c stage.Chunk[flight]
		for from := 0; from < rows; from += 500 {
			c.Items = items[from : from+500]
			require.NoError(b, w.Write(b.Context(), &c))
		}
		require.NoError(b, w.Close(b.Context(), nil))
	})
	measure("pgx", func(b *testing.B) {
		b.Helper()
		columns := []string{"date", "delay", "distance", "origin", "destination"}
		_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"t"}, columns, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
			f := &items[i]
			return []any{f.Date, f.Delay, f.Distance, f.Origin, f.Destination}, nil
		}))
		require.NoError(b, err)
	})
}
